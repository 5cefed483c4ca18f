/** One incident in one line: folded from its records as they come, so that a year of them fits in memory. */
import { mostDeeds, told, withOneMore, type Deed } from '../../core/deeds.ts';
import { incidentCode } from '../../core/ids.ts';
import type { AuditRecord } from './record.ts';

/** What a summary is made of. */
export type SummaryFields = Pick<AuditRecord, 'ts' | 'event' | 'service' | 'cause' | 'action' | 'outcome'>;

export interface IncidentSummary {
  readonly id: string;
  readonly code: string;
  readonly service: string | undefined;
  readonly openedAtMs: number;
  /** The latest moment of its records; the clock may have been set back since. */
  readonly lastAtMs: number;
  readonly cause: string | undefined;
  /** What was done, in order, neighbours of one kind joined; at most 20. What did not work says so. */
  readonly done: readonly Deed[];
  /** What was refused, or only would have been done; each once. */
  readonly notDone: readonly string[];
  readonly outcome: 'open' | 'recovered' | 'not_recovered' | 'relapsed' | 'gave_up' | 'unknown' | 'closed';
  /** From the opening to the recovery (or the giving up); `undefined` while it is open. */
  readonly tookMs: number | undefined;
}

/** The summary with one more record; the first one begins it. */
export function addToSummary(before: IncidentSummary | undefined, id: string, record: SummaryFields): IncidentSummary {
  const base = before ?? begin(id, record);
  return {
    ...base,
    ...addEnd(base, record),
    lastAtMs: Math.max(base.lastAtMs, Date.parse(record.ts)),
    service: base.service ?? record.service,
    cause: record.cause ?? base.cause,
    done: addDone(base.done, record),
    notDone: addNotDone(base.notDone, record),
  };
}

function begin(id: string, record: SummaryFields): IncidentSummary {
  return {
    id,
    code: incidentCode(id),
    service: record.service,
    openedAtMs: Date.parse(record.ts),
    lastAtMs: Date.parse(record.ts),
    cause: undefined,
    done: [],
    notDone: [],
    outcome: 'open',
    tookMs: undefined,
  };
}

function addDone(done: readonly Deed[], { event, outcome, action }: SummaryFields): readonly Deed[] {
  if (event === 'request.quarantined') return withOneMore(done, 'quarantine');
  if (action === undefined) return done;
  const what = action === 'page' || action === 'notify' ? told : action;
  if (event === 'action.intent') return withOneMore(done, what);
  if ((event !== 'action.finished' && event !== 'action.unknown') || outcome?.result === 'done') return done;
  return withOneMore(withoutLast(done, what), `${what} ${outcome?.result === 'failed' ? 'failed' : '(unknown)'}`);
}

/** The intent is taken back, to be said again with its outcome. */
function withoutLast(done: readonly Deed[], what: string): readonly Deed[] {
  const last = done.at(-1);
  if (last?.what !== what) return done;
  return last.times > 1 ? [...done.slice(0, -1), { what, times: last.times - 1 }] : done.slice(0, -1);
}

function addNotDone(notDone: readonly string[], { event, action }: SummaryFields): readonly string[] {
  if (action === undefined || (event !== 'action.would_run' && event !== 'action.refused')) return notDone;
  const text = event === 'action.would_run' ? `would ${action}` : `no ${action}: refused`;
  // A refusal is repeated as long as the incident lasts; one mention is enough.
  return notDone.includes(text) || notDone.length >= mostDeeds ? notDone : [...notDone, text];
}

function addEnd(base: IncidentSummary, record: SummaryFields): Pick<IncidentSummary, 'outcome' | 'tookMs'> {
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

function closedAs({ outcome }: SummaryFields): IncidentSummary['outcome'] {
  const result = outcome?.result;
  return result === undefined || result === 'done' || result === 'failed' ? 'closed' : result;
}
