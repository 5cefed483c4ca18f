/**
 * Answers from the log: the records of a time, one incident, all incidents in short. Everything streams; what is
 * kept is bounded. Lines that are no record (torn) are passed over: `audit verify` judges them. Of those of a later version the file's `onStrange` is told.
 * Where an index fits the log, only what is asked for is read; the answers are the same.
 */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { auditDay, listAuditFiles, type AuditFile, type StrangeRecord } from './files.ts';
import { isAct, isNotable, type IndexBlock, type Spans } from './index-block.ts';
import { readIndex, type Believed } from './index-file.ts';
import { asItStands, linesIn, type Range } from './lines-in.ts';
import { errnoOf } from './open-file.ts';
import { readRecord, readStrange } from './read-record.ts';
import type { AuditRecord } from './record.ts';
import { addToSummary, type IncidentSummary, type SummaryFields } from './summary.ts';

/** A part of the log. Times are wall milliseconds, both ends included. */
export interface Selection {
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
  readonly service?: string | undefined;
  /** `acts`: what was done. `notable`: what concerns the healer as a whole, and everything that a person did. */
  readonly kind?: 'acts' | 'notable' | undefined;
  /** Of these incidents only. */
  readonly incidents?: ReadonlySet<string> | undefined;
  /** `false`: the log alone is read. */
  readonly useIndex?: boolean | undefined;
}

