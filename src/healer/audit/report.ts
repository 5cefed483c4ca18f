/**
 * Did it help? Counted from the log: for services that are only observed, what would have been done and how often that
 * would have been needless; for the others, what was done, what came of it, and how long it took. Memory: the newest
 * 10,000 incidents in short.
 */
import type { AuditRecord } from './record.ts';
import { addToReportIncident, type ReportIncident } from './report-incident.ts';

/** How an incident ended. `person`: somebody acted in it, so it is not ours to boast of. */
export type ReportEnd = 'healed' | 'by_itself' | 'person' | 'not';

export interface Report {
  readonly services: readonly ServiceReport[];
  /** The same cause of one service, healed again and again: the fault itself is still there. */
  readonly repeated: readonly { readonly service: string; readonly cause: string; readonly times: number; readonly lastAtMs: number }[];
  readonly leftOut: number;
}

export interface ServiceReport {
  readonly service: string;
  readonly incidents: number;
  readonly ends: Readonly<Record<ReportEnd, number>>;
  readonly gaveUp: number;
  /** Another incident within ten minutes of a recovery that was ours. */
  readonly relapses: number;
  readonly attempts: number;
  readonly helped: number;
  /** What was done, by cause and action. */
  readonly done: readonly DoneRow[];
  /** What would have been done while only observing, by cause and action. */
  readonly would: readonly WouldRow[];
  /** Observed incidents that were well again by themselves before anything would have been done. */
  readonly healedBefore: number;
  /** By how many recorded decisions each gate refused. */
  readonly refusedBy: Readonly<Record<string, number>>;
}

export interface DoneRow {
  readonly cause: string;
  readonly action: string;
  readonly tried: number;
  readonly helped: number;
  readonly relapsed: number;
  /** From the opening to the recovery, of the incidents that it ended; `undefined` when it ended none. */
  readonly medianMs: number | undefined;
  readonly p90Ms: number | undefined;
}

export interface WouldRow {
  readonly cause: string;
  readonly action: string;
  readonly incidents: number;
  /** Of them, well again by itself: the action would have been needless. */
  readonly needless: number;
  readonly person: number;
  readonly medianMs: number | undefined;
}

const maxIncidents = 10_000;
/** So soon after it a new incident says that a recovery was none. */
const relapseWithinMs = 600_000;
const dayMs = 86_400_000;
/** As many recoveries of one cause in a day are one loud notice. */
const repeatedTimes = 3;

/** Reads the records of a time. An incident counts when it was opened at `sinceMs` or later. Rejects as the records do. */
export async function buildReport(
  records: AsyncIterable<{ readonly record: AuditRecord }>,
  { sinceMs = 0, service }: { readonly sinceMs?: number | undefined; readonly service?: string | undefined },
): Promise<Report> {
  const incidents = new Map<string, ReportIncident>();
  let leftOut = 0;
  for await (const { record } of records) {
    if (record.event === 'human.acted' && record.incident === undefined) noteHuman(incidents, record);
    if (record.incident === undefined || record.service === undefined) continue;
    // What was opened before all this, or left out, is not counted by its end.
    if (record.event !== 'incident.opened' && !incidents.has(record.incident)) continue;
    incidents.set(record.incident, addToReportIncident(incidents.get(record.incident), record, { id: record.incident, service: record.service }));
    const [oldest] = incidents.keys();
    if (incidents.size <= maxIncidents || oldest === undefined) continue;
    incidents.delete(oldest);
    leftOut += 1;
  }
  const chosen = [...incidents.values()].filter((one) => one.openedAtMs >= sinceMs && (service === undefined || one.service === service)).toSorted((a, b) => a.openedAtMs - b.openedAtMs);
  const byService = Map.groupBy(chosen, (one) => one.service);
  const services = [...byService].map(([name, own]) => reportService(name, own)).toSorted((a, b) => b.incidents - a.incidents || a.service.localeCompare(b.service));
  return { services, repeated: repeatedOf(chosen), leftOut };
}

/** Somebody acted on a service; its incident of that moment is not ours alone. */
function noteHuman(incidents: Map<string, ReportIncident>, { service }: AuditRecord): void {
  for (const [id, one] of incidents) if (one.service === service && one.recoveredAtMs === undefined) incidents.set(id, { ...one, byPerson: true });
}

