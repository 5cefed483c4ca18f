/**
 * The checks of a rung's `first` beside the configuration test: is there room on the disks that the service needs, and
 * memory? A start onto a full disk makes a failed service into a damaged one.
 */
import { readFileSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RungConfig } from '../config/policy-schema.ts';
import type { ServiceTarget } from './leaves.ts';

export interface FirstCheck {
  readonly name: string;
  readonly passed: boolean;
  /** One sentence with the numbers. */
  readonly text: string;
}

const leastShare = 0.05;
const leastBytes = 64 * 1024 ** 2;
/** /run of a small host is a memory disk of 50 MiB: 64 MiB can never be free there. */
const shareOfSmallDisk = 0.1;
/** A file system that hangs (NFS) is none to start on. */
const lookMs = 2000;

/** Makes those checks of `first` that are no configuration test. Never rejects. */
export async function firstChecks(first: RungConfig['first'], target: ServiceTarget): Promise<readonly FirstCheck[]> {
  return Promise.all(first.flatMap((name) => (name === 'config_test' ? [] : [name === 'disk_free' ? diskFree(target) : memoryFree()])));
}

async function diskFree(target: ServiceTarget): Promise<FirstCheck> {
  const name = 'disk_free';
  const looked = new AbortController();
  const late = sleep(lookMs, undefined, { signal: looked.signal }).then(
    () => undefined,
    () => undefined,
  );
  const disks = await Promise.race([Promise.all(foldersOf(target).map(readDisk)), late]);
  looked.abort();
  if (!disks) return { name, passed: false, text: `a file system did not tell within ${lookMs / 1000} s how much is free` };
  const seen = [...new Map(disks.flatMap((disk) => (disk ? [[disk.device, disk] as const] : []))).values()];
  const full = seen.filter((disk) => disk.freeBytes < neededBytes(disk) || disk.freeFiles === 0);
  const shown = full.length > 0 ? full : seen;
  return { name, passed: full.length === 0 && seen.length > 0, text: shown.map(describeDisk).join(', ') || 'no disk could be read' };
}

/** Where it logs, keeps its pidfile, and where goodgateway remembers it; and where Debian's services write. */
function foldersOf({ config, stateFolder }: ServiceTarget): readonly string[] {
  const files = [...(config.log ?? []), ...('pidfile' in config && config.pidfile !== undefined ? [config.pidfile] : [])];
  return [...new Set([...files.map((file) => dirname(file)), stateFolder, '/run', '/var'])];
}

interface Disk {
  readonly folder: string;
  readonly device: number;
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** How many more files it can hold; `undefined` where it has no such limit. */
  readonly freeFiles: number | undefined;
}

/** The disk of a folder, or of what of its path exists. */
async function readDisk(folder: string): Promise<Disk | undefined> {
  try {
    const { dev: device } = await stat(folder);
    const { bsize, blocks, bavail, files, ffree } = await statfs(folder);
    return { folder, device, totalBytes: blocks * bsize, freeBytes: bavail * bsize, freeFiles: files > 0 ? ffree : undefined };
  } catch {
    return folder === '/' ? undefined : readDisk(dirname(folder));
  }
}

function neededBytes({ totalBytes }: Disk): number {
  return Math.max(totalBytes * leastShare, Math.min(leastBytes, totalBytes * shareOfSmallDisk));
}

function describeDisk(disk: Disk): string {
  const free = disk.freeFiles === 0 ? 'room for no more files' : `${inMiB(disk.freeBytes)} of ${inMiB(disk.totalBytes)} free`;
  return `${free} on the disk of ${disk.folder} (needed: ${inMiB(neededBytes(disk))})`;
}

async function memoryFree(): Promise<FirstCheck> {
  const name = 'memory_free';
  const table = readFileSync('/proc/meminfo', 'latin1');
  const bytes = (key: string) => Number(new RegExp(`^${key}: +(\\d+) kB$`, 'm').exec(table)?.[1] ?? NaN) * 1024;
  const [total, free] = [bytes('MemTotal'), bytes('MemAvailable')];
  const needed = Math.max(total * leastShare, leastBytes);
  return { name, passed: free >= needed, text: `${inMiB(free)} of ${inMiB(total)} available (needed: ${inMiB(needed)})` };
}

function inMiB(bytes: number): string {
  return `${Math.floor(bytes / 1024 ** 2)} MiB`;
}
