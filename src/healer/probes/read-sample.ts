/** What machine and processes did during one short sample. */
import type { ProbeContext } from '../leaves.ts';
import { readAllStats, readStat, readText, type ProcessStat } from '../proc.ts';
import { readIoBytes, type ProcessChange } from './read-consumers.ts';
import { unifiedFolderOf } from './read-control-group.ts';
import { readMachine, readPressure, type MachineReading, type Pressure } from './read-machine.ts';
import { processReadingOf } from './read-once.ts';
import { readFamily } from './read-processes.ts';
import { addedWaits, readWaits, type Waits } from './read-processor-waits.ts';

/** What takes two looks takes them so far apart: twenty ticks of the kernel's processor clock, two periods of a usual quota. */
export const sampleMs = 200;
/** Of so many processes the bytes from and to disks are read: about two milliseconds. */
const mostIo = 128;
/** Where there are more processes, only so many are read again: those that work. */
const mostAgain = 2000;

export interface Sample {
  readonly elapsedMs: number;
  readonly before: MachineReading;
  readonly after: MachineReading;
  /** The service's processes at the beginning. */
  readonly family: readonly ProcessStat[];
  /** How the service's threads waited for processors; `undefined` where the kernel does not say, or all have just started. */
  readonly waits: Waits | undefined;
  readonly changes: readonly ProcessChange[];
  /** How the service's own control group waits; `undefined` where it has none, or the kernel keeps no pressure. */
  readonly group: { readonly cpu: Pressure | undefined; readonly memory: Pressure | undefined; readonly io: Pressure | undefined } | undefined;
}

/** `pids`: the service's. Takes {@link sampleMs}. */
export async function takeSample(context: ProbeContext, pids: readonly number[], signal: AbortSignal): Promise<Sample> {
  const { clock } = context;
  const { atMs, rows } = processReadingOf(context);
  const family = readFamily(pids, rows);
  const fromMs = clock.monotonicMs();
  const [before, waits] = [readMachine(), readWaits(family)];
  const working = rows.filter((row) => row.residentPages > 0).toSorted((one, other) => weight(other) - weight(one));
  const io = new Map(working.slice(0, mostIo).map(({ pid }) => [pid, readIoBytes(pid)]));
  await clock.sleep(sampleMs, signal);
  const elapsedMs = Math.max(1, clock.monotonicMs() - fromMs);
  const later = readWaits(family);
  const again = rows.length <= mostAgain ? readAllStats() : [...family, ...working.slice(0, mostAgain)].flatMap(({ pid }) => readStat(pid) ?? []);
  const changed = changesBetween(new Map(rows.map((row) => [row.pid, row])), again, Math.max(1, clock.monotonicMs() - atMs));
  return {
    elapsedMs,
    before,
    after: readMachine(),
    family,
    waits: waits.size === 0 ? undefined : addedWaits(waits, later),
    group: readGroupPressure(pids[0]),
    changes: changed.map((change) => ({ ...change, ioBytesPerS: perSecond(addedIo(io, change.row.pid), elapsedMs) })),
  };
}

function readGroupPressure(pid: number | undefined): Sample['group'] {
  const folder = pid === undefined ? undefined : unifiedFolderOf(pid);
  return folder === undefined ? undefined : { cpu: readPressure(`${folder}/cpu.pressure`), memory: readPressure(`${folder}/memory.pressure`), io: readPressure(`${folder}/io.pressure`) };
}

/** Whoever waits for a disk or works at this moment, and then whoever worked most. */
function weight({ state, cpuTicks }: ProcessStat): number {
  return (state === 'D' || state === 'R' ? Number.MAX_SAFE_INTEGER / 2 : 0) + cpuTicks;
}

function changesBetween(before: ReadonlyMap<number, ProcessStat>, after: readonly ProcessStat[], elapsedMs: number): readonly Omit<ProcessChange, 'ioBytesPerS'>[] {
  const pageBytes = readPageBytes();
  return after.map((row) => {
    const known = before.get(row.pid);
    const then = known?.startTicks === row.startTicks ? known : undefined;
    return {
      row,
      cores: perSecond(row.cpuTicks - (then?.cpuTicks ?? 0), elapsedMs) / 100,
      residentBytes: row.residentPages * pageBytes,
      grownBytesPerS: then ? perSecond((row.residentPages - then.residentPages) * pageBytes, elapsedMs) : 0,
      majorFaultsPerS: then ? perSecond(row.majorFaults - then.majorFaults, elapsedMs) : 0,
    };
  });
}

function addedIo(before: ReadonlyMap<number, number | undefined>, pid: number): number {
  const then = before.get(pid);
  return then === undefined ? 0 : Math.max(0, (readIoBytes(pid) ?? then) - then);
}

export function perSecond(amount: number, elapsedMs: number): number {
  return (amount * 1000) / elapsedMs;
}

/** The kernel counts a process' memory in pages, and Node does not say how large one is. */
function readPageBytes(): number {
  const kib = Number(/^VmSize:\s+(\d+) kB$/m.exec(readText('/proc/self/status'))?.[1]);
  const pages = Number(readText('/proc/self/statm').split(' ')[0]);
  const bytes = 2 ** Math.round(Math.log2((kib * 1024) / pages));
  return bytes > 0 ? bytes : 4096;
}
