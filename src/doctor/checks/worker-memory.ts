/**
 * Workers against memory: as many as the pool may have, each as large as the median of those that live now. With the
 * proportional size (Pss, needs root) where it can be seen, else with what is a worker's alone (RssAnon): what workers
 * share is not counted for each of them.
 */
import type { Check, CheckResult, DoctorContext } from '../check.ts';
import { together } from '../finding.ts';
import { placeIn, type Pool } from '../pools.ts';
import { bytesAt } from '../processes.ts';

type Found = CheckResult['findings'];

interface Weighed {
  readonly pool: Pool;
  readonly most: number;
  readonly medianBytes: number;
  readonly count: number;
}

/** For the kernel, its caches, and what else there is. */
const shareForWorkers = 0.9;
const workersLookedAt = 50;

export const workerMemory: Check = {
  name: 'worker-memory',
  family: 'load',
  deadlineMs: 15_000,
  finds: {
    'workers-exceed-memory': { severity: 'serious', when: "a pool's `pm.max_children` × the median memory of its living workers is more than the host's memory" },
    'workers-exceed-free-memory': { severity: 'warning', when: 'the same is more than what is free now and what the workers have already, or all pools together are' },
  },
  check: async (context, signal) => {
    const [total, free] = await memory(context);
    if (total === undefined || free === undefined) return { findings: [], unseen: [{ subject: 'memory', why: '/proc/meminfo cannot be read' }] };
    const weighed: Weighed[] = [];
    const unknown: { readonly name: string; readonly why: string }[] = [];
    for (const pool of context.pools) {
      const result = signal.aborted ? 'out of time' : await weigh(context, pool);
      if (typeof result === 'string') unknown.push({ name: pool.name, why: result });
      else weighed.push(result);
    }
    return { findings: judge(weighed, free, total), unseen: together('memory of the workers of', unknown) };
  },
};

async function memory({ files }: DoctorContext): Promise<readonly [number | undefined, number | undefined]> {
  const text = await files.text('/proc/meminfo');
  return [bytesAt(text, 'MemTotal'), bytesAt(text, 'MemAvailable')];
}

async function weigh({ files, processes }: DoctorContext, pool: Pool): Promise<Weighed | string> {
  const most = Number(pool.maxChildren?.value);
  const masters = processes.filter(({ command }) => command.includes(`master process (${pool.main})`)).map(({ pid }) => pid);
  const workers = processes.filter(({ command, parent }) => command === `php-fpm: pool ${pool.name}` && masters.includes(parent)).slice(0, workersLookedAt);
  if (!(most > 0)) return 'it has no pm.max_children';
  const sizes: number[] = [];
  for (const { pid } of workers) {
    const size = bytesAt(await files.text(`/proc/${pid}/smaps_rollup`), 'Pss') ?? bytesAt(await files.text(`/proc/${pid}/status`), 'RssAnon');
    if (size !== undefined) sizes.push(size);
  }
  const medianBytes = sizes.toSorted((a, b) => a - b)[Math.floor(sizes.length / 2)];
  return medianBytes === undefined ? 'no worker of it lives now' : { pool, most, medianBytes, count: workers.length };
}

/** One that is too large by itself is named; else all together, where they are too many. */
function judge(weighed: readonly Weighed[], free: number, total: number): Found {
  const used = weighed.reduce((sum, one) => sum + one.count * one.medianBytes, 0);
  const need = weighed.reduce((sum, one) => sum + one.most * one.medianBytes, 0);
  const room = (used + free) * shareForWorkers;
  const alone = weighed.filter((one) => one.most * one.medianBytes > room);
  if (alone.length > 0) return alone.map((one) => tooMany(one, { total, room }));
  if (need <= room) return [];
  return [
    {
      id: 'workers-exceed-free-memory',
      subject: 'all pools together',
      what: `${weighed.map(({ pool, most, medianBytes }) => `${pool.name}: ${most} × ${mib(medianBytes)}`).join(', ')}: ${mib(need)} in all. There is room for ${mib(room)}.`,
      why: 'When all pools are busy at once, the kernel ends processes for want of memory: often the database.',
      change: `lower pm.max_children of the pools to ${Math.floor((room / need) * 100)} % of what they have, or add memory`,
      source: weighed.map(({ pool }) => placeIn(pool, pool.maxChildren)).join(', '),
    },
  ];
}

function tooMany({ pool, most, medianBytes, count }: Weighed, { total, room }: { readonly total: number; readonly room: number }): Found[number] {
  const place = placeIn(pool, pool.maxChildren);
  return {
    id: most * medianBytes > total ? 'workers-exceed-memory' : 'workers-exceed-free-memory',
    subject: `pool ${pool.name} (${pool.main})`,
    what: `It may have ${most} workers of ${mib(medianBytes)} each (the median of ${count} now): ${mib(most * medianBytes)}. There is room for ${mib(room)} of ${mib(total)}.`,
    why: 'In a burst the kernel ends processes for want of memory (often the database), or the host swaps and everything becomes slow.',
    change: `${place}: pm.max_children = ${Math.max(1, Math.floor(room / medianBytes))}`,
    source: place,
  };
}

function mib(bytes: number): string {
  return bytes >= 10 * 1024 ** 3 ? `${Math.round(bytes / 1024 ** 3)} GiB` : `${Math.round(bytes / 1024 ** 2)} MiB`;
}
