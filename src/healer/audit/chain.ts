/**
 * The hash chain over raw lines. Hashing the bytes as they stand needs no canonical JSON, and
 * `sed -n 3p FILE | sha256sum` shows what line 4 must carry.
 */
import { createHash } from 'node:crypto';

/** `prev` of the first record of all. */
export const chainStart = '0'.repeat(64);

/** SHA-256 of one line *with* its newline, as 64 hexadecimal digits. */
export function hashLine(line: Uint8Array): string {
  return createHash('sha256').update(line).digest('hex');
}

/** The two fields that the chain stands on. */
export interface Link {
  readonly seq: number;
  readonly prev: string;
}

/** Reads the link of one line, with or without its newline; `undefined` when the line is no record. */
export function readLink(line: Uint8Array): Link | undefined {
  const record = parseObject(line);
  if (!record) return undefined;
  const { seq, prev } = record;
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 1) return undefined;
  return typeof prev === 'string' && /^[0-9a-f]{64}$/.test(prev) ? { seq, prev } : undefined;
}

/** The end of the chain so far: the last record's number and the hash of its line. */
export interface ChainHead {
  readonly seq: number;
  readonly hash: string;
}

/** Why a line does not follow the line before it. */
export type ChainBreak = 'edited' | 'missing' | 'reordered' | 'unreadable';

/**
 * Does `line` follow `head`? `edited`: the numbers fit but the hash does not, so the line before (or this link)
 * was changed after it was written. `missing`: numbers were left out. `reordered`: the number was there before.
 * Without a head (the oldest file that is left) any number but 1 is taken on trust; 1 must start the chain.
 */
export function follow(head: ChainHead | undefined, line: Uint8Array): { readonly next: ChainHead; readonly broken?: ChainBreak } | { readonly broken: 'unreadable' } {
  const link = readLink(line);
  if (!link) return { broken: 'unreadable' };
  const next = { seq: link.seq, hash: hashLine(line) };
  if (!head) return link.seq === 1 && link.prev !== chainStart ? { next, broken: 'edited' } : { next };
  if (link.seq > head.seq + 1) return { next, broken: 'missing' };
  if (link.seq <= head.seq) return { next, broken: 'reordered' };
  return link.prev === head.hash ? { next } : { next, broken: 'edited' };
}

/** The line as a JSON object; `undefined` for anything else. */
export function parseObject(line: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
