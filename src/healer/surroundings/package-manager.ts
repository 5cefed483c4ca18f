import { readStat } from '../proc.ts';
import type { Hindrance } from '../policy/surroundings.ts';
import { locksOn, readLocks, type KernelLock } from './kernel-locks.ts';

/** Locks of dpkg, apt and rpm. dpkg holds its own for every package, apt the first one for the whole operation. */
export const packageLocks: readonly string[] = ['/var/lib/dpkg/lock-frontend', '/var/lib/dpkg/lock', '/var/lib/apt/lists/lock', '/var/lib/rpm/.rpm.lock'];

/**
 * Package managers at work now, each with the process and the file. Only looked at, never locked: a lock of ours would
 * make theirs fail. Rejects where the kernel's table or a file cannot be read.
 */
export async function packageManagers(paths: readonly string[] = packageLocks): Promise<readonly Hindrance[]> {
  const locks = await readLocks();
  const held = await Promise.all(paths.map(async (path) => ({ path, holders: await locksOn(path, locks) })));
  return held.flatMap(({ path, holders }) => (holders[0] ? [{ text: `a package manager is at work: ${describe(holders[0])} holds ${path}` }] : []));
}

/** `process 4711 (apt-get)`: a name that the kernel knows; it does not name the holder of an OFD lock. */
function describe({ pid }: KernelLock): string {
  const comm = pid === undefined ? undefined : readStat(pid)?.comm;
  return pid === undefined ? 'a process that the kernel does not name' : `process ${pid}${comm === undefined ? '' : ` (${comm})`}`;
}
