/**
 * What a control group may use, and what it uses: of the unified hierarchy and of the older one, whichever has the
 * controller. Read are the group of a process and all groups around it, because each of them may be the tight one.
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/index.html
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readText } from '../proc.ts';

const root = '/sys/fs/cgroup';
/** Deeper ones do not occur. */
const mostLevels = 12;

/** Counters only grow; `undefined`: no such limit, or nobody can see it. */
export interface GroupReading {
  /** `/system.slice/php8.2-fpm.service` */
  readonly path: string;
  readonly processes: { readonly now: number; readonly most: number; readonly refused: number } | undefined;
  readonly memory: { readonly nowBytes: number; readonly limits: readonly MemoryLimit[] } | undefined;
  readonly cpu: { readonly cores: number; readonly periods: number; readonly throttledPeriods: number; readonly throttledUs: number } | undefined;
}

/** `MemoryHigh` makes a group slow, `MemoryMax` ends it: as systemd calls them. `refused`: how often it was met. */
export interface MemoryLimit {
  readonly property: 'MemoryHigh' | 'MemoryMax';
  readonly mostBytes: number;
  readonly refused: number;
}

/** Where the unified hierarchy keeps the innermost group of a process; `undefined` for the root, which is the machine. */
export function unifiedFolderOf(pid: number): string | undefined {
  const path = /^0::(\/.+)$/m.exec(readText(`/proc/${pid}/cgroup`))?.[1];
  // beside the older ones it has a folder of its own
  return path === undefined ? undefined : [root, join(root, 'unified')].map((mount) => join(mount, path)).find((folder) => existsSync(join(folder, 'cgroup.controllers')));
}

/** The groups that hold a process, those with a limit only, the innermost first. */
export function readControlGroups(pid: number): readonly GroupReading[] {
  const paths = pathsOf(readText(`/proc/${pid}/cgroup`));
  const all = [...new Set([paths.pids, paths.memory, paths.cpu].flatMap(({ path }) => upwards(path)))];
  const readings = all.map((path) => ({
    path,
    processes: has(paths.pids, path) ? readProcesses(join(paths.pids.folder, path)) : undefined,
    memory: has(paths.memory, path) ? readMemory(join(paths.memory.folder, path)) : undefined,
    cpu: has(paths.cpu, path) ? readCpu(join(paths.cpu.folder, path)) : undefined,
  }));
  return readings.filter(({ processes, memory, cpu }) => processes ?? memory ?? cpu);
}

interface Place {
  /** Where the hierarchy is mounted. */
  readonly folder: string;
  readonly path: string;
}

/** `0::/a` is the unified hierarchy, `8:pids:/a` an older one with that controller. */
function pathsOf(table: string): Readonly<Record<'pids' | 'memory' | 'cpu', Place>> {
  const unified = { folder: root, path: /^0::(\/.*)$/m.exec(table)?.[1] ?? '/' };
  const place = (controller: string): Place => {
    const path = new RegExp(`^\\d+:(?:[\\w,=]+,)?${controller}(?:,[\\w,=]+)?:(/.*)$`, 'm').exec(table)?.[1];
    return path === undefined ? unified : { folder: join(root, controller), path };
  };
  return { pids: place('pids'), memory: place('memory'), cpu: place('cpu') };
}

function upwards(path: string): readonly string[] {
  const found: string[] = [];
  for (let at = path; at !== '/' && at !== '.' && found.length < mostLevels; at = dirname(at)) found.push(at);
  return found;
}

function has({ path }: Place, group: string): boolean {
  return path === group || path.startsWith(`${group}/`);
}

function readProcesses(folder: string): GroupReading['processes'] {
  const most = numberIn(join(folder, 'pids.max'));
  const now = numberIn(join(folder, 'pids.current'));
  return most === undefined || now === undefined ? undefined : { now, most, refused: counterIn(readText(join(folder, 'pids.events')), 'max') };
}

/** The old hierarchy writes a number near 2^63 for "no limit". */
const unlimitedBytes = 2 ** 60;

/** Exported for tests: `folder` is a group's. */
export function readMemory(folder: string): GroupReading['memory'] {
  const nowBytes = numberIn(join(folder, 'memory.current')) ?? numberIn(join(folder, 'memory.usage_in_bytes'));
  const events = readText(join(folder, 'memory.events'));
  const limits = [
    { property: 'MemoryHigh', mostBytes: numberIn(join(folder, 'memory.high')) ?? Infinity, refused: counterIn(events, 'high') },
    {
      property: 'MemoryMax',
      mostBytes: numberIn(join(folder, 'memory.max')) ?? numberIn(join(folder, 'memory.limit_in_bytes')) ?? Infinity,
      refused: counterIn(events, 'max') + (numberIn(join(folder, 'memory.failcnt')) ?? 0),
    },
  ] as const;
  const set = limits.filter(({ mostBytes }) => mostBytes < unlimitedBytes);
  return set.length === 0 || nowBytes === undefined ? undefined : { nowBytes, limits: set };
}

function readCpu(folder: string): GroupReading['cpu'] {
  // `50000 100000`: so many microseconds in each period
  const [quota, period] = readText(join(folder, 'cpu.max')).split(' ').map(Number);
  const quotaUs = quota ?? NaN;
  const cores = period ? quotaUs / period : (numberIn(join(folder, 'cpu.cfs_quota_us')) ?? -1) / (numberIn(join(folder, 'cpu.cfs_period_us')) ?? 1);
  if (!(cores > 0)) return undefined;
  const stat = readText(join(folder, 'cpu.stat'));
  return {
    cores,
    periods: counterIn(stat, 'nr_periods'),
    throttledPeriods: counterIn(stat, 'nr_throttled'),
    throttledUs: counterIn(stat, 'throttled_usec') || counterIn(stat, 'throttled_time') / 1000,
  };
}

/** `undefined` for a missing file, and for `max`: no limit. */
function numberIn(path: string): number | undefined {
  const text = readText(path).trim();
  return /^-?\d+$/.test(text) ? Number(text) : undefined;
}

function counterIn(table: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(table)?.[1] ?? 0);
}
