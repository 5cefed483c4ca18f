/**
 * What live traffic tells about one backend: each failure at once (bounded), and a summary of the rest.
 * Client aborts and our own faults are never counted against the backend.
 */
import type { FailureKind, UpstreamFailure } from '../core/failure.ts';
import type { Pattern } from './access-pattern.ts';
import { PerSecond } from './per-second.ts';
import type { Clock } from '../core/time.ts';
import { errnoPattern, type Fact } from '../channel/messages.ts';

/** Failures told one by one, per second; the summary counts them all. */
const failuresToldPerSecond = 20;

/** What a summary tells. */
export interface TrafficCounts {
  completed: number;
  failed: number;
  status5xx: number;
  fellBack: number;
}

export class PassiveHealth {
  readonly #gateway: string;
  readonly #clock: Clock;
  readonly #tell: (fact: Fact) => void;
  #counts: TrafficCounts = { completed: 0, failed: 0, status5xx: 0, fellBack: 0 };
  #periodBeganMs: number;
  readonly #told = new PerSecond();
  #awaitingHead = 0;
  /** Since when the oldest unanswered wait lasts; a time-out does not end it while others still wait. */
  #waitingSinceMs: number | undefined;
  /** Since the start; for metrics and the state page. `shed`: of those that fell back, turned away on purpose. */
  readonly total: TrafficCounts & { shed: number } = { completed: 0, failed: 0, status5xx: 0, fellBack: 0, shed: 0 };

  /** Since the start: what was counted as failed, by kind. */
  readonly failures = new Map<FailureKind, number>();
  /** Since the start: the backend's answers by the first digit of their status. */
  readonly answers: number[] = [0, 0, 0, 0, 0, 0];

  constructor(gateway: string, clock: Clock, tell: (fact: Fact) => void) {
    this.#gateway = gateway;
    this.#clock = clock;
    this.#tell = tell;
    this.#periodBeganMs = clock.monotonicMs();
  }

  /** An attempt has begun; pair it with `answered`, `failed` or `withdrawn`. */
  began(): void {
    this.#waitingSinceMs ??= this.#clock.monotonicMs();
    this.#awaitingHead += 1;
  }

  answered(status: number): void {
    this.#progress();
    this.#count('completed');
    if (status >= 500) this.#count('status5xx');
    const first = Math.trunc(status / 100);
    if (first < this.answers.length) this.answers[first]! += 1;
  }

  failed(failure: UpstreamFailure, upstream: number, requestId: string): void {
    if (failure.kind === 'http_response_timeout' && this.#awaitingHead > 1) this.#awaitingHead -= 1;
    else this.#progress();
    this.#report(failure, upstream, requestId);
  }

  /** The attempt says nothing about the backend: its client has gone, or a kept connection ended under it. */
  withdrawn(): void {
    this.#awaitingHead -= 1;
    if (this.#awaitingHead === 0) this.#waitingSinceMs = undefined;
  }

  /** The head was passed on and the body broke off: counted although the answer was under way. */
  cut(failure: UpstreamFailure, upstream: number, requestId: string): void {
    this.#report(failure, upstream, requestId);
  }

  fellBack(shed: boolean): void {
    this.#count('fellBack');
    if (shed) this.total.shed += 1;
  }

  /** For how long nothing was answered although something was asked; 0 when that is not so. */
  noProgressMs(): number {
    return this.#awaitingHead === 0 || this.#waitingSinceMs === undefined ? 0 : Math.round(this.#clock.monotonicMs() - this.#waitingSinceMs);
  }

  /** Tells the healer the counts since the last summary, and `pattern` where there is more to do than is done. */
  summarise(gate: { readonly inFlight: number; readonly held: number; readonly state: { readonly kind: 'open' | 'holding' | 'falling_back' } }, pattern?: Pattern): void {
    const now = this.#clock.monotonicMs();
    this.#tell({
      type: 'traffic_summary',
      gateway: this.#gateway,
      atMs: this.#clock.wallMs(),
      periodMs: Math.max(0, Math.round(now - this.#periodBeganMs)),
      inFlight: gate.inFlight,
      held: gate.held,
      ...this.#counts,
      noProgressMs: this.noProgressMs(),
      gate: gate.state.kind,
      ...(pattern && { pattern }),
    });
    this.#periodBeganMs = now;
    this.#counts = { completed: 0, failed: 0, status5xx: 0, fellBack: 0 };
  }

  #progress(): void {
    this.#awaitingHead -= 1;
    this.#waitingSinceMs = this.#awaitingHead > 0 ? this.#clock.monotonicMs() : undefined;
  }

  #count(what: keyof TrafficCounts): void {
    this.#counts[what] += 1;
    this.total[what] += 1;
  }

  #report(failure: UpstreamFailure, upstream: number, requestId: string): void {
    if (failure.source !== 'upstream') return;
    this.#count('failed');
    this.failures.set(failure.kind, (this.failures.get(failure.kind) ?? 0) + 1);
    if (this.#told.count(this.#clock.monotonicMs()) > failuresToldPerSecond) return;
    this.#tell({
      type: 'failure_reported',
      gateway: this.#gateway,
      upstream,
      kind: failure.kind,
      phase: failure.phase,
      detail: failure.detail.slice(0, 300),
      ...(failure.errno !== undefined && errnoPattern.test(failure.errno) && { errno: failure.errno }),
      requestId: requestId.slice(0, 64),
      atMs: this.#clock.wallMs(),
    });
  }
}
