/** What a simulation is fed with, and what it says. Every moment is wall milliseconds: the fake clock has only one hand. */
import type { ActionName, GateName } from '../../core/decision.ts';
import type { CauseName, Confidence } from '../../core/diagnosis.ts';
import type { ServiceState } from '../leaves.ts';

/** What came of a step that was really done, or of one that a scenario tells; without an action: of the next step, whichever. */
export interface KnownResult {
  readonly action?: ActionName;
  readonly helps: boolean;
  readonly tookMs?: number;
}

/** Who made the service well again in what was recorded. */
export type HealedBy = 'itself' | 'deed' | 'person';

export type SimulatedEvent = { readonly atMs: number } & (
  | {
      readonly kind: 'trouble';
      readonly service: string;
      /** Of a recorded incident: its first diagnosis opens it, the others belong to it. Without one the trouble joins the incident that is open. */
      readonly incident?: string;
      readonly opens?: true;
      readonly cause: CauseName;
      readonly confidence: Confidence;
      readonly state?: ServiceState['state'];
      readonly results?: readonly KnownResult[];
    }
  | { readonly kind: 'well'; readonly service: string; readonly incident?: string; readonly by: HealedBy }
  /** Somebody changes the system; without text no longer. */
  | { readonly kind: 'changing'; readonly service: string; readonly text?: string }
  | { readonly kind: 'supervisor'; readonly service: string; readonly untilMs: number }
  /** Without a service: the whole host. */
  | { readonly kind: 'paused'; readonly service?: string; readonly untilMs: number; readonly reason: string }
  | { readonly kind: 'resumed'; readonly service?: string }
  | { readonly kind: 'off'; readonly service?: string; readonly reason: string; readonly by: string }
  | { readonly kind: 'on'; readonly service?: string }
  | { readonly kind: 'human'; readonly service: string; readonly text: string }
);

/** One thing that a simulated incident says. */
export type Entry = { readonly atMs: number } & (
  | { readonly kind: 'cause'; readonly cause: CauseName; readonly confidence: Confidence }
  | {
      readonly kind: 'would';
      readonly action: ActionName;
      readonly rule: string;
      /** It touches the service; waiting and telling do not. */
      readonly touches: boolean;
      /** A person must agree first, and is assumed to. */
      readonly asks: boolean;
      readonly result: 'helps' | 'fails' | 'none';
      readonly known: 'told' | 'assumed';
    }
  | { readonly kind: 'refused'; readonly action: ActionName; readonly rule: string; readonly gates: readonly { readonly gate: GateName; readonly reason: string }[]; readonly untilMs?: number }
  | { readonly kind: 'pending' | 'no_rule' | 'exhausted' | 'gave_up' | 'cut'; readonly rule?: string; readonly text: string; readonly untilMs?: number }
);

/** `not_known`: what ended it then was not done in the simulation, so nobody knows. */
export type SimulatedEnd = 'helped' | 'by_itself' | 'by_person' | 'not_known' | 'open';

export interface SimulatedIncident {
  /** Of the recorded incident. */
  readonly id?: string;
  readonly service: string;
  readonly openedAtMs: number;
  readonly entries: readonly Entry[];
  readonly end: SimulatedEnd;
  readonly endedAtMs?: number;
}
