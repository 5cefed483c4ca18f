/**
 * What the machine is busy with, whether the service has to wait for it, and who the others are: evidence `load` (the
 * machine), `service_load` (the service's processes) and `consumer`. All rates are of one short sample.
 */
import type { Evidence } from '../../core/diagnosis.ts';
import type { Probe } from '../leaves.ts';
import { readText, type ProcessStat } from '../proc.ts';
import { consumersOf, mib } from './read-consumers.ts';
import type { MachineReading, Pressure } from './read-machine.ts';
import { perSecond, takeSample, type Sample } from './read-sample.ts';

/** Applies to every service on this host; silent about one that does not run. */
export const load: Probe = {
  name: 'load',
  deadlineMs: 1500,
  quick: false,
  applies: ({ config }) => config.type !== 'external',
  async look(context, signal) {
    const { state, pids } = await context.serviceType.state(context.target, context.run, signal);
    if (pids.length === 0 || state === 'failed' || state === 'stopped') return [];
    const sample = await takeSample(context, pids, signal);
    const own = new Set(sample.family.map((row) => row.pid));
    const machine = { cores: sample.after.cores, memoryBytes: sample.after.memory.totalBytes };
    return [machineEvidence(sample), serviceEvidence(sample, own), ...consumersOf(sample.changes, own, machine)];
  },
};

function machineEvidence({ before, after, elapsedMs }: Sample): Evidence {
  const ticks = Math.max(1, after.cpu.total - before.cpu.total);
  const share = (part: 'idle' | 'waiting' | 'stolen'): number => (after.cpu[part] - before.cpu[part]) / ticks;
  const { cores, runnable, blocked, memory } = after;
  const disk = busiestDisk(before, after, elapsedMs);
  const facts = {
    cores,
    runnable,
    blocked,
    idleShare: share('idle'),
    stolenShare: share('stolen'),
    memoryBytes: memory.totalBytes,
    availableBytes: memory.availableBytes,
    swapBytes: memory.swapTotalBytes,
    swapFreeBytes: memory.swapFreeBytes,
    swappedInPerS: perSecond(after.swappedInPages - before.swappedInPages, elapsedMs),
    majorFaultsPerS: perSecond(after.majorFaults - before.majorFaults, elapsedMs),
    disk: disk.name,
    diskBusyShare: disk.busyShare,
    diskBytesPerS: disk.bytesPerS,
    networkBytesPerS: perSecond(sum(after.network) - sum(before.network), elapsedMs),
    networkDroppedPerS: perSecond(after.network.dropped - before.network.dropped, elapsedMs),
    ...pressureFacts('cpu', before.pressure.cpu, after.pressure.cpu, elapsedMs),
    ...pressureFacts('memory', before.pressure.memory, after.pressure.memory, elapsedMs),
    ...pressureFacts('io', before.pressure.io, after.pressure.io, elapsedMs),
  };
  return { kind: 'load', source: '/proc', text: machineText(facts), facts };
}

interface MachineFacts {
  readonly cores: number;
  readonly runnable: number;
  readonly idleShare: number;
  readonly stolenShare: number;
  readonly memoryBytes: number;
  readonly availableBytes: number;
  readonly disk: string;
  readonly diskBusyShare: number;
}

function machineText({ cores, runnable, idleShare, stolenShare, memoryBytes, availableBytes, disk, diskBusyShare }: MachineFacts): string {
  const parts = [
    `${cores} ${cores === 1 ? 'processor is' : 'processors are'} ${percent(1 - idleShare)} busy with ${runnable} ${runnable === 1 ? 'thread' : 'threads'} that can run`,
    ...(stolenShare >= 0.05 ? [`the host below takes ${percent(stolenShare)} of their time`] : []),
    `${mib(availableBytes)} of ${mib(memoryBytes)} of memory are available`,
    ...(disk === '' ? [] : [`the disk ${disk} is busy ${percent(diskBusyShare)} of the time`]),
  ];
  return `The machine: ${parts.join(', ')}.`;
}

/** `cpuSome`: share of the last ten seconds in which somebody waited for it; `cpuSomeNow`: of this very sample. */
function pressureFacts(name: string, before: Pressure | undefined, after: Pressure | undefined, elapsedMs: number): Readonly<Record<string, number>> {
  if (!before || !after) return {};
  const share = (us: number): number => Math.min(1, us / 1000 / elapsedMs);
  return {
    [`${name}Some`]: after.some,
    [`${name}Full`]: after.full,
    [`${name}SomeNow`]: share(after.someTotalUs - before.someTotalUs),
    [`${name}FullNow`]: share(after.fullTotalUs - before.fullTotalUs),
  };
}

function busiestDisk(before: MachineReading, after: MachineReading, elapsedMs: number): { readonly name: string; readonly busyShare: number; readonly bytesPerS: number } {
  const disks = [...after.disks].map(([name, { busyMs, bytes }]) => {
    const then = before.disks.get(name) ?? { busyMs, bytes };
    return { name, busyShare: Math.min(1, (busyMs - then.busyMs) / elapsedMs), bytesPerS: perSecond(bytes - then.bytes, elapsedMs) };
  });
  return disks.reduce((busiest, disk) => (disk.busyShare > busiest.busyShare ? disk : busiest), { name: '', busyShare: 0, bytesPerS: 0 });
}

function serviceEvidence({ family, waits, changes, elapsedMs, group }: Sample, own: ReadonlySet<number>): Evidence {
  const mine = changes.filter(({ row }) => own.has(row.pid));
  const total = (of: (change: (typeof mine)[number]) => number): number => mine.reduce((amount, change) => amount + of(change), 0);
  const [ranMs, waitedMs] = [(waits?.ranNs ?? 0) / 1e6, (waits?.waitedNs ?? 0) / 1e6];
  const facts = {
    cores: total(({ cores }) => cores),
    residentBytes: total(({ residentBytes }) => residentBytes),
    majorFaultsPerS: total(({ majorFaultsPerS }) => majorFaultsPerS),
    ioBytesPerS: total(({ ioBytesPerS }) => ioBytesPerS),
    // of the time in which its threads had something to compute
    ...(waits ? { wantedShare: (ranMs + waitedMs) / elapsedMs, waitShare: ranMs + waitedMs === 0 ? 0 : waitedMs / (ranMs + waitedMs) } : {}),
    ...(group?.cpu ? { groupCpuSome: group.cpu.some } : {}),
    ...(group?.memory ? { groupMemorySome: group.memory.some } : {}),
    ...(group?.io ? { groupIoSome: group.io.some } : {}),
    ...agesOf(family),
  };
  const waited = waits ? `; what wants to compute waits ${percent(facts.waitShare ?? 0)} of that time for a processor` : '';
  const text = `The service: ${family.length} ${family.length === 1 ? 'process' : 'processes'}, ${facts.cores.toFixed(1)} processors, ${mib(facts.residentBytes)} of memory${waited}.`;
  return { kind: 'service_load', source: '/proc', text, facts };
}

/** Workers that are all young were started together, or die early; one that is old has been kept. */
function agesOf(family: readonly ProcessStat[]): { readonly oldestMs: number; readonly youngestMs: number } {
  const upMs = Number(readText('/proc/uptime').split(' ')[0]) * 1000;
  const ages = family.map(({ startTicks }) => Math.max(0, upMs - startTicks * 10));
  return { oldestMs: Math.max(0, ...ages), youngestMs: Math.min(...ages, Number.MAX_SAFE_INTEGER) };
}

function sum({ receivedBytes, sentBytes }: MachineReading['network']): number {
  return receivedBytes + sentBytes;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
