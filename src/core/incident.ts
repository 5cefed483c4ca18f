import type { FailureKind } from './failure.ts';

/** How an incident ended, or where it stands. */
export const outcomes = ['recovered', 'not_recovered', 'relapsed', 'unknown'] as const;
export type Outcome = (typeof outcomes)[number];

/** `watch`: the healer's own look at the service; `traffic`: what a proxy reported; `nginx_log`: what nginx wrote. */
export const seers = ['traffic', 'watch', 'nginx_log'] as const;
export type SeenBy = (typeof seers)[number];

/** What was seen that opened an incident. Counts are of failures of that kind. */
export interface Symptom {
  readonly seenBy: SeenBy;
  readonly kind: FailureKind | 'service_down' | 'service_frozen' | 'no_progress' | 'unanswered_probe' | 'worker_died' | 'status_5xx';
  readonly gateway?: string;
  readonly count: number;
  /** The system's error name of the last failure, where it has one. */
  readonly errno?: string;
  readonly text: string;
}

/** Nothing was seen: somebody asks how a service is. */
export interface Question extends Omit<Symptom, 'kind'> {
  readonly kind: 'asked';
}

export interface Incident {
  readonly id: string;
  readonly service: string;
  readonly openedAtMs: number;
  readonly symptom: Symptom;
}
