/**
 * Never two acts on one service at once. Nobody queues: who finds an act under way decides anew or is told, because
 * what was decided before that act is stale once it has ended.
 */
import type { OpenCase, Ward } from './healer.ts';

interface Acts {
  /** What is being done, in words; `undefined`: nothing. */
  underWay: string | undefined;
  /** How many acts of people have ended. */
  byHand: number;
}

const actsOn = new WeakMap<Ward, Acts>();
const seenAt = new WeakMap<OpenCase, number>();

/** A round begins to look: what a person does from here on makes its decision stale. */
export function beginLook(open: OpenCase, ward: Ward): void {
  seenAt.set(open, actsOf(ward).byHand);
}

/**
 * Begins a step of a round; the function that ends it. `undefined`: something else acts on the service, or a person
 * has acted since the round looked. Then look anew.
 */
export function beginStep(open: OpenCase, ward: Ward, what: string): (() => void) | undefined {
  const acts = actsOf(ward);
  if (acts.underWay !== undefined || (seenAt.get(open) ?? acts.byHand) !== acts.byHand) return undefined;
  acts.underWay = what;
  return () => void (acts.underWay = undefined);
}

/** Begins what a person asked for; the function that ends it, or what is being done at this moment. */
export function beginByHand(ward: Ward, what: string): { readonly end: () => void } | { readonly underWay: string } {
  const acts = actsOf(ward);
  if (acts.underWay !== undefined) return { underWay: acts.underWay };
  acts.underWay = what;
  return {
    end: () => {
      acts.underWay = undefined;
      acts.byHand += 1;
    },
  };
}

function actsOf(ward: Ward): Acts {
  const known = actsOn.get(ward) ?? { underWay: undefined, byHand: 0 };
  actsOn.set(ward, known);
  return known;
}
