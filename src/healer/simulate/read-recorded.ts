/**
 * From the records of an audit log to the events of a simulation: when what was wrong, what was really done about it and
 * what came of that, and who else had a hand in it. What an old record does not say is left open. Memory: a few hundred
 * facts of each of the newest 10,000 incidents.
 */
import type { ActionName } from '../../core/decision.ts';
import type { AuditRecord } from '../audit/record.ts';
import type { HealedBy, KnownResult, SimulatedEvent } from './events.ts';

export interface RecordedIncident {
  readonly id: string;
  readonly service: string;
  readonly openedAtMs: number;
  /** What was done that touched the service, in order. */
  readonly done: readonly ActionName[];
}

export interface Recorded {
  /** In the order of their time. */
  readonly events: readonly SimulatedEvent[];
  readonly incidents: ReadonlyMap<string, RecordedIncident>;
  /** Incidents without a cause on record, and those beyond the newest 10,000: they are not simulated. */
  readonly withoutCause: number;
  readonly leftOut: number;
  readonly endMs: number;
}

const mostIncidents = 10_000;
const mostFacts = 300;

/** Reads records that come one by one; `touches` says which actions do something to the service. Rejects as the records do. */
export async function readRecorded(records: AsyncIterable<{ readonly record: AuditRecord }>, touches: (action: ActionName) => boolean): Promise<Recorded> {
  const known: Known = { incidents: new Map(), byPeople: [], leftOut: 0, endMs: 0 };
  for await (const { record } of records) {
    known.endMs = Math.max(known.endMs, Date.parse(record.ts));
    takeByPeople(known, record);
    if (record.incident === undefined || record.service === undefined) continue;
    takeOfIncident(incidentOf(known, record, { id: record.incident, service: record.service }), record, touches);
  }
  const all = [...known.incidents.values()];
  const diagnosed = all.filter(({ facts }) => facts.some(({ kind }) => kind === 'trouble'));
  const events = [...known.byPeople, ...diagnosed.flatMap(eventsOf)].toSorted((a, b) => a.atMs - b.atMs);
  const incidents = new Map(diagnosed.map(({ id, service, openedAtMs, done }) => [id, { id, service, openedAtMs, done }]));
  return { events, incidents, withoutCause: all.length - diagnosed.length, leftOut: known.leftOut, endMs: known.endMs };
}

interface Known {
  readonly incidents: Map<string, Collected>;
  readonly byPeople: SimulatedEvent[];
  leftOut: number;
  endMs: number;
}

interface Collected {
  readonly id: string;
  readonly service: string;
  readonly openedAtMs: number;
  readonly facts: SimulatedEvent[];
  readonly results: KnownResult[];
  readonly done: ActionName[];
  /** An action that ended, and whose verification is to come. */
  pending: { readonly action: ActionName; readonly tookMs: number | undefined } | undefined;
  changing: boolean;
  byPerson: boolean;
  ended: boolean;
}

function incidentOf(known: Known, { ts }: AuditRecord, { id, service }: { readonly id: string; readonly service: string }): Collected {
  const found = known.incidents.get(id);
  if (found) return found;
  const begun: Collected = { id, service, openedAtMs: Date.parse(ts), facts: [], results: [], done: [], pending: undefined, changing: false, byPerson: false, ended: false };
  known.incidents.set(id, begun);
  const [oldest] = known.incidents.keys();
  if (known.incidents.size > mostIncidents && oldest !== undefined) {
    known.incidents.delete(oldest);
    known.leftOut += 1;
  }
  return begun;
}

/** The results belong to the whole incident: they are handed over with its first diagnosis. */
function eventsOf({ facts, results }: Collected): readonly SimulatedEvent[] {
  return facts.map((fact) => (fact.kind === 'trouble' && fact.opens ? { ...fact, results } : fact));
}

/** Pauses and the like must not be crowded out, nor grow without end. */
const mostByPeople = 10_000;

