/** One incident as the report needs it: folded from its records as they come, of bounded size. */
import type { ActionName } from '../../core/decision.ts';
import type { AuditRecord } from './record.ts';

/** Steps that neither wait nor tell: what may have healed. */
const repairs = (action: ActionName): boolean => action !== 'page' && action !== 'notify' && action !== 'wait' && action !== 'wait_for';

export interface ReportDeed {
  readonly action: ActionName;
  /** `undefined`: nobody knows. */
  readonly helped: boolean | undefined;
}

export interface ReportIncident {
  readonly id: string;
  readonly service: string;
  readonly mode: 'observe' | 'approve' | 'act' | undefined;
  readonly openedAtMs: number;
  readonly cause: string | undefined;
  readonly done: readonly ReportDeed[];
  /** What it would have done, in observe mode; each once. */
  readonly would: readonly ActionName[];
  /** Gates that refused, by how many recorded decisions. */
  readonly refusedBy: Readonly<Record<string, number>>;
  readonly gaveUp: boolean;
  readonly byPerson: boolean;
  readonly recoveredAtMs: number | undefined;
}

const mostDeeds = 100;

/** The incident with one more of its records; the first one begins it. */
export function addToReportIncident(before: ReportIncident | undefined, record: AuditRecord, of: { readonly id: string; readonly service: string }): ReportIncident {
  const base = before ?? begin(record, of);
  const mode = base.mode ?? record.policy?.mode;
  // The cause that was acted on, or last named before the end: a recovery may name none.
  return { ...base, mode, cause: record.cause ?? base.cause, ...changed(base, record) };
}

function begin({ ts }: AuditRecord, { id, service }: { readonly id: string; readonly service: string }): ReportIncident {
  return { id, service, mode: undefined, openedAtMs: Date.parse(ts), cause: undefined, done: [], would: [], refusedBy: {}, gaveUp: false, byPerson: false, recoveredAtMs: undefined };
}

function changed(base: ReportIncident, { event, action, actor, outcome, gates = [], ts }: AuditRecord): Partial<ReportIncident> {
  switch (event) {
    case 'action.intent':
      if (typeof actor === 'object') return { byPerson: true };
      return action === undefined || !repairs(action) || base.done.length >= mostDeeds ? {} : { done: [...base.done, { action, helped: undefined }] };
    case 'action.finished':
      return outcome?.result === 'failed' && action !== undefined ? { done: judged(base.done, false, action) } : {};
    case 'verify.passed':
      return { done: judged(base.done, true) };
    case 'verify.failed':
      return { done: judged(base.done, false) };
    case 'action.would_run':
      return action === undefined || !repairs(action) || base.would.includes(action) ? {} : { would: [...base.would, action] };
    case 'action.refused':
      return { refusedBy: gates.reduce((counts, { gate, verdict }) => (verdict === 'refuse' ? { ...counts, [gate]: (counts[gate] ?? 0) + 1 } : counts), base.refusedBy) };
    case 'incident.gave_up':
      return { gaveUp: true };
    case 'human.acted':
      return { byPerson: true };
    case 'incident.recovered':
      return { recoveredAtMs: Date.parse(ts) };
    default:
      return {};
  }
}

/** The newest deed that is not judged yet, of that action where one is named, is. */
function judged(done: readonly ReportDeed[], helped: boolean, action?: ActionName): readonly ReportDeed[] {
  const at = done.findLastIndex((deed) => deed.helped === undefined && (action === undefined || deed.action === action));
  return at < 0 ? done : done.with(at, { ...done[at]!, helped });
}
