/**
 * What the machine has done until now, as the kernel's counters, and what it has left. Two readings make rates.
 * @see proc(5), https://docs.kernel.org/accounting/psi.html
 */
import { existsSync } from 'node:fs';
import { readText } from '../proc.ts';

/** How much of the time somebody waited for a thing; `full`: nobody could do anything else meanwhile. */
export interface Pressure {
  /** Share of the last ten seconds, 0 to 1. */
  readonly some: number;
  readonly full: number;
  /** Since the boot, in microseconds. */
  readonly someTotalUs: number;
  readonly fullTotalUs: number;
}

interface Disk {
  readonly bytes: number;
  readonly busyMs: number;
}

export interface MachineReading {
  /** In ticks, summed over all processors. `idle` has the waiting for disks in it, `stolen` is what the host below took. */
  readonly cpu: { readonly total: number; readonly idle: number; readonly waiting: number; readonly stolen: number };
  readonly cores: number;
  readonly runnable: number;
  readonly blocked: number;
  readonly memory: { readonly totalBytes: number; readonly availableBytes: number; readonly swapTotalBytes: number; readonly swapFreeBytes: number };
  readonly swappedInPages: number;
  readonly majorFaults: number;
  /** Absent where the kernel does not keep it. */
  readonly pressure: { readonly cpu: Pressure | undefined; readonly memory: Pressure | undefined; readonly io: Pressure | undefined };
  /** By the disk's name; whole ones only. */
  readonly disks: ReadonlyMap<string, Disk>;
  /** Of all interfaces but the loopback. */
  readonly network: { readonly receivedBytes: number; readonly sentBytes: number; readonly dropped: number };
}

/** Takes about a millisecond. */
export function readMachine(): MachineReading {
  const stat = readText('/proc/stat');
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, softirq = 0, stolen = 0] = numbers(/^cpu +(.*)$/m.exec(stat)?.[1] ?? '');
  const count = (name: string, text: string): number => Number(new RegExp(`^${name}:? +(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  const [meminfo, vmstat] = [readText('/proc/meminfo'), readText('/proc/vmstat')];
  const memory = (name: string): number => count(name, meminfo) * 1024;
  return {
    cpu: { total: user + nice + system + idle + waiting + irq + softirq + stolen, idle: idle + waiting, waiting, stolen },
    cores: Math.max(1, stat.match(/^cpu\d/gm)?.length ?? 1),
    runnable: count('procs_running', stat),
    blocked: count('procs_blocked', stat),
    memory: { totalBytes: memory('MemTotal'), availableBytes: memory('MemAvailable'), swapTotalBytes: memory('SwapTotal'), swapFreeBytes: memory('SwapFree') },
    swappedInPages: count('pswpin', vmstat),
    majorFaults: count('pgmajfault', vmstat),
    pressure: { cpu: readPressure('/proc/pressure/cpu'), memory: readPressure('/proc/pressure/memory'), io: readPressure('/proc/pressure/io') },
    disks: readDisks(readText('/proc/diskstats')),
    network: readNetwork(readText('/proc/net/dev')),
  };
}

/** A file of pressure, also that of a control group; `undefined` where there is none. */
export function readPressure(path: string): Pressure | undefined {
  const text = readText(path);
  const line = (name: string): readonly [number, number] => {
    const found = new RegExp(`^${name} avg10=([\\d.]+) .*total=(\\d+)`, 'm').exec(text);
    return [Number(found?.[1] ?? 0) / 100, Number(found?.[2] ?? 0)];
  };
  if (!text.startsWith('some ')) return undefined;
  const [[some, someTotalUs], [full, fullTotalUs]] = [line('some'), line('full')];
  return { some, full, someTotalUs, fullTotalUs };
}

const sectorBytes = 512;

function readDisks(table: string): ReadonlyMap<string, Disk> {
  const rows = table.split('\n').map((line) => line.trim().split(/ +/));
  // a partition's work is its disk's too
  const whole = rows.filter(([, , name = '', reads = '0', , , , writes = '0']) => (reads !== '0' || writes !== '0') && existsSync(`/sys/block/${name.replaceAll('/', '!')}`));
  return new Map(whole.map((row) => [row[2]!, { bytes: (Number(row[5]) + Number(row[9])) * sectorBytes, busyMs: Number(row[12]) }]));
}

function readNetwork(table: string): MachineReading['network'] {
  const rows = [...table.matchAll(/^ *([^\s:]+): *(.*)$/gm)].filter(([, name]) => name !== 'lo').map(([, , counters = '']) => numbers(counters));
  const sum = (...columns: readonly number[]): number => rows.reduce((total, row) => columns.reduce((part, column) => part + (row[column] ?? 0), total), 0);
  return { receivedBytes: sum(0), sentBytes: sum(8), dropped: sum(3, 11) };
}

function numbers(text: string): readonly number[] {
  return text.trim().split(/\s+/).map(Number);
}
