/**
 * What a log finds when it is opened: where the chain ends, what the last crash left half-written, which acts have an
 * intent but no outcome, and which incidents a beginning but no end. Only the newest files are read: an act cannot outlive two rotations.
 */
import { open, truncate } from 'node:fs/promises';
import { basename } from 'node:path';
import { chainStart, hashLine, parseObject, readLink, type ChainHead } from './chain.ts';
import { isCompressed, listAuditFiles, readLines, type AuditFile } from './files.ts';
import { auditRecordSchema, type AuditRecord } from './record.ts';

/** The end of a log as it stands on the disk, already clean of half-written lines. */
export interface Tail {
  /** The newest file and its length in bytes; none in an empty folder. */
  readonly last: { readonly file: AuditFile; readonly size: number } | undefined;
  readonly head: ChainHead;
  /** Oldest first, at most 1000. */
  readonly openIntents: readonly AuditRecord[];
  /** The same of incidents. */
  readonly openIncidents: readonly AuditRecord[];
  /** The beginning of the last run, when its end is not on record: it crashed, was killed, or its host went down. */
  readonly crashedRun: AuditRecord | undefined;
  /** The file that holds the last record; the newest one may be empty. */
  readonly holder: AuditFile | undefined;
  /** What was cut off the newest file, and where it is kept. */
  readonly torn: { readonly bytes: number; readonly file: string } | undefined;
}

const filesSearchedForIntents = 2;
const maxOpen = 1000;

/** Reads the tail and cuts what is torn. Rejects with the system's error; then nothing was lost. */
export async function recoverTail(folder: string): Promise<Tail> {
  const files = await listAuditFiles(folder);
  const newest = files.at(-1);
  if (!newest) return { last: undefined, head: { seq: 0, hash: chainStart }, openIntents: [], openIncidents: [], crashedRun: undefined, holder: undefined, torn: undefined };

  const begun: Begun = { intents: new Map(), incidents: new Map(), runs: new Map() };
  const recent = files.slice(-filesSearchedForIntents);
  const scans: FileScan[] = [];
  for (const file of recent) scans.push(await scan(file, begun));
  // The newest file may hold nothing but a torn line: the chain then ends in an older one.
  for (let i = files.length - recent.length - 1; i >= 0 && !scans.some((one) => one.head); i--) scans.unshift(await scan(files[i]!, { intents: new Map(), incidents: new Map(), runs: new Map() }));

  const end = scans.at(-1)!;
  const holder = scans.findLast((one) => one.head);
  const head = holder?.head ?? { seq: 0, hash: chainStart };
  // A compressed file was whole when it was compressed; what was done to it later is for `audit verify` to tell.
  const torn = end.size > end.recordsEnd && !isCompressed(newest) ? await cut(newest, end) : undefined;
  const [openIntents, openIncidents, [crashedRun]] = [[...begun.intents.values()], [...begun.incidents.values()], [...begun.runs.values()]];
  return { last: { file: newest, size: end.recordsEnd }, head, openIntents, openIncidents, crashedRun, holder: holder?.file, torn };
}

interface FileScan {
  readonly file: AuditFile;
  readonly head: ChainHead | undefined;
  /** Offset behind the last readable record. */
  readonly recordsEnd: number;
  readonly size: number;
}

/** What has begun and not ended, by its id. */
interface Begun {
  readonly intents: Map<string, AuditRecord>;
  readonly incidents: Map<string, AuditRecord>;
  /** At most one: a run ends where the next begins. */
  readonly runs: Map<string, AuditRecord>;
}

async function scan(file: AuditFile, { intents, incidents, runs: healers }: Begun): Promise<FileScan> {
  let head: ChainHead | undefined;
  let recordsEnd = 0;
  let size = 0;
  for await (const line of readLines(file.path)) {
    size = line.end;
    const link = line.complete ? readLink(line.bytes) : undefined;
    if (!link) continue;
    head = { seq: link.seq, hash: hashLine(line.bytes) };
    recordsEnd = line.end;
    if (line.bytes.includes('"event":"action.')) pair(line.bytes, intents, acts);
    else if (line.bytes.includes('"event":"incident.')) pair(line.bytes, incidents, lives);
    else if (line.bytes.includes('"event":"agent.')) pair(line.bytes, healers, runs);
  }
  return { file, head, recordsEnd, size };
}

interface Pairing {
  readonly begins: AuditRecord['event'];
  readonly ends: readonly AuditRecord['event'][];
  readonly id: (record: AuditRecord) => string | undefined;
}

const acts: Pairing = { begins: 'action.intent', ends: ['action.finished', 'action.unknown'], id: (record) => record.action_id };
const runs: Pairing = { begins: 'agent.started', ends: ['agent.stopped', 'agent.crashed'], id: () => 'the healer' };
const lives: Pairing = { begins: 'incident.opened', ends: ['incident.recovered', 'incident.closed'], id: (record) => record.incident };

function pair(line: Buffer, begun: Map<string, AuditRecord>, { begins, ends, id }: Pairing): void {
  const parsed = auditRecordSchema.safeParse(parseObject(line));
  const known = parsed.success ? id(parsed.data) : undefined;
  if (!parsed.success || known === undefined) return;
  if (ends.includes(parsed.data.event)) begun.delete(known);
  if (parsed.data.event !== begins) return;
  begun.set(known, parsed.data);
  const [oldest] = begun.keys();
  if (begun.size > maxOpen && oldest !== undefined) begun.delete(oldest);
}

/** Moves everything behind the last record into FILE.torn, which is on the disk before the file is made shorter. */
async function cut(file: AuditFile, { size, recordsEnd }: FileScan): Promise<{ bytes: number; file: string }> {
  const tornPath = `${file.path}.torn`;
  const from = await open(file.path, 'r');
  try {
    const to = await open(tornPath, 'a', 0o640);
    try {
      const chunk = Buffer.allocUnsafe(65_536);
      for (let at = recordsEnd; at < size;) {
        const { bytesRead } = await from.read(chunk, 0, Math.min(chunk.length, size - at), at);
        if (bytesRead === 0) break;
        await to.appendFile(chunk.subarray(0, bytesRead));
        at += bytesRead;
      }
      await to.datasync();
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
  await truncate(file.path, recordsEnd);
  return { bytes: size - recordsEnd, file: basename(tornPath) };
}
