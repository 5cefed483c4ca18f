/** One incident, found by what people know of it. */
import type { AuditFile } from './files.ts';
import { isAmong, type IndexBlock } from './index-block.ts';
import { readIndex, type Believed } from './index-file.ts';
import { linesIn, type Range } from './lines-in.ts';
import { absolute, behind, noIndex } from './query.ts';
import { readRecord, readStrange } from './read-record.ts';
import type { AuditRecord } from './record.ts';

/** All that is recorded of one incident, in order. */
export interface IncidentStory {
  readonly id: string;
  readonly records: readonly AuditRecord[];
  /** Oldest records that were left out of a very long incident. */
  readonly leftOut: number;
  /** How many of its records are of a later version; they are not among `records`. */
  readonly notUnderstood: number;
  /** The index led astray, so the log itself was read. */
  readonly isIndexWrong: boolean;
}

const maxRecordsOfIncident = 2000;

/**
 * Finds an incident by its id, by the code of six characters that visitors see (any case; O reads as 0, I and L
 * as 1), or by the id of a request that is among its samples. The newest one wins. `undefined`: there is none.
 * What the index does not know, or knows wrongly, is looked for in the log itself.
 */
export async function findIncident(files: readonly AuditFile[], wanted: string, { useIndex = true }: { readonly useIndex?: boolean | undefined } = {}): Promise<IncidentStory | undefined> {
  if (!useIndex) return findInLog(files, wanted, false);
  const indexOf = rememberingLast();
  const { found, blocks } = await findByIndex(files, wanted, indexOf);
  // What an index does not know may still be in the log.
  if (!found) return blocks > 0 ? findInLog(files, wanted, false) : undefined;
  const story = await gather(found, indexOf);
  return story ? { id: found.id, ...story, isIndexWrong: false } : findInLog(files, wanted, true);
}

type IndexOf = (file: AuditFile) => Promise<Believed>;

/** The index that was read last is remembered: who was found in a file is mostly gathered from that file, and an index is held against the bytes of its log at each reading. */
function rememberingLast(): IndexOf {
  let last: { readonly file: AuditFile; readonly index: Promise<Believed> } | undefined;
  return (file) => {
    if (last?.file !== file) last = { file, index: readIndex(file) };
    return last.index;
  };
}

interface Found {
  readonly id: string;
  /** Those that may hold records of it. */
  readonly files: readonly AuditFile[];
}

/** Who was found by a request may have records behind it; by its code, the newest file of all was found. */
function foundIn(files: readonly AuditFile[], i: number, { id, wanted }: { readonly id: string; readonly wanted: string }): Found {
  const code = spokenCode(wanted);
  return { id, files: code !== undefined && id.endsWith(code) ? files.slice(0, i + 1) : files };
}

async function findInLog(files: readonly AuditFile[], wanted: string, isIndexWrong: boolean): Promise<IncidentStory | undefined> {
  for (const [i, file] of [...files.entries()].toReversed()) {
    const id = await newestIn(file, [[0, Infinity]], wanted);
    const story = id === undefined ? undefined : await gather(foundIn(files, i, { id, wanted }), async () => noIndex);
    if (id !== undefined && story) return { id, ...story, isIndexWrong };
  }
  return undefined;
}

/** `blocks`: how many were believed; without any, all was read in the log. */
async function findByIndex(files: readonly AuditFile[], wanted: string, indexOf: IndexOf): Promise<{ readonly found: Found | undefined; readonly blocks: number }> {
  let blocks = 0;
  for (const [i, file] of [...files.entries()].toReversed()) {
    const index = await indexOf(file);
    blocks += index.blocks.length;
    const id = (await newestIn(file, behind(index), wanted)) ?? newestOf(index.blocks, wanted);
    if (id !== undefined) return { found: foundIn(files, i, { id, wanted }), blocks };
  }
  return { found: undefined, blocks };
}

