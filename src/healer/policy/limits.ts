/**
 * The arithmetic of restraint: windows, cooldown, back-off, giving up. Simple enough to be checked by eye.
 * Every moment is in monotonic milliseconds, so no jump of the wall clock opens or closes a limit; the state store
 * translates them to wall time on disk. Windows are half-open, (now - within, now]: an attempt exactly `within` ago is
 * forgotten.
 */
import type { PolicyConfig } from '../../config/policy-schema.ts';
import type { ActionName } from '../../core/decision.ts';

/** One moment on both clocks: monotonic for the arithmetic, wall for what people read. */
export interface Now {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

/** An action whose intent was recorded, whatever became of it. Only actions that count are attempts. */
export interface Attempt {
  /** Of the action, as the audit log has it: by it an intent whose count was lost in a crash is told from one that was counted. */
  readonly id?: string;
  readonly service: string;
  readonly incident: string;
  readonly action: ActionName;
  /** What it was counted against, where its options decided that; else as the action declares. */
  readonly budget?: 'disruptive' | 'start' | 'none';
  readonly atMs: number;
}

export interface GaveUp {
  readonly incident: string;
  readonly reason: string;
  readonly sinceMs: number;
  /** The one further attempt after giving up has been started. */
  readonly retried: boolean;
}

/** Healing of one service, or of the whole host, is switched off by a person until a person switches it on. */
export interface SwitchedOff {
  readonly sinceMs: number;
  readonly reason: string;
  /** Who, as claimed: a login name and how it was asked. */
  readonly by: string;
}

/** What is remembered of one service between incidents. */
export interface ServiceHistory {
  /** Ends of verifications, the newest last; of each incident only its last one, of at most two incidents. */
  readonly verifications: readonly { readonly incident: string; readonly endedAtMs: number }[];
  readonly backoff: {
    /** Attempts since the service was last healthy for `reset_after`. */
    readonly attempts: number;
    /** The random share of the jitter, 0 to 1, drawn once per attempt so that the earliest time does not dance. */
    readonly draw: number;
    readonly healthySinceMs?: number;
  };
  readonly gaveUp?: GaveUp;
  readonly paused?: Paused;
  readonly off?: SwitchedOff;
  /** Incidents that an act of ours ended, of the last day: the loop must not hide the fault. */
  readonly recoveries: readonly { readonly incident: string; readonly atMs: number }[];
  /** What people were told of it within the last day, by what was said; `held`: how often it was left unsaid since. */
  readonly notices?: readonly Notice[];
  /** The last time that a person, or a program for one, acted on the service. */
  readonly humanActed?: { readonly atMs: number; readonly text: string };
}

/** One thing that people were told. */
export interface Notice {
  readonly key: string;
  readonly atMs: number;
  readonly held: number;
}

/** Ends by itself. */
export interface Paused {
  readonly untilMs: number;
  readonly reason: string;
}

/** Many failed attempts of any service: nothing is done but to look. */
export interface Breaker {
  readonly openedAtMs: number;
  readonly reason: string;
  /** The one try after `stay_open` has been started. */
  readonly tried: boolean;
  /** The incident whose attempt that is; starts of other dead services, which go on meanwhile, decide nothing. */
  readonly triedBy?: string;
}

/** A service began to fail. */
export interface Opening {
  readonly service: string;
  readonly incident: string;
  /** While it was in trouble, something that it needs was so too: that explains it, and goes on doing so. */
  readonly dependent?: boolean;
  readonly atMs: number;
}

/** Many services began to fail together. */
export interface SharedCause {
  readonly openedAtMs: number;
  readonly reason: string;
  /** Since when they are not in trouble together any more; absent while they are. */
  readonly calmSinceMs?: number;
}

/** What is remembered of the whole host. */
export interface HostHistory {
  /** Attempts that did not help, or that relapsed, of all services; newest last. */
  readonly failures: readonly { readonly service: string; readonly incident: string; readonly atMs: number }[];
  readonly breaker?: Breaker;
  /** The last time that each service began to fail, as far as that is of use for seeing a shared cause. */
  readonly openings?: readonly Opening[];
  readonly sharedCause?: SharedCause;
  readonly off?: SwitchedOff;
  readonly paused?: Paused;
}

/** A question to a person, bound to what it was asked about: anything else that changes makes it void. */
export interface Approval {
  /** What a person types. */
  readonly code: string;
  readonly rule: string;
  readonly rung: number;
  readonly action: ActionName;
  /** The run of the service, and the policy's hash, that it was asked about. */
  readonly fence: string;
  readonly policy: string;
  readonly askedAtMs: number;
  readonly untilMs: number;
  readonly verdict: 'asked' | 'given' | 'denied' | 'expired';
  readonly by?: string;
  /** `used`: the step that it allowed has begun. `void`: what it was bound to has changed. No decision sees it any more. */
  readonly over?: 'used' | 'void';
}

/** What the limits of every service are computed from. */
export interface HealingHistory {
  readonly attempts: readonly Attempt[];
  readonly services: ReadonlyMap<string, ServiceHistory>;
  readonly host: HostHistory;
  /** When the record was found unreadable: every limit counts as used up to one attempt at that moment. */
  readonly lostAtMs?: number;
}

export interface WindowUse {
  readonly used: number;
  /** Monotonic time from which one more is allowed; `undefined` when it is allowed now, or never will be. */
  readonly freeAtMs: number | undefined;
}

/** How much of `times` per `withinMs` is used. One more is allowed while `used < times`. */
export function useOfWindow(moments: readonly number[], limit: { readonly times: number; readonly withinMs: number }, nowMs: number): WindowUse {
  const inside = moments.filter((atMs) => nowMs - atMs < limit.withinMs).toSorted((a, b) => a - b);
  // The one whose leaving makes room: more may be inside than the limit when a policy was made stricter.
  const leaving = limit.times > 0 ? inside[inside.length - limit.times] : undefined;
  return { used: inside.length, freeAtMs: leaving === undefined ? undefined : leaving + limit.withinMs };
}

/** Moments that stand for attempts nobody can know of any more: all but one, so that a lost file neither frees nor forbids everything. */
export function assumedAttempts(history: HealingHistory, times: number): readonly number[] {
  return history.lostAtMs === undefined ? [] : Array<number>(Math.max(0, times - 1)).fill(history.lostAtMs);
}

/** End of the quiet time after the previous incident of this service; `undefined` when there was none. */
export function cooldownEndMs(service: ServiceHistory | undefined, incident: string, cooldownMs: number): number | undefined {
  const previous = service?.verifications.findLast((verification) => verification.incident !== incident);
  return previous && previous.endedAtMs + cooldownMs;
}

export type BackoffConfig = PolicyConfig['limits']['backoff'];

/** The wait after attempt number `attempts`: `initial` after the first, `factor` times more after each further one, then jitter. */
export function backoffMs(config: BackoffConfig, attempts: number, draw: number): number {
  const plain = Math.min(config.max, config.initial * config.factor ** Math.max(0, attempts - 1));
  return Math.round(plain * (1 + config.jitter * (2 * draw - 1)));
}

/** End of the back-off inside an incident: counted from the end of the last attempt's verification, or from the attempt itself where none ended. */
export function backoffEndMs(service: ServiceHistory, lastAttemptMs: number, config: BackoffConfig): number {
  const lastVerified = service.verifications.at(-1)?.endedAtMs ?? lastAttemptMs;
  return Math.max(lastAttemptMs, lastVerified) + backoffMs(config, service.backoff.attempts, service.backoff.draw);
}

/** Whether a service that was given up may be tried once more. */
export type HalfOpen = { readonly kind: 'not_given_up' } | { readonly kind: 'one_try' } | { readonly kind: 'later'; readonly atMs: number } | { readonly kind: 'human_only' };

/** `retry_after` allows exactly one further attempt after giving up; then only a person helps. */
export function halfOpen(gaveUp: GaveUp | undefined, retryAfter: number | 'never', nowMs: number): HalfOpen {
  if (!gaveUp) return { kind: 'not_given_up' };
  if (retryAfter === 'never' || gaveUp.retried) return { kind: 'human_only' };
  const atMs = gaveUp.sinceMs + retryAfter;
  return nowMs >= atMs ? { kind: 'one_try' } : { kind: 'later', atMs };
}