/** The files, oldest first and at least one; or in plain words why there is nothing to read. */
export async function findAuditFiles(folder: string): Promise<{ readonly kind: 'found'; readonly files: readonly AuditFile[] } | { readonly kind: 'none'; readonly detail: string }> {
  try {
    const files = await listAuditFiles(folder);
    await Promise.all(files.map(async (file) => access((await asItStands(file)).path, constants.R_OK)));
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
  for await (const { file, index } of withIndexes(filesOf(files, selection), selection.useIndex)) {
    const known = index.blocks.filter((block) => overlaps(block, selection)).flatMap((block) => rangesIn(block, selection));
    for await (const { bytes, complete } of linesIn(file, [...known, ...behind(index)])) {
      const record = complete ? readMeant(file, bytes, selection) : undefined;
      if (record) yield { record, line: bytes.toString('utf8', 0, bytes.length - 1) };
    }
  }
}

/** Nothing is known of the file but itself. */
export const noIndex: Believed = { blocks: [], to: 0, isStamped: false, indexBytes: 0 };

/** Each file with its index, in their order; the next few are read while one is worked on. */
async function* withIndexes(files: readonly AuditFile[], useIndex = true): AsyncGenerator<{ readonly file: AuditFile; readonly index: Believed }, void, undefined> {
  const read = (file: AuditFile): Promise<Believed> => (useIndex ? readIndex(file) : Promise.resolve(noIndex));
  const ahead: Promise<Believed>[] = [];
  for (const [i, file] of files.entries()) {
    while (ahead.length < readAhead && i + ahead.length < files.length) {
      const next = read(files[i + ahead.length]!);
      // it is awaited in its turn, and then its error is thrown
      next.catch(() => undefined);
      ahead.push(next);
    }
    yield { file, index: await ahead.shift()! };
  }
}

const readAhead = 8;

/** What the index does not cover; of a finished file that nobody has touched since: nothing. */
export function behind({ to, isStamped }: Believed): readonly Range[] {
  return isStamped ? [] : [[to, Infinity]];
}

function overlaps({ records, strange, minMs, maxMs }: IndexBlock, { sinceMs = 0, untilMs = Infinity }: Selection): boolean {
  return (records > 0 || strange.length > 0) && maxMs >= sinceMs && minMs <= untilMs;
}

function rangesIn(block: IndexBlock, { kind, incidents }: Selection): readonly Range[] {
  if (kind) return absolute(block, block[kind], block.strange);
  if (incidents && !Object.keys(block.incidents).some((id) => incidents.has(id))) return absolute(block, block.strange);
  return [[block.from, block.to]];
}

/** Spans of a block as ranges of its file. No line is in two of them. */
export function absolute({ from }: Pick<IndexBlock, 'from'>, ...all: readonly Spans[]): readonly Range[] {
  const ranges = all.flatMap((spans) => Array.from({ length: spans.length / 2 }, (_, i) => [from + spans[2 * i]!, from + spans[2 * i + 1]!] as const));
  return all.length === 1 ? ranges : ranges.toSorted(([a], [b]) => a - b);
}

/** A file holds records of its day and later ones (the clock may go back, the file's day never does). */
function filesOf(files: readonly AuditFile[], { sinceMs }: Selection): readonly AuditFile[] {
  if (sinceMs === undefined) return files;
  const since = auditDay(sinceMs);
  const first = files.findIndex((file) => file.day >= since);
  // The file before it may have gone on past midnight, until the first record of the new day.
  return first < 0 ? files.slice(-1) : files.slice(Math.max(0, first - 1));
}

/** The record, where it is selected. A strange one is told of, unless it is known to be another one. */
function readMeant(file: AuditFile, line: Uint8Array, selection: Selection): AuditRecord | undefined {
  const record = readRecord(line);
  if (record) return isSelected(record, selection) ? record : undefined;
  const strange = file.onStrange && readStrange(line);
  if (strange && mayBeMeant(strange, selection)) file.onStrange?.(strange);
  return undefined;
}

function mayBeMeant({ atMs, incident, service }: StrangeRecord, { sinceMs = -Infinity, untilMs = Infinity, incidents, service: wanted }: Selection): boolean {
  if (atMs < sinceMs || atMs > untilMs) return false;
  if (incidents && (incident === undefined || !incidents.has(incident))) return false;
  return wanted === undefined || service === undefined || service === wanted;
}

function isSelected(record: AuditRecord, { sinceMs, untilMs, service, kind, incidents }: Selection): boolean {
  const at = Date.parse(record.ts);
  if (sinceMs !== undefined && at < sinceMs) return false;
  if (untilMs !== undefined && at > untilMs) return false;
  if (kind === 'acts' && !isAct(record)) return false;
  if (kind === 'notable' && !isNotable(record)) return false;
  if (incidents && (record.incident === undefined || !incidents.has(record.incident))) return false;
  return service === undefined || record.service === service;
}

const maxSummaries = 10_000;
/** So far before the selected time an incident may have begun and still be told from its beginning at once. */
const lookBackMs = 86_400_000;

/** Every incident of which something was recorded in the selected time, by its opening; the newest 10,000. `cause`: its last. */
export async function summarizeIncidents(
  files: readonly AuditFile[],
  selection: Omit<Selection, 'kind' | 'incidents'> & { readonly cause?: string | undefined },
): Promise<{ readonly incidents: readonly IncidentSummary[]; readonly leftOut: number }> {
  const { sinceMs = 0, untilMs, service, cause, useIndex } = selection;
  const time = { sinceMs: Math.max(0, sinceMs - lookBackMs), untilMs, useIndex };
  const found = await summarize(files, time);
  const ofThatTime = found.all().filter((one) => one.lastAtMs >= sinceMs);
  const begunBefore = new Set(ofThatTime.flatMap(({ id }) => (found.opened.has(id) ? [] : [id])));
  // Of a long incident only the end was seen: when it began, and what was done, stands further back.
  const whole = begunBefore.size === 0 || time.sinceMs === 0 ? undefined : await summarize(files, { untilMs, useIndex, incidents: begunBefore });
  return {
    incidents: [...ofThatTime.filter(({ id }) => !whole || !begunBefore.has(id)), ...(whole?.all() ?? [])]
      .filter((one) => (service === undefined || one.service === service) && (cause === undefined || one.cause === cause))
      .toSorted((a, b) => a.openedAtMs - b.openedAtMs),
    leftOut: found.leftOut,
  };
}

async function summarize(files: readonly AuditFile[], selection: Selection): Promise<Summaries> {
  const { sinceMs = 0, untilMs = Infinity, useIndex } = selection;
  const summaries = new Summaries(selection);
  for await (const { file, index } of withIndexes(filesOf(files, selection), useIndex)) {
    for (const block of index.blocks) {
      if (!overlaps(block, selection)) continue;
      if (block.minMs >= sinceMs && block.maxMs <= untilMs) {
        summaries.addBlock(block);
        await summaries.addLines(file, absolute(block, block.strange));
      } else await summaries.addLines(file, rangesIn(block, selection));
    }
    await summaries.addLines(file, behind(index));
  }
  return summaries;
}

class Summaries {
  readonly #selection: Selection;
  readonly #summaries = new Map<string, IncidentSummary>();
  /** Those whose beginning was seen. */
  readonly opened = new Set<string>();
  leftOut = 0;

  constructor(selection: Selection) {
    this.#selection = selection;
  }

  all(): readonly IncidentSummary[] {
    return [...this.#summaries.values()];
  }

  addBlock({ incidents }: IndexBlock): void {
    for (const [id, { short, lastMs }] of Object.entries(incidents)) {
      if (this.#selection.incidents && !this.#selection.incidents.has(id)) continue;
      for (const record of short) this.#add(id, record);
      const summary = this.#summaries.get(id);
      if (summary) this.#set({ ...summary, lastAtMs: Math.max(summary.lastAtMs, lastMs) });
    }
  }

  async addLines(file: AuditFile, ranges: readonly Range[]): Promise<void> {
    for await (const { bytes, complete } of linesIn(file, ranges)) {
      const record = complete ? readMeant(file, bytes, this.#selection) : undefined;
      if (record?.incident !== undefined) this.#add(record.incident, record);
    }
  }

  #add(id: string, record: SummaryFields): void {
    if (record.event === 'incident.opened') this.opened.add(id);
    this.#set(addToSummary(this.#summaries.get(id), id, record));
  }

  #set(summary: IncidentSummary): void {
    this.#summaries.set(summary.id, summary);
    const [oldest] = this.#summaries.keys();
    if (this.#summaries.size <= maxSummaries || oldest === undefined) return;
    this.#summaries.delete(oldest);
    this.opened.delete(oldest);
    this.leftOut += 1;
  }
}