/** What people write, as ids and codes spell it; `undefined` where it is neither. */
function spokenCode(wanted: string): string | undefined {
  const spoken = wanted.toUpperCase().replaceAll('O', '0').replaceAll(/[IL]/g, '1');
  return /^[0-9A-Z]{6}$/.test(spoken) || /^[0-9A-Z]{26}$/.test(spoken) ? spoken : undefined;
}

function newestOf(blocks: readonly IndexBlock[], wanted: string): string | undefined {
  const code = spokenCode(wanted);
  for (const { incidents } of blocks.toReversed()) {
    const fitting = Object.entries(incidents).filter(([id, part]) => (code !== undefined && id.endsWith(code)) || isAmong(wanted, part));
    const newest = fitting.toSorted(([, a], [, b]) => (a.spans.at(-1) ?? 0) - (b.spans.at(-1) ?? 0)).at(-1);
    if (newest) return newest[0];
  }
  return undefined;
}

async function newestIn(file: AuditFile, ranges: readonly Range[], wanted: string): Promise<string | undefined> {
  const code = spokenCode(wanted);
  let newest: string | undefined;
  for await (const { bytes } of linesIn(file, ranges)) {
    // Cheap first: most lines hold neither.
    if (!bytes.includes(wanted) && !(code !== undefined && bytes.includes(`${code}"`))) continue;
    const record = readRecord(bytes);
    if (!record) tellStrange(file, bytes);
    const id = record?.incident;
    if (id !== undefined && ((code !== undefined && id.endsWith(code)) || record?.symptom?.requests?.includes(wanted))) newest = id;
  }
  return newest;
}

/** From the newest file back to the one that holds the opening. `undefined`: the index says what the log does not bear out. */
async function gather({ id, files }: Found, indexOf: IndexOf): Promise<Pick<IncidentStory, 'records' | 'leftOut' | 'notUnderstood'> | undefined> {
  let records: readonly AuditRecord[] = [];
  let [leftOut, notUnderstood] = [0, 0];
  for (const file of files.toReversed()) {
    const here = await recordsOf(file, id, await indexOf(file));
    if (!here) return undefined;
    leftOut += here.leftOut + Math.max(0, here.records.length + records.length - maxRecordsOfIncident);
    notUnderstood += here.notUnderstood;
    records = [...here.records, ...records].slice(-maxRecordsOfIncident);
    if (here.hasOpening) break;
  }
  return records.length > 0 ? { records, leftOut, notUnderstood } : undefined;
}

interface PartOfStory extends Pick<IncidentStory, 'records' | 'leftOut' | 'notUnderstood'> {
  readonly hasOpening: boolean;
}

async function recordsOf(file: AuditFile, id: string, index: Believed): Promise<PartOfStory | undefined> {
  const expected = index.blocks.reduce((sum, { incidents }) => sum + (incidents[id]?.records ?? 0), 0);
  const ranges = index.blocks.flatMap((block) => absolute(block, block.incidents[id]?.spans ?? [], block.strange));
  const records: AuditRecord[] = [];
  let [found, leftOut, notUnderstood, hasOpening] = [0, 0, 0, false];
  for await (const { bytes, end } of linesIn(file, [...ranges, ...behind(index)])) {
    if (!bytes.includes(id)) continue;
    const record = readRecord(bytes);
    if (!record && tellStrange(file, bytes, id)) notUnderstood += 1;
    if (record?.incident !== id) continue;
    if (end <= index.to) found += 1;
    hasOpening ||= record.event === 'incident.opened';
    records.push(record);
    if (records.length <= maxRecordsOfIncident) continue;
    records.shift();
    leftOut += 1;
  }
  return found === expected ? { records, leftOut, notUnderstood, hasOpening } : undefined;
}

/** `id`: only of this incident. Was it one? */
function tellStrange(file: AuditFile, line: Uint8Array, id?: string): boolean {
  const strange = readStrange(line);
  if (!strange || (id !== undefined && strange.incident !== id)) return false;
  file.onStrange?.(strange);
  return true;
}