function endOf({ recoveredAtMs, byPerson, done }: ReportIncident): ReportEnd {
  if (recoveredAtMs === undefined) return 'not';
  if (byPerson) return 'person';
  return done.some(({ helped }) => helped === true) ? 'healed' : 'by_itself';
}

function reportService(service: string, incidents: readonly ReportIncident[]): ServiceReport {
  const relapsed = new Set(incidents.filter((one, i) => endOf(one) === 'healed' && (incidents[i + 1]?.openedAtMs ?? Infinity) - one.recoveredAtMs! <= relapseWithinMs));
  const ends: Record<ReportEnd, number> = { healed: 0, by_itself: 0, person: 0, not: 0 };
  for (const one of incidents) ends[endOf(one)] += 1;
  const deeds = incidents.flatMap(({ done }) => done);
  const refusedBy: Record<string, number> = {};
  for (const one of incidents) for (const [gate, times] of Object.entries(one.refusedBy)) refusedBy[gate] = (refusedBy[gate] ?? 0) + times;
  const observed = incidents.filter(({ mode }) => mode === 'observe');
  return {
    service,
    incidents: incidents.length,
    ends,
    gaveUp: incidents.filter(({ gaveUp }) => gaveUp).length,
    relapses: relapsed.size,
    attempts: deeds.length,
    helped: deeds.filter(({ helped }) => helped === true).length,
    done: doneRows(incidents, relapsed),
    would: wouldRows(observed),
    healedBefore: observed.filter((one) => one.would.length === 0 && endOf(one) === 'by_itself').length,
    refusedBy,
  };
}

function doneRows(incidents: readonly ReportIncident[], relapsed: ReadonlySet<ReportIncident>): readonly DoneRow[] {
  const rows = incidents.flatMap((incident) => incident.done.map((deed) => ({ incident, deed, cause: incident.cause ?? 'not known' })));
  return [...Map.groupBy(rows, ({ cause, deed }) => `${cause} ${deed.action}`).values()].map((group) => {
    // Only what helped has ended its incident.
    const ended = new Set(group.filter(({ deed }) => deed.helped === true).map(({ incident }) => incident));
    const times = [...ended].flatMap((incident) => (incident.recoveredAtMs === undefined ? [] : [incident.recoveredAtMs - incident.openedAtMs]));
    const { cause, deed } = group[0]!;
    return {
      cause,
      action: deed.action,
      tried: group.length,
      helped: group.filter((one) => one.deed.helped === true).length,
      relapsed: [...ended].filter((incident) => relapsed.has(incident)).length,
      medianMs: quantile(times, 0.5),
      p90Ms: quantile(times, 0.9),
    };
  });
}

function wouldRows(observed: readonly ReportIncident[]): readonly WouldRow[] {
  const rows = observed.flatMap((incident) => incident.would.map((action) => ({ incident, action, cause: incident.cause ?? 'not known' })));
  return [...Map.groupBy(rows, ({ cause, action }) => `${cause} ${action}`).values()].map((group) => {
    const needless = group.filter(({ incident }) => endOf(incident) === 'by_itself');
    const { cause, action } = group[0]!;
    return {
      cause,
      action,
      incidents: group.length,
      needless: needless.length,
      person: group.filter(({ incident }) => endOf(incident) === 'person').length,
      medianMs: quantile(
        needless.map(({ incident }) => incident.recoveredAtMs! - incident.openedAtMs),
        0.5,
      ),
    };
  });
}

/** The smallest time that at least this share of them did not exceed. */
function quantile(times: readonly number[], share: number): number | undefined {
  return times.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(times.length * share) - 1)];
}

/** The most that fell into any 24 hours. */
function repeatedOf(incidents: readonly ReportIncident[]): Report['repeated'] {
  const healed = incidents.filter((one) => endOf(one) === 'healed' && one.cause !== undefined);
  return [...Map.groupBy(healed, ({ service, cause }) => `${service} ${cause}`).values()].flatMap((group) => {
    const moments = group.map(({ recoveredAtMs }) => recoveredAtMs!).toSorted((a, b) => a - b);
    const times = Math.max(...moments.map((endMs) => moments.filter((atMs) => atMs > endMs - dayMs && atMs <= endMs).length));
    const { service, cause = '' } = group[0]!;
    return times < repeatedTimes ? [] : [{ service, cause, times, lastAtMs: moments.at(-1)! }];
  });
}
