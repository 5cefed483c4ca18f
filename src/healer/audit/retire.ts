/**
 * Removes whole files that are older than they have to be kept. What is removed is written down first, with the hash
 * of its last line: the first line that remains carries the same hash, so tidying up can be told from hiding.
 */
import { open, rm } from 'node:fs/promises';
import { formatDuration } from '../../core/time.ts';
import { hashLine, readLink } from './chain.ts';
import { listAuditFiles, maxLineBytes, type AuditFile } from './files.ts';
import type { AuditEvent } from './record.ts';

export interface Retirement {
  readonly folder: string;
  readonly keepMs: number;
  readonly wallMs: number;
  /** Writes a record that is on the disk when it resolves; rejects otherwise, and then nothing is removed. */
  readonly write: (event: AuditEvent) => Promise<unknown>;
}

/** The one that is written to, and the one in which intents without an outcome are looked for. */
const filesAlwaysKept = 2;
/** Appends wait meanwhile, so a long backlog is removed in parts. */
const maxRemovedAtOnce = 50;
const dayMs = 86_400_000;

/**
 * Removes what is too old, oldest first, at most 50 files. Resolves to whether nothing is left to remove; rejects when
 * the record could not be written. A file that cannot be removed is told in the log and tried again the next day.
 */
export async function retireFiles(retirement: Retirement): Promise<boolean> {
  const { folder, keepMs, write } = retirement;
  const old = tooOld(await listAuditFiles(folder), retirement);
  for (const file of old.slice(0, maxRemovedAtOnce)) {
    await write({ event: 'audit.rotated', ...(await describe(file)), text: `${file.name} is older than ${inDays(keepMs)} and is removed` });
    const problem = await remove(file);
    if (problem === undefined) continue;
    await write({ event: 'audit.rotated', text: `${file.name} could not be removed: ${problem}` });
    return true;
  }
  return old.length <= maxRemovedAtOnce;
}

/**
 * From the oldest on, without a hole. The newest file's day counts like a clock: one that leaps ahead by years must not
 * empty the folder before the log itself has reached that year.
 */
function tooOld(files: readonly AuditFile[], { wallMs, keepMs }: Retirement): readonly AuditFile[] {
  const newest = files.at(-1);
  if (!newest) return [];
  const limit = Math.min(wallMs, endOf(newest)) - keepMs;
  const first = files.findIndex((file, i) => i >= files.length - filesAlwaysKept || endOf(file) > limit);
  return files.slice(0, Math.max(0, first));
}

/** The first moment behind the file's day. */
function endOf({ day }: AuditFile): number {
  return Date.parse(`${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T00:00:00Z`) + dayMs;
}

function inDays(ms: number): string {
  return ms % dayMs === 0 ? `${ms / dayMs} ${ms === dayMs ? 'day' : 'days'}` : formatDuration(ms);
}

async function describe(file: AuditFile): Promise<Pick<AuditEvent, 'removed'>> {
  const handle = await open(file.path, 'r');
  try {
    const { size } = await handle.stat();
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(Math.min(size, maxLineBytes)), { position: Math.max(0, size - maxLineBytes) });
    const line = lastLine(buffer.subarray(0, bytesRead));
    const link = line && readLink(line);
    return { removed: { file: file.name, bytes: size, ...(line && link ? { last_seq: link.seq, sha256: hashLine(line) } : {}) } };
  } finally {
    await handle.close();
  }
}

/** The last whole line with its newline; a half one behind it is passed over. */
function lastLine(bytes: Buffer): Buffer | undefined {
  const end = bytes.lastIndexOf(10);
  if (end < 0) return undefined;
  // lastIndexOf(10, -1) would begin at the end again.
  return bytes.subarray(end === 0 ? 0 : bytes.lastIndexOf(10, end - 1) + 1, end + 1);
}

/** The file, and what a crash once left behind its end. In plain words why not, where it stays. */
async function remove(file: AuditFile): Promise<string | undefined> {
  try {
    await rm(`${file.path}.torn`, { force: true });
    await rm(file.path, { force: true });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
