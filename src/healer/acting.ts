/**
 * Never two acts on one service at once. Nobody queues: who finds an act under way decides anew or is told, because
 * what was decided before that act is stale once it has ended.
 */
import type { Healer, OpenCase, Ward } from './healer.ts';

interface Acts {
  /** What is being done, in words; `undefined`: nothing. */
  underWay: string | undefined;
  /** How many acts of people have ended. */
  byHand: number;
}

/** By the service's name: a reload of the configuration makes other wards of the same services. */
const actsOn = new WeakMap<Healer, Map<string, Acts>>();
const seenAt = new WeakMap<OpenCase, number>();

/** A round begins to look: what a person does from here on makes its decision stale. */
export function beginLook(open: OpenCase, ward: Ward, healer: Healer): void {
  seenAt.set(open, actsOf(ward, healer).byHand);
}

/**
 * Begins a step of a round; the function that ends it. `undefined`: something else acts on the service, or a person
 * has acted since the round looked. Then look anew.
 */
export function beginStep(what: string, { open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): (() => void) | undefined {
  const acts = actsOf(ward, healer);
  if (acts.underWay !== undefined || (seenAt.get(open) ?? acts.byHand) !== acts.byHand) return undefined;
  acts.underWay = what;
  return () => void (acts.underWay = undefined);
}

/** Begins what a person asked for; the function that ends it, or what is being done at this moment. */
export function beginByHand(what: string, { ward, healer }: { ward: Ward; healer: Healer }): { readonly end: () => void } | { readonly underWay: string } {
  const acts = actsOf(ward, healer);
  if (acts.underWay !== undefined) return { underWay: acts.underWay };
  acts.underWay = what;
  return {
    end: () => {
      acts.underWay = undefined;
      acts.byHand += 1;
    },
  };
}

/** What is being done to the service at this moment, in words; `undefined`: nothing. */
export function underWayOn(ward: Ward, healer: Healer): string | undefined {
  return actsOf(ward, healer).underWay;
}

/** Does somebody act on the service at this moment? */
export function isActedOn(ward: Ward, healer: Healer): boolean {
  return underWayOn(ward, healer) !== undefined;
}

function actsOf({ name }: Ward, healer: Healer): Acts {
  const services = actsOn.get(healer) ?? new Map<string, Acts>();
  actsOn.set(healer, services);
  const known = services.get(name) ?? { underWay: undefined, byHand: 0 };
  services.set(name, known);
  return known;
}
