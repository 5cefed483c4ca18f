/**
 * What the service's processes do: evidence `processes` (states, processor time, frozen cgroup) and, for FastCGI,
 * `workers` (busy, idle). No evidence of a service that has failed: its leftovers are the orphans probe's.
 */
import { join } from 'node:path';
import type { Evidence } from '../../core/diagnosis.ts';
import { formatAddress } from '../../core/failure.ts';
import type { Probe, ProbeContext } from '../leaves.ts';
import { readText, type ProcessStat } from '../proc.ts';
import { readCpuMs, readFamily } from './read-processes.ts';
import { processesOf, workersOf } from './read-once.ts';
import { sampleMs } from './read-workers.ts';

/** Applies to every service; one whose pids nobody knows gives no evidence. */
export const processStates: Probe = {
  name: 'process-states',
  deadlineMs: 150,
  quick: true,
  applies: (target) => target.config.type !== 'external',
  async look(context, signal) {
    const state = await context.serviceType.state(context.target, context.run, signal);
    const family = state.state === 'failed' ? [] : readFamily(state.pids, processesOf(context));
    if (family.length === 0) return [];
    const [processes, workers] = await Promise.all([processEvidence(context, family, signal), workerEvidence(context)]);
    return [processes, ...workers];
  },
};

async function processEvidence(context: ProbeContext, family: readonly ProcessStat[], signal: AbortSignal): Promise<Evidence> {
  const inState = (...states: string[]) => family.filter((row) => states.includes(row.state)).length;
  const counts = { total: family.length, stopped: inState('T', 't'), diskWait: inState('D'), zombie: inState('Z', 'X'), running: inState('R') };
  const frozen = isFrozen(family[0]!.pid);
  // Stopped processes use no time: do not wait to see it.
  const cpuMs = counts.stopped + counts.zombie === counts.total || frozen ? 0 : await usedIn(context, family, signal);
  const words = Object.entries({ stopped: counts.stopped, 'waiting for a disk': counts.diskWait, zombie: counts.zombie })
    .filter(([, count]) => count > 0)
    .map(([word, count]) => `${count} ${word}`);
  const text = `${counts.total} ${counts.total === 1 ? 'process' : 'processes'}${words.length > 0 ? `, ${words.join(', ')}` : ''}${frozen ? ', the control group is frozen' : ''}; ${cpuMs} ms of processor time in ${sampleMs} ms.`;
  return { kind: 'processes', source: '/proc', text, facts: { ...counts, frozen, cpuShare: cpuMs / sampleMs, pids: family.slice(0, 64).map((row) => String(row.pid)) } };
}

async function usedIn(context: ProbeContext, family: readonly ProcessStat[], signal: AbortSignal): Promise<number> {
  const before = family.map((row) => readCpuMs(row.pid));
  await context.clock.sleep(sampleMs, signal);
  // A process that ended meanwhile reads as 0.
  return family.reduce((sum, row, index) => sum + Math.max(0, readCpuMs(row.pid) - before[index]!), 0);
}

function isFrozen(pid: number): boolean {
  const group = /^0::(\/.+)$/m.exec(readText(`/proc/${pid}/cgroup`))?.[1];
  return group !== undefined && /^frozen 1$/m.test(readText(join('/sys/fs/cgroup', group, 'cgroup.events')));
}

async function workerEvidence(context: ProbeContext): Promise<readonly Evidence[]> {
  const { upstreams, current } = context.target;
  const workers = await workersOf(context);
  if (!workers) return [];
  const total = workers.busy.length + workers.idle.length + workers.stopped.length;
  const facts = {
    total,
    busy: workers.busy.length,
    idle: workers.idle.length,
    stopped: workers.stopped.length,
    address: formatAddress(upstreams[current]!),
    busyPids: workers.busy.slice(0, 64).map((row) => String(row.pid)),
  };
  return [
    {
      kind: 'workers',
      source: '/proc',
      text: `${facts.busy} of ${total} workers ${facts.busy === 1 ? 'is' : 'are'} busy, ${facts.idle} ${facts.idle === 1 ? 'waits' : 'wait'} for a connection.`,
      facts,
    },
  ];
}
