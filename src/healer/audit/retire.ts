/**
 * Removes whole files that are older than they have to be kept. What is removed is written down first, with the hash
 * of its last line: the first line that remains carries the same hash, so tidying up can be told from hiding.
 */
import { rm, stat } from 'node:fs/promises';
import { formatDuration } from '../../core/time.ts';
import { hashLine, readLink } from './chain.ts';
import { isDamage, listAuditFiles, plainPath, readLines, type AuditFile } from './files.ts';
import type { AuditEvent } from './record.ts';
import { partPath } from './seal.ts';

/** How long and how much is kept. Absent: for ever, or everything. */
export interface Keeping {
  /** Files whose day is over for longer are removed. */
  readonly keepMs?: number;
  /** The oldest files are removed while all of them take more on the disk, as they lie there. */
  readonly keepBytes?: number;
}

export interface Retirement extends Keeping {
  readonly folder: string;
  readonly wallMs: number;
  /** Writes a record that is on the disk when it resolves; rejects otherwise, and then nothing more is removed. */
  readonly write: (event: AuditEvent) => Promise<unknown>;
}

/** The one that is written to, and the one in which intents without an outcome are looked for. */
const filesAlwaysKept = 2;
const dayMs = 86_400_000;

/**
 * Removes what is too old or too much, oldest first. Rejects when a record could not be written, or a file not be read.
 * A file that cannot be removed is told in the log and tried again the next time.
 */
export async function retireFiles(retirement: Retirement): Promise<void> {
  const { folder, write } = retirement;
  const files = await listAuditFiles(folder);
  for (const { file, why } of await chooseFiles(files, retirement)) {
    await write({ event: 'audit.rotated', removed: await describe(file, files[files.indexOf(file) + 1]), text: `${file.name} ${why} and is removed` });
    const problem = await remove(file);
    if (problem === undefined) continue;
    await write({ event: 'audit.rotated', text: `${file.name} could not be removed: ${problem}` });
    return;
  }
}

interface Chosen {
  readonly file: AuditFile;
  readonly why: string;
}

/**
 * From the oldest on, without a hole. The day after the newest file but one counts like a clock: one that leaps ahead by
 * years makes one file of that year, and must not empty the folder before the log has gone on there for a day.
 */
async function chooseFiles(files: readonly AuditFile[], { wallMs, keepMs = Infinity, keepBytes = Infinity }: Retirement): Promise<readonly Chosen[]> {
  const before = files.at(-2);
  if (!before) return [];
  const limit = Math.min(wallMs, endOf(before) + dayMs) - keepMs;
  const sizes = await Promise.all(files.map(async ({ path }) => (await stat(path)).size));
  let total = sizes.reduce((sum, size) => sum + size, 0);
  const chosen: Chosen[] = [];
  for (const [i, file] of files.slice(0, -filesAlwaysKept).entries()) {
    if (endOf(file) <= limit) chosen.push({ file, why: `is older than ${inDays(keepMs)}` });
    else if (total > keepBytes) chosen.push({ file, why: `is the oldest, the log takes more than ${inMebibytes(keepBytes)}` });
    else break;
    total -= sizes[i] ?? 0;
  }
  return chosen;
}

/** The first moment behind the file's day. */
function endOf({ day }: AuditFile): number {
  return Date.parse(`${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T00:00:00Z`) + dayMs;
}

function inDays(ms: number): string {
  return ms % dayMs === 0 ? `${ms / dayMs} ${ms === dayMs ? 'day' : 'days'}` : formatDuration(ms);
}

function inMebibytes(bytes: number): string {
  return bytes % 1024 ** 2 === 0 ? `${bytes / 1024 ** 2} MiB` : `${bytes} bytes`;
}

/** Of one that is damaged the file behind it knows how it ended: it must not keep itself and all others from being removed. */
async function describe(file: AuditFile, next: AuditFile | undefined): Promise<NonNullable<AuditEvent['removed']>> {
  let last: Buffer | undefined;
  let bytes = 0;
  try {
    for await (const line of readLines(file.path)) {
      bytes = line.end;
      if (line.complete) last = line.bytes;
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { file: file.name, bytes, ...(next && (await endBefore(next))) };
  }
  const link = last && readLink(last);
  return { file: file.name, bytes, ...(last && link ? { last_seq: link.seq, sha256: hashLine(last) } : {}) };
}

/** What the first line of a file says of the line before it. */
async function endBefore(file: AuditFile): Promise<{ readonly last_seq: number; readonly sha256: string } | undefined> {
  try {
    for await (const { bytes } of readLines(file.path)) {
      const link = readLink(bytes);
      return link && { last_seq: link.seq - 1, sha256: link.prev };
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  return undefined;
}

/** The file, and what a crash once left behind its end. In plain words why not, where it stays. */
async function remove(file: AuditFile): Promise<string | undefined> {
  try {
    const plain = plainPath(file);
    // Both forms: a crash may have left one beside the other.
    for (const path of [`${plain}.torn`, partPath(file), `${plain}.gz`, plain]) await rm(path, { force: true });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
