/**
 * How long the requests of the last ten seconds took: the difference between two states of a histogram that only grows.
 * It costs the requests nothing, and remembers only while somebody looks.
 */
import type { Histogram } from '../histogram.ts';

export interface Latency {
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly requests: number;
}

interface Snapshot {
  readonly atMs: number;
  readonly counts: readonly number[];
}

const windowMs = 10_000;
const everyMs = 900;
/** What is older than this says nothing about now: nobody has looked for a while. */
const oldestMs = 12_000;

export class RecentLatency {
  #snapshots: Snapshot[] = [];

  /** `null` when nothing ended since somebody looks, at most 10 s ago. */
  read({ bounds, counts }: Pick<Histogram, 'bounds' | 'counts'>, nowMs: number): Latency | null {
    this.#snapshots = this.#snapshots.filter(({ atMs }) => nowMs - atMs <= oldestMs);
    const before = this.#snapshots.find(({ atMs }) => nowMs - atMs <= windowMs) ?? this.#snapshots.at(-1);
    const last = this.#snapshots.at(-1);
    if (!last || nowMs - last.atMs >= everyMs) this.#snapshots.push({ atMs: nowMs, counts: [...counts] });
    if (!before) return null;
    const fresh = counts.map((count, place) => count - (before.counts[place] ?? 0));
    const requests = fresh.reduce((sum, count) => sum + count, 0);
    return requests === 0 ? null : { p50_ms: quantile(0.5, { bounds, fresh, requests }), p95_ms: quantile(0.95, { bounds, fresh, requests }), requests };
  }
}

/** Within a bucket, as if its requests were spread evenly; of the last one, which has no end, its beginning. */
function quantile(share: number, { bounds, fresh, requests }: { readonly bounds: readonly number[]; readonly fresh: readonly number[]; readonly requests: number }): number {
  let left = share * requests;
  for (const [place, count] of fresh.entries()) {
    const [from, to] = [bounds[place - 1] ?? 0, bounds[place]];
    if (to === undefined) return Math.round(from * 1000);
    if (left <= count && count > 0) return Math.round((from + ((to - from) * left) / count) * 1000);
    left -= count;
  }
  return 0;
}
