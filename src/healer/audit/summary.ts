/** One incident in one line: folded from its records as they come, so that a year of them fits in memory. */
import { incidentCode } from '../../core/ids.ts';
import type { AuditRecord } from './record.ts';

export interface IncidentSummary {
  readonly id: string;
  readonly code: string;
  readonly service: string | undefined;
  readonly openedAtMs: number;
  /** Of the newest record. */
  readonly lastAtMs: number;
  readonly cause: string | undefined;
  /** What was done, in order, each with its result; at most 20. `nothing` and why, where that is so. */
  readonly done: readonly string[];
  readonly outcome: 'open' | 'recovered' | 'not_recovered' | 'relapsed' | 'gave_up' | 'unknown' | 'closed';
  /** From the opening to the recovery (or the giving up); `undefined` while it is open. */
  readonly tookMs: number | undefined;
}

const maxDone = 20;

/** The summary with one more record; the first one begins it. */
export function addToSummary(before: IncidentSummary | undefined, id: string, record: AuditRecord): IncidentSummary {
  const base = before ?? begin(id, record);
  return {
    ...base,
    ...addEnd(base, record),
    lastAtMs: Date.parse(record.ts),
    service: base.service ?? record.service,
    cause: record.cause ?? base.cause,
    done: base.done.length < maxDone ? addDone(base.done, record) : base.done,
  };
}

function begin(id: string, record: AuditRecord): IncidentSummary {
  return {
    id,
    code: incidentCode(id),
    service: record.service,
    openedAtMs: Date.parse(record.ts),
    lastAtMs: Date.parse(record.ts),
    cause: undefined,
    done: [],
    outcome: 'open',
    tookMs: undefined,
  };
}

function addDone(done: readonly string[], record: AuditRecord): readonly string[] {
  const { event, outcome, action } = record;
  if (action === undefined) return done;
  switch (event) {
    case 'action.intent':
      return [...done, action];
    case 'action.finished':
    case 'action.unknown':
      return outcome?.result === 'done' ? done : [...done.slice(0, -1), `${action} (${outcome?.result ?? 'unknown'})`];
    case 'action.would_run':
      return withOnce(done, `would ${action}`);
    case 'action.refused':
      return withOnce(done, `no ${action}: refused`);
    default:
      return done;
  }
}

/** A refusal is repeated as long as the incident lasts; one mention is enough. */
function withOnce(done: readonly string[], text: string): readonly string[] {
  return done.includes(text) ? done : [...done, text];
}

function addEnd(base: IncidentSummary, record: AuditRecord): Pick<IncidentSummary, 'outcome' | 'tookMs'> {
  const { outcome, tookMs: before } = base;
  const tookMs = record.outcome?.duration_ms ?? Math.max(0, Date.parse(record.ts) - base.openedAtMs);
  switch (record.event) {
    case 'incident.recovered':
      return { outcome: 'recovered', tookMs };
    case 'incident.gave_up':
      return { outcome: 'gave_up', tookMs };
    case 'incident.relapsed':
      return { outcome: 'relapsed', tookMs: undefined };
    case 'incident.closed':
      return outcome === 'open' || outcome === 'relapsed' ? { outcome: closedAs(record), tookMs } : { outcome, tookMs: before };
    default:
      return { outcome, tookMs: before };
  }
}

function closedAs({ outcome }: AuditRecord): IncidentSummary['outcome'] {
  const result = outcome?.result;
  return result === undefined || result === 'done' || result === 'failed' ? 'closed' : result;
}
