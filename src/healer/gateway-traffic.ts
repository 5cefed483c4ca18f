/**
 * What is heard of one gateway, counted for people: how much is answered, what failed, how it is right now. It decides
 * nothing. One bucket a second, so a flood costs no more than a trickle.
 */
import type { FailureKind } from '../core/failure.ts';
import type { TrafficSummary } from './proxy-link.ts';

/** Of answers, for a rate that does not dance. */
const rateSeconds = 10;
/** Of failures. */
const failureSeconds = 60;

/** Stamped by our own monotonic clock. */
type Heard = TrafficSummary & { readonly seenMs: number };

interface Bucket {
  readonly second: number;
  answered: number;
  failed: number;
  readonly kinds: Map<FailureKind, number>;
}

/** At one moment. */
export interface TrafficNow {
  /** The last word of its proxy, however old; `undefined`: none was heard. */
  readonly newest: Heard | undefined;
  /** Requests that got an answer or our page, per second, of the last 10 s. */
  readonly perSecond: number;
  /** Attempts that failed in the last 60 s. */
  readonly failed: number;
  /** Of these, those that were told one by one: of a flood the first 20 of each second. */
  readonly failedByKind: ReadonlyMap<FailureKind, number>;
}

export class GatewayTraffic {
  /** At most one for each of the last 60 seconds, oldest first. */
  #buckets: Bucket[] = [];
  #newest: Heard | undefined;
  /** Monotonic: counts go back to here. */
  #sinceMs: number | undefined;

  /** A proxy summed up. */
  heard(summary: Heard): void {
    this.#newest = summary;
    this.#sinceMs ??= summary.seenMs - summary.periodMs;
    const bucket = this.#bucketOf(summary.seenMs);
    bucket.answered += summary.completed + summary.fellBack;
    bucket.failed += summary.failed;
  }

  /** One attempt failed, as a proxy or nginx's log says. */
  failed(kind: FailureKind, nowMs: number): void {
    const { kinds } = this.#bucketOf(nowMs);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }

  /** `nowMs`: monotonic. */
  now(nowMs: number): TrafficNow {
    const second = secondOf(nowMs);
    const since = (seconds: number): readonly Bucket[] => this.#buckets.filter((one) => one.second > second - seconds);
    const beganMs = Math.max(this.#sinceMs ?? nowMs, (second - rateSeconds + 1) * 1000);
    const answered = since(rateSeconds).reduce((sum, one) => sum + one.answered, 0);
    const failedByKind = new Map<FailureKind, number>();
    for (const { kinds } of since(failureSeconds)) for (const [kind, count] of kinds) failedByKind.set(kind, (failedByKind.get(kind) ?? 0) + count);
    const told = [...failedByKind.values()].reduce((sum, count) => sum + count, 0);
    const summed = since(failureSeconds).reduce((sum, one) => sum + one.failed, 0);
    // a failure is told at once and summed up within half a second; those of nginx's log are never summed up
    return { newest: this.#newest, perSecond: nowMs > beganMs ? (answered * 1000) / (nowMs - beganMs) : 0, failed: Math.max(told, summed), failedByKind };
  }

  #bucketOf(nowMs: number): Bucket {
    const second = secondOf(nowMs);
    const last = this.#buckets.at(-1);
    if (last?.second === second) return last;
    const bucket: Bucket = { second, answered: 0, failed: 0, kinds: new Map() };
    this.#buckets = [...this.#buckets.filter((one) => one.second > second - failureSeconds), bucket];
    return bucket;
  }
}

function secondOf(ms: number): number {
  return Math.floor(ms / 1000);
}
