/**
 * Who holds a lock on a file, as /proc/locks tells it: POSIX locks (dpkg, apt, rpm), flock(2) and OFD locks alike. The
 * table names files by the device of their file system and by inode. `stat` shows another device on overlayfs and btrfs,
 * the mount table the right one (measured on overlayfs: locks 00:29, mountinfo 0:41, stat 43); there, two subvolumes may
 * share a number, so the holder must also have the file open, where that can be seen.
 *
 * What it cannot see: the kernel leaves out holders that live in another pid namespace (a package manager of the host,
 * looked for from inside a container), and, inside one, a flock that was taken by a program which has ended.
 */
import { readdir, readFile, readlink, realpath, stat } from 'node:fs/promises';

export interface KernelLock {
  /** POSIX, FLOCK or OFDLCK. */
  readonly kind: string;
  readonly exclusive: boolean;
  /** `undefined`: the kernel does not name it. For flock, who took it; it may have ended and left it to another. */
  readonly pid: number | undefined;
  /** `major:minor`, decimal. */
  readonly device: string;
  readonly inode: string;
}

/** Far more than any host of ours holds; the rest would not be seen. */
const mostLocks = 50_000;

/** Reads the text of /proc/locks. Who only waits (`->`), and leases, hold nothing. */
export function parseLocks(table: string): readonly KernelLock[] {
  const lines = table.matchAll(/^\d+: (POSIX|FLOCK|OFDLCK) +\S+ +(READ|WRITE|RW) +(-?\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) /gm);
  return [...lines].slice(0, mostLocks).map(([, kind = '', mode, pid, major = '', minor = '', inode = '']) => ({
    kind,
    exclusive: mode !== 'READ',
    pid: Number(pid) > 0 ? Number(pid) : undefined,
    device: `${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}`,
    inode,
  }));
}

/** All locks of the kernel now; rejects where /proc/locks cannot be read. */
export async function readLocks(): Promise<readonly KernelLock[]> {
  return parseLocks(await readFile('/proc/locks', 'utf8'));
}

/** The exclusive locks on a file; none where there is no such file. Rejects when the file cannot be looked at. */
export async function locksOn(path: string, locks: readonly KernelLock[]): Promise<readonly KernelLock[]> {
  const about = await stat(path, { bigint: true }).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  const sameInode = about ? locks.filter((lock) => lock.exclusive && lock.inode === String(about.ino)) : [];
  if (!about || sameInode.length === 0) return [];
  const exact = sameInode.filter((lock) => lock.device === deviceText(about.dev));
  if (exact.length > 0) return exact;
  const mounted = deviceOfMount(await realpath(path), await readFile('/proc/self/mountinfo', 'utf8'));
  const likely = sameInode.filter((lock) => lock.device === mounted);
  const open = await Promise.all(likely.map((lock) => hasOpen(lock.pid, about)));
  return likely.filter((_, index) => open[index] !== false);
}

/** Device of the file system that holds a real path, as `major:minor`, from the text of /proc/self/mountinfo. */
export function deviceOfMount(path: string, mountinfo: string): string | undefined {
  let best: { readonly point: string; readonly device: string } | undefined;
  for (const line of mountinfo.split('\n')) {
    const [, , device, , escaped] = line.split(' ');
    if (device === undefined || escaped === undefined) continue;
    const point = escaped.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    const inside = path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`);
    // of two mounts on one point the later one is seen
    if (inside && point.length >= (best?.point.length ?? 0)) best = { point, device };
  }
  return best?.device;
}

/** glibc's encoding of a device number. @see makedev(3) */
function deviceText(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn);
  return `${major}:${minor}`;
}

const mostDescriptors = 4096;

/** `undefined`: it cannot be seen; the lock counts then. */
async function hasOpen(pid: number | undefined, file: { readonly dev: bigint; readonly ino: bigint }): Promise<boolean | undefined> {
  if (pid === undefined) return undefined;
  try {
    const folder = `/proc/${pid}/fd`;
    for (const name of (await readdir(folder)).slice(0, mostDescriptors)) {
      if (!(await readlink(`${folder}/${name}`).catch(() => '')).startsWith('/')) continue;
      const open = await stat(`${folder}/${name}`, { bigint: true }).catch(() => undefined);
      if (open?.dev === file.dev && open.ino === file.ino) return true;
    }
    return false;
  } catch {
    return undefined;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
