/**
 * Answers from the log: the records of a time, one incident, all incidents in short. Everything streams; what is
 * kept is bounded. Lines that are no record (torn, or of a later version) are passed over: `audit verify` judges them.
 */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { parseObject } from './chain.ts';
import { auditDay, listAuditFiles, readLines, type AuditFile } from './files.ts';
import { errnoOf } from './open-file.ts';
import { auditRecordSchema, type AuditRecord } from './record.ts';
import { addToSummary, type IncidentSummary } from './summary.ts';

/** A part of the log. Times are wall milliseconds, both ends included. */
export interface Selection {
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
  readonly service?: string | undefined;
}

/** The files, oldest first and at least one; or in plain words why there is nothing to read. */
export async function findAuditFiles(folder: string): Promise<{ readonly kind: 'found'; readonly files: readonly AuditFile[] } | { readonly kind: 'none'; readonly detail: string }> {
  try {
    const files = await listAuditFiles(folder);
    for (const file of files) await access(file.path, constants.R_OK);
    if (files.length > 0) return { kind: 'found', files };
    return { kind: 'none', detail: `there is no audit log in ${folder} yet: it begins when goodgateway runs for the first time` };
  } catch (error) {
    return { kind: 'none', detail: explainUnreadable(folder, error) };
  }
}

function explainUnreadable(folder: string, error: unknown): string {
  const errno = errnoOf(error);
  if (errno === 'ENOENT') return `there is no folder ${folder}: goodgateway has not run here yet, or its audit.folder is another one`;
  if (errno === 'ENOTDIR') return `${folder} is no folder`;
  if (errno === 'EACCES' || errno === 'EPERM') return `you may not read the audit log in ${folder}: ask as root (sudo), or as a member of the group that owns it`;
  return `the audit log in ${folder} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}

/** A record and its line as it stands in the file, without the newline. */
export interface FoundRecord {
  readonly record: AuditRecord;
  readonly line: string;
}

/** The selected records in the order of the chain. Rejects with the system's error. */
export async function* readRecords(files: readonly AuditFile[], selection: Selection): AsyncGenerator<FoundRecord, void, undefined> {
  for (const file of filesOf(files, selection)) {
    for await (const { bytes, complete } of readLines(file.path)) {
      const record = complete ? readRecord(bytes) : undefined;
      if (record && isSelected(record, selection)) yield { record, line: bytes.toString('utf8', 0, bytes.length - 1) };
    }
  }
}

/** A file holds records of its day and later ones (the clock may go back, the file's day never does). */
function filesOf(files: readonly AuditFile[], { sinceMs }: Selection): readonly AuditFile[] {
  if (sinceMs === undefined) return files;
  const since = auditDay(sinceMs);
  const first = files.findIndex((file) => file.day >= since);
  // The file before it may have gone on past midnight, until the first record of the new day.
  return first < 0 ? files.slice(-1) : files.slice(Math.max(0, first - 1));
}

function isSelected(record: AuditRecord, { sinceMs, untilMs, service }: Selection): boolean {
  const at = Date.parse(record.ts);
  if (sinceMs !== undefined && at < sinceMs) return false;
  if (untilMs !== undefined && at > untilMs) return false;
  return service === undefined || record.service === service;
}

function readRecord(bytes: Buffer): AuditRecord | undefined {
  const parsed = auditRecordSchema.safeParse(parseObject(bytes));
  return parsed.success ? parsed.data : undefined;
}

const maxSummaries = 10_000;
/** So far before the selected time an incident may have begun and still be told from its beginning. */
const lookBackMs = 86_400_000;

/** Every incident of which something was recorded in the selected time, by its opening; the newest 10,000. */
export async function summarizeIncidents(files: readonly AuditFile[], selection: Selection): Promise<{ readonly incidents: readonly IncidentSummary[]; readonly leftOut: number }> {
  const summaries = new Map<string, IncidentSummary>();
  let leftOut = 0;
  const { sinceMs = 0, untilMs, service } = selection;
  for await (const { record } of readRecords(files, { sinceMs: Math.max(0, sinceMs - lookBackMs), untilMs })) {
    if (!record.incident) continue;
    summaries.set(record.incident, addToSummary(summaries.get(record.incident), record.incident, record));
    if (summaries.size <= maxSummaries) continue;
    const [oldest] = summaries.keys();
    if (oldest !== undefined) summaries.delete(oldest);
    leftOut += 1;
  }
  const incidents = [...summaries.values()].filter((one) => one.lastAtMs >= sinceMs && (service === undefined || one.service === service));
  return { incidents: incidents.toSorted((a, b) => a.openedAtMs - b.openedAtMs), leftOut };
}

/** All that is recorded of one incident, in order. */
export interface IncidentStory {
  readonly id: string;
  readonly records: readonly AuditRecord[];
  /** Oldest records that were left out of a very long incident. */
  readonly leftOut: number;
}

const maxRecordsOfIncident = 2000;

/**
 * Finds an incident by its id, by the code of six characters that visitors see (any case; O reads as 0, I and L
 * as 1), or by the id of a request that is among its samples. The newest one wins. `undefined`: there is none.
 */
export async function findIncident(files: readonly AuditFile[], wanted: string): Promise<IncidentStory | undefined> {
  const id = await findIncidentId(files, wanted);
  if (id === undefined) return undefined;
  let records: AuditRecord[] = [];
  let leftOut = 0;
  for (const file of files.toReversed()) {
    const here = await recordsOf(file, id);
    records = [...here, ...records];
    leftOut += Math.max(0, records.length - maxRecordsOfIncident);
    records = records.slice(-maxRecordsOfIncident);
    if (here.some((record) => record.event === 'incident.opened')) break;
  }
  return { id, records, leftOut };
}

async function findIncidentId(files: readonly AuditFile[], wanted: string): Promise<string | undefined> {
  const spoken = wanted.toUpperCase().replaceAll('O', '0').replaceAll(/[IL]/g, '1');
  const isCode = /^[0-9A-Z]{6}$/.test(spoken) || /^[0-9A-Z]{26}$/.test(spoken);
  for (const file of files.toReversed()) {
    let newest: string | undefined;
    for await (const { bytes } of readLines(file.path)) {
      // Cheap first: most lines hold neither.
      if (!bytes.includes(wanted) && !(isCode && bytes.includes(`${spoken}"`))) continue;
      const record = readRecord(bytes);
      const id = record?.incident;
      if (id !== undefined && ((isCode && id.endsWith(spoken)) || record?.symptom?.requests?.includes(wanted))) newest = id;
    }
    if (newest !== undefined) return newest;
  }
  return undefined;
}

async function recordsOf(file: AuditFile, id: string): Promise<AuditRecord[]> {
  const records: AuditRecord[] = [];
  for await (const { bytes } of readLines(file.path)) {
    const record = bytes.includes(id) ? readRecord(bytes) : undefined;
    if (record?.incident !== id) continue;
    records.push(record);
    // One more than is kept: so the caller sees that something was left out.
    if (records.length > maxRecordsOfIncident + 1) records.shift();
  }
  return records;
}
