import { stat, statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** What is left on a file system for those who are not root. */
export interface DiskSpace {
  /** Which file system it is. */
  readonly device: number;
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** `undefined` where it has no fixed number of them. */
  readonly freeInodes: number | undefined;
  /** Absent where {@link freeInodes} is. */
  readonly totalInodes?: number;
}

const smallShare = 0.01;
/** So much takes what a service writes for a long time, however small a share it is. */
const plentyBytes = 10 * 1024 ** 3;
const littleBytes = 16 * 1024 ** 2;
/** A file system of some MiB, such as a tmpfs for sockets, always has little; so much of it is not full. */
const roomyShare = 0.1;

/** Less than 1 % and less than 10 GiB free, or less than 16 MiB of a file system that is not tiny, or no inode. One without size, such as /proc, is never full. */
export function isFull({ freeBytes, totalBytes, freeInodes }: Omit<DiskSpace, 'device'>): boolean {
  if (totalBytes === 0) return false;
  return freeInodes === 0 || freeBytes < Math.min(plentyBytes, smallShare * totalBytes) || (freeBytes < littleBytes && freeBytes < roomyShare * totalBytes);
}

/** Nothing to speak of can be written any more; a small /run that is nearly full still takes pidfiles and sockets. */
export function isSpent({ freeBytes, totalBytes, freeInodes }: Omit<DiskSpace, 'device'>): boolean {
  if (totalBytes === 0) return false;
  return freeInodes === 0 || freeBytes < Math.min(littleBytes, smallShare * totalBytes);
}

/**
 * Is the whole file system read-only, for everybody, as after an error of its disk? One that is so only where we look
 * (systemd's ProtectSystem) is not. `mounts`: /proc/self/mountinfo. A file system that it does not know by its number is not.
 * @see proc(5)
 */
export function isReadOnly({ device }: Pick<DiskSpace, 'device'>, mounts: string): boolean {
  // as the C library packs them
  const number = `${((Math.floor(device / 256) & 0xfff) | (Math.floor(device / 2 ** 32) & ~0xfff)) >>> 0}:${((device & 0xff) | (Math.floor(device / 2 ** 12) & ~0xff)) >>> 0}`;
  const line = mounts.split('\n').find((row) => row.split(' ')[2] === number);
  // `… - ext4 /dev/sda1 rw,errors=remount-ro`
  return /(?:^|,)ro(?:,|$)/.test(line?.split(' - ')[1]?.split(' ')[2] ?? '');
}

/** Questions that have no answer yet: one to a dead network file system keeps one of Node's few threads for files for good. */
const unanswered = new Map<string, Promise<DiskSpace | string | undefined>>();
/** On a busy machine an answer may be late; who asks a second time waits so long for the first question's. */
const lateAnswerMs = 500;

/**
 * The space on the file system of `path`; `undefined` when there is no such path; or why it cannot be seen. A path that
 * has not answered yet is not asked again: then its answer is awaited for half a second.
 */
export async function readSpace(path: string): Promise<DiskSpace | string | undefined> {
  const pending = unanswered.get(path);
  if (pending) return inTime(pending);
  const asked = ask(path).finally(() => unanswered.delete(path));
  unanswered.set(path, asked);
  return asked;
}

async function inTime(pending: Promise<DiskSpace | string | undefined>): Promise<DiskSpace | string | undefined> {
  const answered = new AbortController();
  const late = sleep(lateAnswerMs, undefined, { signal: answered.signal }).then(
    () => 'the file system does not answer',
    () => undefined,
  );
  try {
    return await Promise.race([pending, late]);
  } finally {
    answered.abort();
  }
}

async function ask(path: string): Promise<DiskSpace | string | undefined> {
  try {
    const { dev: device } = await stat(path);
    const { bsize, blocks, bavail, files, ffree } = await statfs(path);
    return { device, freeBytes: bavail * bsize, totalBytes: blocks * bsize, freeInodes: files > 0 ? ffree : undefined, ...(files > 0 ? { totalInodes: files } : {}) };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    return error instanceof Error ? error.message : String(error);
  }
}
