/**
 * On which disks the files lie that a process has open. Only the kernel's own tables are read, never a file or a path: a
 * file system that does not answer would hold us up, too.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { readText } from '../proc.ts';

const mostDescriptors = 64;
const mostTableBytes = 256 * 1024;
/** Nothing of these is on a disk. */
const withoutDisk = /^(?:tmpfs|devtmpfs|ramfs|proc|sysfs|devpts|mqueue|hugetlbfs|cgroup2?|bpf|tracefs|debugfs|securityfs|nsfs|autofs)$/;

/**
 * Of these descriptors, or of all (64 at most): `sda` for any part of that disk; where a file system names no disk, its
 * number (`0:45`). Empty where nobody may look, and for a process that is gone.
 */
export function readDisks(pid: number, descriptors: readonly number[] = descriptorsOf(pid)): readonly string[] {
  const mounts = new Set(descriptors.flatMap((descriptor) => /^mnt_id:\s+(\d+)$/m.exec(readText(`/proc/${pid}/fdinfo/${descriptor}`))?.[1] ?? []));
  if (mounts.size === 0) return [];
  const table = readText(`/proc/${pid}/mountinfo`).slice(0, mostTableBytes);
  const rows = [...table.matchAll(/^(\d+) \d+ (\d+:\d+) .* - (\S+) (\S+)/gm)].filter(([, id = '', , type = '']) => mounts.has(id) && !withoutDisk.test(type));
  return [...new Set(rows.map(([, , number = '', , source = '']) => diskOf(number, source)))];
}

function descriptorsOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/fdinfo`).slice(0, mostDescriptors).map(Number);
  } catch {
    // ended, or not ours to see
    return [];
  }
}

/** A partition is a folder of its disk's. A file system over several disks has a number of its own, and names one of them. */
function diskOf(number: string, source: string): string {
  const known = number.startsWith('0:') && source.startsWith('/dev/') ? `/sys/class/block/${basename(source)}` : `/sys/dev/block/${number}`;
  try {
    return /\/block\/([\w!-]{1,32})(?:\/|$)/.exec(readlinkSync(known))?.[1] ?? number;
  } catch {
    return number;
  }
}
