/** Incidents that are open, or were a moment ago, with their records as they come. Pure. */
import type { AdminRecord, AdminStory } from '../core/admin-api.ts';
import { incidentCode } from '../core/ids.ts';

export interface LiveIncident {
  readonly id: string;
  readonly code: string;
  readonly service: string;
  /** Oldest first. */
  readonly records: readonly AdminRecord[];
  readonly openedAtMs: number;
  /** Of the record that ended it. */
  readonly endedAtMs: number | undefined;
  /** From the opening to its end, as the record says it. */
  readonly tookMs: number | undefined;
  /** `relapsed`: it seemed to be over and was not; another incident goes on with it. */
  readonly ended: 'open' | 'recovered' | 'relapsed' | 'gave_up' | 'closed';
  /** The newest diagnosis as a sentence. */
  readonly cause: string | undefined;
}

/** Newer ones push out older ones that are over. */
const mostIncidents = 20;
/** The first record always stays. */
const mostRecords = 400;
/** For so long what is over is still shown with what happens now. */
export const lingersMs = 10 * 60_000;

/** The list with what this record says, newest incident first. A record that is known already changes nothing. */
export function takeRecord(incidents: readonly LiveIncident[], record: AdminRecord): readonly LiveIncident[] {
  const id = record.incident;
  if (id === undefined) return incidents;
  return takeRecords(incidents, id, [record]);
}

/** The list with a story that was asked for: what is missing of it is filled in. */
export function takeStory(incidents: readonly LiveIncident[], { id, records }: AdminStory): readonly LiveIncident[] {
  return takeRecords(incidents, id, records);
}

function takeRecords(incidents: readonly LiveIncident[], id: string, more: readonly AdminRecord[]): readonly LiveIncident[] {
  const before = incidents.find((one) => one.id === id);
  const known = new Set(before?.records.map(({ seq }) => seq));
  const fresh = more.filter(({ seq }) => !known.has(seq));
  if (fresh.length === 0) return incidents;
  const records = [...(before?.records ?? []), ...fresh].sort((a, b) => a.seq - b.seq);
  const kept = records.length > mostRecords ? [...records.slice(0, 1), ...records.slice(1 - mostRecords)] : records;
  const rest = incidents.filter((one) => one.id !== id);
  return [...rest, readIncident(id, kept)].sort((a, b) => b.openedAtMs - a.openedAtMs).slice(0, mostIncidents);
}

function readIncident(id: string, records: readonly AdminRecord[]): LiveIncident {
  const [first] = records;
  const turn = records.findLast(({ event }) => turns.has(event));
  const ended = turns.get(turn?.event ?? '') ?? 'open';
  const openedAtMs = Date.parse(first?.ts ?? '');
  return {
    id,
    code: incidentCode(id),
    service: records.find(({ service }) => service !== undefined)?.service ?? 'an unknown service',
    records,
    openedAtMs,
    ended,
    endedAtMs: turn && ended !== 'open' ? Date.parse(turn.ts) : undefined,
    tookMs: turn && ended !== 'open' ? (turn.outcome?.duration_ms ?? Date.parse(turn.ts) - openedAtMs) : undefined,
    cause: records.findLast(({ event, text }) => (event === 'diagnosis.made' || event === 'diagnosis.changed') && text !== undefined)?.text,
  };
}

/** What each of these events means for whether it goes on; the newest counts. What is only noted afterwards turns nothing. */
const turns: ReadonlyMap<string, LiveIncident['ended']> = new Map([
  ['incident.recovered', 'recovered'],
  ['incident.gave_up', 'gave_up'],
  ['incident.closed', 'closed'],
  ['incident.relapsed', 'relapsed'],
  ['incident.acknowledged', 'open'],
  ['action.intent', 'open'],
]);

/** Open ones, and those that ended in the last ten minutes. One that was given up is not over. */
export function worthShowing(incidents: readonly LiveIncident[], nowMs: number): readonly LiveIncident[] {
  return incidents.filter((one) => isOpen(one) || nowMs - (one.endedAtMs ?? 0) < lingersMs);
}

/** Is the service still in trouble? */
export function isOpen({ ended }: LiveIncident): boolean {
  return ended === 'open' || ended === 'gave_up';
}
