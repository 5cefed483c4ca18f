/**
 * What a log finds when it is opened: where the chain ends, what the last crash left half-written, and which acts
 * have an intent but no outcome. Only the newest files are read: an act cannot outlive two rotations.
 */
import { open, truncate } from 'node:fs/promises';
import { basename } from 'node:path';
import { chainStart, hashLine, parseObject, readLink, type ChainHead } from './chain.ts';
import { listAuditFiles, readLines, type AuditFile } from './files.ts';
import { auditRecordSchema, type AuditRecord } from './record.ts';

/** The end of a log as it stands on the disk, already clean of half-written lines. */
export interface Tail {
  /** The newest file and its length in bytes; none in an empty folder. */
  readonly last: { readonly file: AuditFile; readonly size: number } | undefined;
  readonly head: ChainHead;
  /** Oldest first, at most 1000. */
  readonly openIntents: readonly AuditRecord[];
  /** What was cut off the newest file, and where it is kept. */
  readonly torn: { readonly bytes: number; readonly file: string } | undefined;
}

const filesSearchedForIntents = 2;
const maxOpenIntents = 1000;

/** Reads the tail and cuts what is torn. Rejects with the system's error; then nothing was lost. */
export async function recoverTail(folder: string): Promise<Tail> {
  const files = await listAuditFiles(folder);
  const newest = files.at(-1);
  if (!newest) return { last: undefined, head: { seq: 0, hash: chainStart }, openIntents: [], torn: undefined };

  const intents = new Map<string, AuditRecord>();
  const recent = files.slice(-filesSearchedForIntents);
  const scans: FileScan[] = [];
  for (const file of recent) scans.push(await scan(file, intents));
  // The newest file may hold nothing but a torn line: the chain then ends in an older one.
  for (let i = files.length - recent.length - 1; i >= 0 && !scans.some((one) => one.head); i--) scans.unshift(await scan(files[i]!, new Map()));

  const end = scans.at(-1)!;
  const head = scans.findLast((one) => one.head)?.head ?? { seq: 0, hash: chainStart };
  const torn = end.size > end.recordsEnd ? await cut(newest, end) : undefined;
  return { last: { file: newest, size: end.recordsEnd }, head, openIntents: [...intents.values()], torn };
}

interface FileScan {
  readonly head: ChainHead | undefined;
  /** Offset behind the last readable record. */
  readonly recordsEnd: number;
  readonly size: number;
}

async function scan(file: AuditFile, intents: Map<string, AuditRecord>): Promise<FileScan> {
  let head: ChainHead | undefined;
  let recordsEnd = 0;
  let size = 0;
  for await (const line of readLines(file.path)) {
    size = line.end;
    const link = line.complete ? readLink(line.bytes) : undefined;
    if (!link) continue;
    head = { seq: link.seq, hash: hashLine(line.bytes) };
    recordsEnd = line.end;
    if (line.bytes.includes('"event":"action.')) pair(line.bytes, intents);
  }
  return { head, recordsEnd, size };
}

function pair(line: Buffer, intents: Map<string, AuditRecord>): void {
  const parsed = auditRecordSchema.safeParse(parseObject(line));
  if (!parsed.success || !parsed.data.action_id) return;
  const { event, action_id: id } = parsed.data;
  if (event === 'action.finished' || event === 'action.unknown') intents.delete(id);
  if (event !== 'action.intent') return;
  intents.set(id, parsed.data);
  const [oldest] = intents.keys();
  if (intents.size > maxOpenIntents && oldest !== undefined) intents.delete(oldest);
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