function takeByPeople(known: Known, { event, service, ts, pause, text = '' }: AuditRecord): void {
  if (known.byPeople.length >= mostByPeople) known.byPeople.shift();
  const atMs = Date.parse(ts);
  const of = service === undefined ? {} : { service };
  switch (event) {
    case 'pause.set':
      if (pause?.until !== undefined) known.byPeople.push({ kind: 'paused', atMs, ...of, untilMs: Date.parse(pause.until), reason: pause.reason });
      return;
    case 'pause.ended':
    case 'pause.expired':
      return void known.byPeople.push({ kind: 'resumed', atMs, ...of });
    case 'healing.off':
      return void known.byPeople.push({ kind: 'off', atMs, ...of, reason: pause?.reason ?? text, by: 'a person, as recorded' });
    case 'healing.on':
      return void known.byPeople.push({ kind: 'on', atMs, ...of });
    case 'human.acted':
      if (service === undefined) return;
      known.byPeople.push({ kind: 'human', atMs, service, text });
      for (const open of known.incidents.values()) if (open.service === service && !open.ended) open.byPerson = true;
      return;
    default:
      return;
  }
}

function takeOfIncident(incident: Collected, record: AuditRecord, touches: (action: ActionName) => boolean): void {
  const { event, action, outcome, cause, confidence = 'possible' } = record;
  const atMs = Date.parse(record.ts);
  const { service, id } = incident;
  switch (event) {
    case 'diagnosis.made':
    case 'diagnosis.changed': {
      if (cause === undefined) return;
      const isFirst = !incident.facts.some(({ kind }) => kind === 'trouble');
      return note(incident, { kind: 'trouble', atMs, service, incident: id, cause, confidence, ...(isFirst ? { opens: true } : {}) });
    }
    case 'action.refused':
    case 'action.would_run':
      return takeGates(incident, record);
    case 'action.intent':
      takeGates(incident, record);
      if (typeof record.actor === 'object') incident.byPerson = true;
      else if (action !== undefined && touches(action)) incident.done.push(action);
      return;
    case 'action.finished':
    case 'action.unknown':
      if (action === undefined || !touches(action) || typeof record.actor === 'object') return;
      if (outcome?.result === 'failed') incident.results.push({ action, helps: false, ...tookOf(outcome.duration_ms) });
      else incident.pending = { action, tookMs: outcome?.duration_ms };
      return;
    case 'verify.passed':
    case 'verify.failed':
      if (incident.pending) incident.results.push({ action: incident.pending.action, helps: event === 'verify.passed', ...tookOf(incident.pending.tookMs) });
      incident.pending = undefined;
      return;
    case 'incident.recovered':
    case 'incident.closed': {
      if (incident.ended) return;
      incident.ended = true;
      if (incident.changing) incident.facts.push({ kind: 'changing', atMs, service });
      const by: HealedBy = incident.byPerson ? 'person' : incident.done.length > 0 ? 'deed' : 'itself';
      return void incident.facts.push({ kind: 'well', atMs, service, incident: id, by });
    }
    default:
      return;
  }
}

/** What stood in the way then and cannot be worked out anew: somebody else's change, and a supervisor that went first. */
function takeGates(incident: Collected, { gates = [], ts }: AuditRecord): void {
  if (gates.length === 0) return;
  const atMs = Date.parse(ts);
  const { service } = incident;
  const refusing = (name: string) => gates.find(({ gate, verdict }) => gate === name && verdict === 'refuse');
  const change = refusing('change_in_progress');
  if (change) note(incident, { kind: 'changing', atMs, service, text: change.reason });
  else if (incident.changing) note(incident, { kind: 'changing', atMs, service });
  incident.changing = change !== undefined;
  const supervisor = refusing('supervisor_first')?.allowed_at;
  if (supervisor !== undefined) note(incident, { kind: 'supervisor', atMs, service, untilMs: Date.parse(supervisor) });
}

function note(incident: Collected, fact: SimulatedEvent): void {
  if (incident.facts.length < mostFacts) incident.facts.push(fact);
}

function tookOf(tookMs: number | undefined): { readonly tookMs?: number } {
  return tookMs === undefined ? {} : { tookMs };
}
