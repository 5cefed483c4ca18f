/**
 * The index of one log file, `audit-20261122-01.index` beside it: one line a block, and a stamp when the file is finished.
 * It only says where to look. It is believed as far as it fits the bytes of the log, which is found out at every
 * reading; what it does not cover, or covers wrongly, is read from the log itself.
 */
import type { BigIntStats } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { isCompressed, maxLineBytes, type AuditFile } from './files.ts';
import { blockBytes, decodeLine, type IndexBlock } from './index-block.ts';
import { asItStands } from './lines-in.ts';

/** What of a file's index can be believed. */
export interface Believed {
  readonly blocks: readonly IndexBlock[];
  /** Behind the last one of them, in bytes of the uncompressed log file. */
  readonly to: number;
  /** The file is finished, and nobody has touched it since. */
  readonly isStamped: boolean;
  /** Length of the believed lines of the index, in bytes, the stamp among them. */
  readonly indexBytes: number;
}

const nothing: Believed = { blocks: [], to: 0, isStamped: false, indexBytes: 0 };
/** An index is some hundredths of its log file. */
const largestIndex = 64 * 1024 ** 2;
/** A block may be longer than planned by the line that fills it. */
const largestBlock = blockBytes + maxLineBytes;

/** Where the index of a log file is, compressed or not. */
export function indexPath({ path, day, number }: Pick<AuditFile, 'path' | 'day' | 'number'>): string {
  return join(dirname(path), `audit-${day}-${String(number).padStart(2, '0')}.index`);
}

/** How a plain file looks from outside: nobody writes to one without changing its ctime. Rejects with the system's error. */
export async function stampOf(file: AuditFile): Promise<string> {
  const { ino, size, mtimeNs, ctimeNs }: BigIntStats = await stat(file.path, { bigint: true });
  return [ino, size, mtimeNs, ctimeNs].join(' ');
}

/** Reads the index and holds it against the log. An index that is missing, damaged or foreign is believed in nothing. Rejects when the log cannot be read. */
export async function readIndex(listed: AuditFile): Promise<Believed> {
  const file = await asItStands(listed);
  const written = await readBlocks(file);
  const last = written.blocks.at(-1);
  if (!last) return nothing;
  if (isCompressed(file)) {
    const { crc, size } = await trailerOf(file);
    return crc === last.crc && size === last.to ? believed(written, written.blocks.length, true) : nothing;
  }
  const isStamped = written.stamp === (await stampOf(file));
  return believed(written, isStamped ? written.blocks.length : await countFitting(written.blocks, file), isStamped);
}

function believed({ blocks, lengths, stampLength }: WrittenBlocks, count: number, isStamped: boolean): Believed {
  const kept = blocks.slice(0, count);
  const indexBytes = lengths.slice(0, count).reduce((sum, length) => sum + length, isStamped ? stampLength : 0);
  return { blocks: kept, to: kept.at(-1)?.to ?? 0, isStamped, indexBytes };
}

/** How many blocks, from the first on, the bytes of the log bear out. */
async function countFitting(blocks: readonly IndexBlock[], file: AuditFile): Promise<number> {
  const handle = await open(file.path, 'r');
  try {
    let crc = 0;
    for (const [i, block] of blocks.entries()) {
      const bytes = block.to - block.from;
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(Math.min(bytes, largestBlock)), { position: block.from });
      crc = crc32(buffer.subarray(0, bytesRead), crc);
      if (bytesRead < bytes || crc !== block.crc) return i;
    }
    return blocks.length;
  } finally {
    await handle.close();
  }
}

interface WrittenBlocks {
  readonly blocks: readonly IndexBlock[];
  /** Of each block's line, in bytes. */
  readonly lengths: readonly number[];
  readonly stamp: string | undefined;
  readonly stampLength: number;
}

/** Up to the first line that is damaged, or does not carry on from the one before. */
async function readBlocks(file: AuditFile): Promise<WrittenBlocks> {
  const blocks: IndexBlock[] = [];
  const lengths: number[] = [];
  const bytes = await readWhole(indexPath(file));
  for (let from = 0, stop = bytes.indexOf(10); stop >= 0; from = stop + 1, stop = bytes.indexOf(10, from)) {
    const value = decodeLine(bytes.subarray(from, stop));
    if (value === undefined) break;
    const length = stop + 1 - from;
    // The checksum says that it is ours, as it was written.
    if ('stamp' in value) return { blocks, lengths, stamp: String(value.stamp), stampLength: length };
    const block = value as IndexBlock;
    if (block.from !== (blocks.at(-1)?.to ?? 0) || block.to <= block.from) break;
    blocks.push(block);
    lengths.push(length);
  }
  return { blocks, lengths, stamp: undefined, stampLength: 0 };
}

async function readWhole(path: string): Promise<Buffer> {
  try {
    return (await stat(path)).size > largestIndex ? Buffer.alloc(0) : await readFile(path);
  } catch {
    // best effort: without an index the log itself is read
    return Buffer.alloc(0);
  }
}

/** gzip ends with the CRC-32 and the length of what it holds. */
async function trailerOf(file: AuditFile): Promise<{ readonly crc: number; readonly size: number }> {
  const handle = await open(file.path, 'r');
  try {
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(8), 0, 8, Math.max(0, size - 8));
    return bytesRead < 8 ? { crc: -1, size: -1 } : { crc: buffer.readUInt32LE(0), size: buffer.readUInt32LE(4) };
  } finally {
    await handle.close();
  }
}
