/** What the last ten minutes looked like: kept here, from the states that come every second. Pure. */
import type { AdminGateway, AdminState } from '../core/admin-api.ts';

/** Five seconds of one gateway, or of all together. */
export interface Bucket {
  /** Its number since 1970: moment / {@link bucketMs}. */
  readonly at: number;
  seconds: number;
  answered: number;
  /** By kind. */
  readonly failed: Map<string, number>;
  /** The most at once. */
  held: number;
  inFlight: number;
  /** The worst that was measured. */
  p50: number | undefined;
  p95: number | undefined;
}

export const bucketMs = 5000;
/** Ten minutes. */
export const mostBuckets = 120;
/** A longer silence says nothing about what was meanwhile. */
const longestGapMs = 15_000;

export interface History {
  take(state: AdminState): void;
  /** Oldest first. `undefined`: all gateways together. Empty where nothing is known. */
  of(gateway: string | undefined): readonly Bucket[];
  /** The newest bucket's number. */
  now(): number;
}

export function createHistory(): History {
  const buckets = new Map<string | undefined, Bucket[]>();
  let before: AdminState | undefined;
  let newest = 0;

  const bucket = (gateway: string | undefined): Bucket => {
    const list = buckets.get(gateway) ?? [];
    buckets.set(gateway, list);
    const last = list.at(-1);
    if (last?.at === newest) return last;
    const fresh = { at: newest, seconds: 0, answered: 0, failed: new Map<string, number>(), held: 0, inFlight: 0, p50: undefined, p95: undefined };
    list.push(fresh);
    while (list.length > mostBuckets || (list[0]?.at ?? newest) <= newest - mostBuckets) list.shift();
    return fresh;
  };

  const take = (state: AdminState): void => {
    const atMs = Date.parse(state.now);
    newest = Math.floor(atMs / bucketMs);
    const passedMs = before ? atMs - Date.parse(before.now) : 0;
    const counts = passedMs > 0 && passedMs <= longestGapMs;
    const all = Object.entries(state.gateways);
    for (const [name, gateway] of all) {
      const earlier = counts ? before?.gateways[name] : undefined;
      for (const each of [bucket(name), bucket(undefined)]) addCounts(each, gateway, earlier);
      addLevels(bucket(name), [gateway]);
      if (counts) bucket(name).seconds += passedMs / 1000;
    }
    if (counts) bucket(undefined).seconds += passedMs / 1000;
    addLevels(
      bucket(undefined),
      all.map(([, gateway]) => gateway),
    );
    before = state;
  };
  return { take, of: (gateway) => buckets.get(gateway) ?? [], now: () => newest };
}

/** What was counted since the state before. A smaller number means that the proxy was started anew: then all of it is new. */
function addCounts(bucket: Bucket, now: AdminGateway, before: AdminGateway | undefined): void {
  if (!before) return;
  const since = (count: number, earlier = 0): number => (count >= earlier ? count - earlier : count);
  bucket.answered += since(now.total.completed, before.total.completed);
  for (const [kind, count] of Object.entries(now.failures)) {
    const more = since(count, before.failures[kind as keyof typeof before.failures]);
    if (more > 0) bucket.failed.set(kind, (bucket.failed.get(kind) ?? 0) + more);
  }
}

function addLevels(bucket: Bucket, gateways: readonly AdminGateway[]): void {
  const sum = (of: (gateway: AdminGateway) => number): number => gateways.reduce((total, gateway) => total + of(gateway), 0);
  bucket.held = Math.max(
    bucket.held,
    sum(({ held }) => held),
  );
  bucket.inFlight = Math.max(
    bucket.inFlight,
    sum(({ in_flight: inFlight }) => inFlight),
  );
  for (const { latency } of gateways) {
    if (!latency) continue;
    bucket.p50 = Math.max(bucket.p50 ?? 0, latency.p50_ms);
    bucket.p95 = Math.max(bucket.p95 ?? 0, latency.p95_ms);
  }
}

/** Failures of the time, by kind, the most frequent first. */
export function failuresByKind(buckets: readonly Bucket[]): readonly (readonly [kind: string, count: number])[] {
  const totals = new Map<string, number>();
  for (const { failed } of buckets) for (const [kind, count] of failed) totals.set(kind, (totals.get(kind) ?? 0) + count);
  return [...totals].sort((a, b) => b[1] - a[1]);
}

/** Answers a second over the last ten seconds or so. */
export function rateNow(buckets: readonly Bucket[]): number {
  const last = buckets.slice(-2);
  const seconds = last.reduce((sum, bucket) => sum + bucket.seconds, 0);
  return seconds > 0 ? last.reduce((sum, bucket) => sum + bucket.answered, 0) / seconds : 0;
}
