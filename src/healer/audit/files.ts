/**
 * The files of an audit folder, and their lines as raw bytes, in bounded memory. A file that is not written to any more
 * may be compressed (`.jsonl.gz`); readers need not know: its lines, their numbers and hashes are the same.
 */
import { createHash, type Hash } from 'node:crypto';
import { open, readdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** One file of the log: the n-th of its UTC day. */
export interface AuditFile {
  readonly path: string;
  /** As it stands in the folder, with `.gz` where it is compressed. */
  readonly name: string;
  /** `20261122`. Never goes back, even where the clock does. */
  readonly day: string;
  /** From 1. */
  readonly number: number;
  /** Told where its compressed bytes are damaged; what stands before that is read. Absent: whoever reads it gets the error. */
  readonly onDamaged?: (problem: string) => void;
  /** Told of each record that was to be read and is of a later version. */
  readonly onStrange?: (record: StrangeRecord) => void;
}

/** What can be said of a record that stands in the chain and has words or fields that this version does not know. */
export interface StrangeRecord {
  readonly seq: number;
  /** Wall time; NaN where it says none. */
  readonly atMs: number;
  readonly incident?: string | undefined;
  readonly service?: string | undefined;
  /** Product and version that wrote it. */
  readonly agent?: string | undefined;
}

/** Is it what zlib says of damaged bytes? */
export function isDamage(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
}

/** The n-th file of a day: `audit-20261122-01.jsonl`. */
export function auditFile(folder: string, day: string, number: number): AuditFile {
  const name = `audit-${day}-${String(number).padStart(2, '0')}.jsonl`;
  return { path: join(folder, name), name, day, number };
}

/** UTC day of a wall time as file names spell it. */
export function auditDay(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(0, 10).replaceAll('-', '');
}

/**
 * All files of the folder, oldest first; other files are none of ours. Where one stands there plain and compressed, it is
 * about to be compressed: the plain one counts. Rejects with the system's error.
 */
export async function listAuditFiles(folder: string): Promise<readonly AuditFile[]> {
  const files = new Map<string, AuditFile>();
  // Sorted, so that the plain one comes first.
  for (const name of (await readdir(folder)).toSorted()) {
    const found = /^(audit-(\d{8})-(\d{2,6})\.jsonl)(?:\.gz)?$/.exec(name);
    if (!found || files.has(found[1]!)) continue;
    files.set(found[1]!, { path: join(folder, name), name, day: found[2]!, number: Number(found[3]) });
  }
  return [...files.values()].toSorted((a, b) => a.day.localeCompare(b.day) || a.number - b.number);
}

/** Is this the compressed form? Nothing is ever written to it again. */
export function isCompressed(file: AuditFile): boolean {
  return file.path.endsWith('.gz');
}

/** Where the file stood, or stands, before it is compressed. */
export function plainPath({ path }: AuditFile): string {
  return path.replace(/\.gz$/, '');
}

/** One line. `bytes` has its newline; a last line without one has `complete: false`. */
export interface AuditLine {
  readonly bytes: Buffer;
  /** From 1. */
  readonly number: number;
  /** Offset in the file behind this line. */
  readonly end: number;
  readonly complete: boolean;
}

/** Longest line that is ever written, in bytes. Of a longer one only so much is read: it is no record of ours. */
export const maxLineBytes = 1_048_576;

const chunkBytes = 65_536;

/**
 * The lines of a file in order, also of one that was compressed since it was listed. Offsets are those of the plain
 * file. Memory: some chunks and one line. Rejects with the system's error, and with zlib's where a compressed file is
 * damaged; lines that came before are given first.
 */
export async function* readLines(path: string): AsyncGenerator<AuditLine, void, undefined> {
  const line = new LineBuffer();
  for await (const chunk of await openContent(path)) {
    let from = 0;
    for (let at = chunk.indexOf(10, from); at >= 0; at = chunk.indexOf(10, from)) {
      line.add(chunk.subarray(from, at + 1));
      yield line.take(true);
      from = at + 1;
    }
    line.add(chunk.subarray(from));
  }
  if (line.length > 0) yield line.take(false);
}

/** The bytes of the plain file, wherever they stand now. Rejects with the system's error; the reading ends with it, or with zlib's. */
export async function openContent(path: string): Promise<AsyncIterable<Buffer>> {
  if (path.endsWith('.gz')) return unpack(await open(path));
  try {
    return bytesOf(await open(path));
  } catch (error) {
    // Compressed since it was listed; where it is not there either, the first error names the file that was asked for.
    return unpack(await open(`${path}.gz`).catch(() => Promise.reject(error)));
  }
}

/** The SHA-256 of the plain bytes of a file, not digested yet, and how many they are. Rejects like {@link openContent}. */
export async function hashContent(path: string): Promise<{ readonly hash: Hash; readonly bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of await openContent(path)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { hash, bytes };
}

function bytesOf(handle: FileHandle): Readable {
  return handle.createReadStream({ start: 0, highWaterMark: chunkBytes });
}

function unpack(handle: FileHandle): AsyncIterable<Buffer> {
  // An error of either stream is thrown to whoever reads.
  return pipeline(bytesOf(handle), createGunzip(), () => undefined);
}

class LineBuffer {
  length = 0;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #number = 1;
  #end = 0;

  add(part: Buffer): void {
    this.length += part.length;
    const kept = part.subarray(0, maxLineBytes - this.#keptBytes);
    if (kept.length === 0) return;
    this.#kept.push(kept);
    this.#keptBytes += kept.length;
  }

  take(complete: boolean): AuditLine {
    this.#end += this.length;
    const line = { bytes: Buffer.concat(this.#kept), number: this.#number, end: this.#end, complete };
    this.length = 0;
    this.#kept = [];
    this.#keptBytes = 0;
    this.#number += 1;
    return line;
  }
}
