/**
 * What the kernel says about processes: parsing of /proc and small readers of it.
 * Read-only and bounded. A process that ends while it is read is simply absent: that is normal, never an error.
 * @see proc(5)
 */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import { basename } from 'node:path';

/** One process as /proc/PID/stat shows it. `pid` and `startTicks` together name it for ever: pids are reused. */
export interface ProcessStat {
  readonly pid: number;
  readonly comm: string;
  /** `R`, `S`, `D` (waits for I/O), `T` (stopped), `Z` (zombie) and rarer ones. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Start time after boot, in 1/100 s. */
  readonly startTicks: number;
  /** Until now: processor time in 1/100 s, and waits for a page of memory to come from a disk. Now: threads, and pages in memory (0: a kernel thread). */
  readonly cpuTicks: number;
  readonly majorFaults: number;
  readonly threads: number;
  readonly residentPages: number;
}

/** More processes than any host of ours has; the rest would not be seen. */
const mostProcesses = 65_536;
/** /proc/net/unix has about 80 bytes a line: 100,000 sockets. */
const mostTableBytes = 8 * 1024 ** 2;

/** Reads the text of /proc/PID/stat, whose third field is the state. The name may hold spaces and brackets, so everything counts from the last `)`. */
export function parseStat(text: string): ProcessStat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const fields = text.slice(close + 2).split(' ');
  if (open < 0 || close < open || fields.length < 22) return undefined;
  const at = (number: number): number => Number(fields[number - 3]);
  const name = { pid: Number(text.slice(0, open)), comm: text.slice(open + 1, close), state: fields[0] ?? '', parent: at(4), group: at(5), session: at(6), startTicks: at(22) };
  return { ...name, cpuTicks: at(14) + at(15), majorFaults: at(12), threads: at(20), residentPages: at(24) };
}

/** The process as it is now, zombies too; `undefined` when there is none. */
export function readStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

/** All processes that can be seen, at most 65,536. Costs about 20 microseconds each. */
export function readAllStats(): readonly ProcessStat[] {
  const pids = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .slice(0, mostProcesses);
  return pids.map((pid) => readStat(Number(pid))).filter((stat) => stat !== undefined);
}

/** Does it still run? A zombie does not: nothing of it is left but its exit status. */
export function isAlive(stat: ProcessStat | undefined): stat is ProcessStat {
  return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X';
}

/** Stopped by a signal (state T). Signals other than KILL and CONT stay pending on it. */
export function isStopped(stat: ProcessStat): boolean {
  return stat.state === 'T';
}

/** Is this very process still alive, and not another one that was given its pid? */
export function isStillAlive(known: ProcessStat): boolean {
  const now = readStat(known.pid);
  return isAlive(now) && now.startTicks === known.startTicks;
}

/** `PID:START`: identifies one run of one process until the next boot. */
export function processFence(stat: ProcessStat): string {
  return `${stat.pid}:${stat.startTicks}`;
}

/**
 * The living processes that come from `pid`: itself, its descendants, and whatever is in its session or process
 * group, which finds the children of a master that is dead (the kernel keeps a number while it names a session).
 */
export function familyOf(pid: number, all: readonly ProcessStat[]): readonly ProcessStat[] {
  const members = new Set([pid]);
  const belongs = (stat: ProcessStat): boolean => members.has(stat.parent) || stat.session === pid || stat.group === pid;
  for (let before = 0; before !== members.size;) {
    before = members.size;
    for (const stat of all) if (belongs(stat)) members.add(stat.pid);
  }
  return all.filter((stat) => members.has(stat.pid) && isAlive(stat));
}

/** Wall time at which the process began. USER_HZ is 100 on every architecture that Node runs on. */
export function startedAtMs(stat: ProcessStat): number {
  const boot = /^btime (\d+)$/m.exec(readTable('/proc/stat'));
  return Number(boot?.[1] ?? 0) * 1000 + stat.startTicks * 10;
}

/** Tables are kept here while they are read; it grows to the largest one and stays, so that a look leaves no garbage behind. */
let tableBuffer = Buffer.alloc(65_536);

/**
 * A table of /proc, at most 8 MiB of it, and no further than the part of which `isEnough` is true; empty when it does
 * not exist (no IPv6, no such kernel option). The kernel hands out some 4 KiB at a read.
 */
export function readTable(path: string, isEnough: (part: Buffer) => boolean = () => false): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    let length = 0;
    for (let more = true; more && length < mostTableBytes;) {
      if (tableBuffer.length === length) tableBuffer = Buffer.concat([tableBuffer], 2 * length);
      const got = readSync(file, tableBuffer, length, tableBuffer.length - length, null);
      length += got;
      more = got > 0 && !isEnough(tableBuffer.subarray(length - got, length));
    }
    return tableBuffer.toString('latin1', 0, length);
  } finally {
    closeSync(file);
  }
}

/** The name of the file that a process executes, also when that was replaced meanwhile; empty where it is gone, or not ours to see. */
export function executableOf(pid: number): string {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`)).replace(/ \(deleted\)$/, '');
  } catch {
    return '';
  }
}

/** A small text of /proc or of a configuration, empty when it cannot be read: the process may be gone by now. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
