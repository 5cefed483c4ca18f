/**
 * What one service's workers died of lately: strikes against single requests, requests that are in quarantine, and
 * deaths that nobody can be blamed for. Bounded in number and time, whatever visitors ask. Times are monotonic.
 */
import type { Evidence } from '../core/diagnosis.ts';
import type { WorkerDeath } from './probes/read-deaths.ts';

/** Strikes count together within this time: a crash a month is not worth a page of the site. */
const strikesWithinMs = 600_000;
/** An incident is about what happens now; what is in quarantine for longer kills nobody any more. */
const freshForMs = 10_000;
const latelyMs = 60_000;
/** The oldest goes first. Each entry has cost a worker, so no visitor fills these quickly. */
const mostSuspects = 500;
const mostQuarantined = 200;
const mostDeaths = 100;
/** Deaths of one request that are kept and quoted. */
const mostQuoted = 10;

/** Why nobody is blamed where the same request was answered, too: a header or its body decides, which the fingerprint does not hold. */
export const alsoAnswered = 'the same was answered as well, so that its URL alone is not what kills';

/** A request as people may know it, and what tells it from others. */
export interface KnownRequest {
  readonly fingerprint: string;
  /** `GET /path` */
  readonly name: string;
}

interface Death extends WorkerDeath {
  readonly atMs: number;
  /** Why no single request can be blamed for it. */
  readonly why?: string;
}

interface Quarantined extends KnownRequest {
  readonly incident: string;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly deaths: readonly Death[];
}

export class DeathMemory {
  readonly #suspects = new Map<string, readonly Death[]>();
  readonly #harmless = new Map<string, number>();
  readonly #quarantined = new Map<string, Quarantined>();
  #unclear: readonly Death[] = [];

  /** Counts these deaths against the request; how many were within the last ten minutes. */
  blame({ fingerprint }: KnownRequest, deaths: readonly WorkerDeath[], nowMs: number): number {
    const before = (this.#suspects.get(fingerprint) ?? []).filter(({ atMs }) => nowMs - atMs < strikesWithinMs);
    const all = [...before, ...deaths.map((death) => ({ ...death, atMs: nowMs }))].slice(-mostQuoted);
    put(this.#suspects, fingerprint, all, mostSuspects);
    return all.length;
  }

  /** The same was answered whole: others would pay for what only some of those requests do. Their deaths are nobody's. */
  forgive(fingerprint: string, nowMs: number): void {
    put(this.#harmless, fingerprint, nowMs, mostSuspects);
    const deaths = this.#suspects.get(fingerprint) ?? [];
    this.#suspects.delete(fingerprint);
    this.#unclear = [...this.#unclear, ...deaths.map((death) => ({ ...death, why: alsoAnswered }))].slice(-mostDeaths);
  }

  /** Was the same answered whole, in the time in which strikes count together? */
  isHarmless(fingerprint: string, nowMs: number): boolean {
    const sinceMs = this.#harmless.get(fingerprint);
    return sinceMs !== undefined && nowMs - sinceMs < strikesWithinMs;
  }

  /** Deaths that no single request can be blamed for, and why. */
  noteUnclear(deaths: readonly WorkerDeath[], why: string, nowMs: number): void {
    this.#unclear = [...this.#unclear, ...deaths.map((death) => ({ ...death, atMs: nowMs, why }))].slice(-mostDeaths);
  }

  /** The request is not sent any more until then; its strikes are used up. */
  quarantine(request: KnownRequest, order: { readonly incident: string; readonly forMs: number }, nowMs: number): void {
    const deaths = this.#suspects.get(request.fingerprint) ?? [];
    this.#suspects.delete(request.fingerprint);
    put(this.#quarantined, request.fingerprint, { ...request, incident: order.incident, sinceMs: nowMs, untilMs: nowMs + order.forMs, deaths }, mostQuarantined);
  }

  /** As if it had never been ordered. */
  release(fingerprint: string): void {
    this.#quarantined.delete(fingerprint);
  }

  /** Those that still stand. */
  quarantined(nowMs: number): readonly Quarantined[] {
    for (const [fingerprint, { untilMs }] of this.#quarantined) if (untilMs <= nowMs) this.#quarantined.delete(fingerprint);
    return [...this.#quarantined.values()];
  }

  /** Deaths by a fault in the last minute, for which no request is in quarantine. */
  unblamed(nowMs: number): readonly Death[] {
    return [...this.#unclear, ...[...this.#suspects.values()].flat()].filter(({ atMs }) => nowMs - atMs < latelyMs);
  }

  /** The same as facts for a diagnosis: `killed_worker` for each request just quarantined, one `worker_deaths` for the rest. */
  evidence(nowMs: number): readonly Evidence[] {
    const killers = this.quarantined(nowMs).filter(({ sinceMs }) => nowMs - sinceMs < freshForMs);
    const deaths = this.unblamed(nowMs);
    const once = [...this.#suspects.values()].filter((own) => own.some(({ atMs }) => nowMs - atMs < latelyMs)).length;
    const spared = deaths.filter(({ why }) => why === alsoAnswered).length;
    return [...killers.map(killerEvidence), ...(deaths.length > 0 ? [deathsEvidence(deaths, once + spared)] : [])];
  }
}

function killerEvidence({ name, deaths }: Quarantined): Evidence {
  const ends = deaths.map(({ pid, how }) => `child ${pid} ${how}`).join(', ');
  return {
    kind: 'killed_worker',
    source: 'proxy and log',
    text: `${name} alone was in the worker each time that one ended: ${ends}.`,
    facts: { request: name, deaths: deaths.length, how: distinct(deaths) },
  };
}

/** `suspects`: so many requests were each alone in a worker that ended, once so far, or were answered another time. */
function deathsEvidence(deaths: readonly Death[], suspects: number): Evidence {
  const why = deaths.findLast((death) => death.why !== undefined)?.why;
  const count = deaths.length === 1 ? '1 worker' : `${deaths.length} workers`;
  return {
    kind: 'worker_deaths',
    source: 'proxy and log',
    text: `${count} ended ${distinct(deaths).join(' or ')} in the last minute${why === undefined ? '' : `; nobody can say by which request: ${why}`}.`,
    facts: { deaths: deaths.length, how: distinct(deaths), suspects },
  };
}

function distinct(deaths: readonly Death[]): readonly string[] {
  return [...new Set(deaths.map(({ how }) => how))];
}

/** The newest last, and never more than `most`. */
function put<Value>(map: Map<string, Value>, key: string, value: Value, most: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value ?? '');
}
