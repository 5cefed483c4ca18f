import type { FailureKind } from './failure.ts';

/** How an incident ended, or where it stands. */
export const outcomes = ['recovered', 'not_recovered', 'relapsed', 'unknown'] as const;
export type Outcome = (typeof outcomes)[number];

/** What was seen that opened an incident. Counts are of failures of that kind. */
export interface Symptom {
  /** `watch`: the healer's own look at the service; `traffic`: failures that a proxy reported. */
  readonly seenBy: 'traffic' | 'watch';
  readonly kind: FailureKind | 'service_down' | 'service_frozen' | 'no_progress' | 'unanswered_probe' | 'worker_died';
  readonly gateway?: string;
  readonly count: number;
  readonly text: string;
}

export interface Incident {
  readonly id: string;
  readonly service: string;
  readonly openedAtMs: number;
  readonly symptom: Symptom;
}
