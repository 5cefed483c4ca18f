/** The tables of `log`: incidents, what was done, what people did. Nothing here grows beyond its limit. */
import { incidentCode } from '../core/ids.ts';
import { formatDuration } from '../core/time.ts';
import type { AuditRecord } from '../healer/audit/record.ts';
import { whatWasDone } from '../core/deeds.ts';
import type { IncidentSummary } from '../healer/audit/summary.ts';
import { headingOf } from '../core/story-words.ts';
import { formatWhen } from './when.ts';

type Records = AsyncIterable<{ readonly record: AuditRecord }>;
type Row = readonly string[];

/** Of more than these only the newest are shown. */
export const mostRows = 10_000;

export const incidentHeading = ['TIME', 'SERVICE', 'CODE', 'CAUSE', 'DONE', 'OUTCOME', 'TOOK'] as const;
export const actionHeading = ['TIME', 'SERVICE', 'CODE', 'ACTION', 'COMMAND', 'RESULT', 'TOOK'] as const;
export const personHeading = ['TIME', 'WHO', 'SERVICE', 'CODE', 'WHAT', 'MORE'] as const;
export const requestHeading = ['TIME', 'GATEWAY', 'REQUEST'] as const;

export function incidentRow(incident: IncidentSummary): Row {
  const { code, service = '?', cause, outcome, tookMs } = incident;
  return [formatWhen(incident.openedAtMs), service, code, cause ?? 'not known', whatWasDone(incident), outcome.replace('_', ' '), tookMs === undefined ? '' : formatDuration(tookMs)];
}

/** One row an act: begun by its intent, completed by its outcome. */
export async function actionRows(records: Records): Promise<readonly Row[]> {
  const rows = new Map<string, Row>();
  for await (const { record } of records) {
    const { event, action_id: id } = record;
    if (id === undefined || (event !== 'action.intent' && event !== 'action.finished' && event !== 'action.unknown')) continue;
    rows.set(id, actionRow(record, rows.get(id)));
    const [oldest] = rows.keys();
    if (rows.size > mostRows && oldest !== undefined) rows.delete(oldest);
  }
  return [...rows.values()];
}

function actionRow(record: AuditRecord, begun: Row | undefined): Row {
  const { ts, service = '?', incident = '', action = '?', argv, outcome, event } = record;
  const [time = formatWhen(Date.parse(ts)), , , , command = ''] = begun ?? [];
  const result = event === 'action.intent' ? 'no outcome' : (outcome?.result ?? 'unknown');
  return [time, service, incidentCode(incident), action, argv?.join(' ') ?? command, result, outcome?.duration_ms === undefined ? '' : formatDuration(outcome.duration_ms)];
}

/** Did a person do it, by a command or beside goodgateway? */
export function isByPerson({ event, actor }: AuditRecord): boolean {
  return event === 'human.acted' || typeof actor === 'object';
}

/** Approvals, pauses, switches, acts by hand. The outcome of an act is among the actions. */
export async function personRows(records: Records): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for await (const { record } of records) {
    if (!isByPerson(record) || record.event === 'action.finished' || record.event === 'action.unknown') continue;
    rows.push(personRow(record));
    if (rows.length > mostRows) rows.shift();
  }
  return rows;
}

function personRow(record: AuditRecord): Row {
  const { ts, service, incident = '', pause, approval, action, text = '' } = record;
  const until = pause?.until === undefined ? '' : ` (until ${formatWhen(Date.parse(pause.until))})`;
  const more = pause ? `${pause.reason}${until}` : approval ? (action ?? '') : text;
  return [formatWhen(Date.parse(ts)), whoDid(record), service ?? 'the whole host', incidentCode(incident), headingOf(record), more];
}

function whoDid({ actor }: AuditRecord): string {
  if (typeof actor !== 'object') return 'not known';
  if ('by' in actor) return actor.by;
  return actor.user === undefined ? `uid ${actor.uid}` : `${actor.user} (uid ${actor.uid})`;
}

/** Sample ids of the requests that met an incident, each once, with the record that named it first. */
export function requestsOf(records: readonly AuditRecord[]): readonly { readonly request: string; readonly ts: string; readonly gateway: string }[] {
  const all = records.flatMap(({ ts, symptom }) => (symptom?.requests ?? []).map((request) => ({ request, ts, gateway: symptom?.gateway ?? '' })));
  const first = new Map(all.toReversed().map((one) => [one.request, one]));
  return all.filter((one) => first.get(one.request) === one);
}
