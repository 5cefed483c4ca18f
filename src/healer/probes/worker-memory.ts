/** How much memory one worker needs, and for how many more there is some: evidence `worker_memory`. */
import type { Probe } from '../leaves.ts';
import { readText } from '../proc.ts';
import { mib } from './read-consumers.ts';
import { readControlGroups } from './read-control-group.ts';
import { workersOf } from './read-once.ts';

/** To add up the pages of one costs about a millisecond. */
const measured = 5;
/** What others may need is left alone. */
const usable = 0.8;

/** Applies to FastCGI services, whose workers are alike. Silent where they cannot be measured. */
export const workerMemory: Probe = {
  name: 'worker-memory',
  deadlineMs: 1500,
  quick: false,
  applies: ({ config, protocol, upstreams }) => config.type !== 'external' && protocol === 'fastcgi' && upstreams.length > 0,
  async look(context) {
    const workers = await workersOf(context);
    const all = workers ? [...workers.busy, ...workers.idle] : [];
    // busy ones have their memory; an idle one may not have worked yet
    const sizes = all.slice(0, measured).flatMap(({ pid }) => readOwnBytes(pid) ?? []);
    const medianBytes = sizes.toSorted((one, other) => one - other)[Math.floor(sizes.length / 2)];
    if (medianBytes === undefined || medianBytes === 0) return [];
    const availableBytes = Math.min(readAvailableBytes(), ...roomInGroups(all[0]!.pid));
    const room = Math.floor((usable * availableBytes) / medianBytes);
    const text = `A worker needs ${mib(medianBytes)} of memory (the median of ${sizes.length}), and ${mib(availableBytes)} are available: enough for ${room} more when a fifth is left free.`;
    return [{ kind: 'worker_memory', source: '/proc', text, facts: { medianBytes, availableBytes, room, workers: all.length } }];
  },
};

/** What it would give back if it ended: shared pages count in part (PSS). */
function readOwnBytes(pid: number): number | undefined {
  const kib = /^Pss: +(\d+) kB$/m.exec(readText(`/proc/${pid}/smaps_rollup`))?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

function readAvailableBytes(): number {
  return Number(/^MemAvailable: +(\d+) kB$/m.exec(readText('/proc/meminfo'))?.[1] ?? 0) * 1024;
}

/** A group's limit may be nearer than the machine's. Files that it has read make it look fuller than it is: that errs on the safe side. */
function roomInGroups(pid: number): readonly number[] {
  return readControlGroups(pid).flatMap(({ memory }) => memory?.limits.map(({ mostBytes }) => Math.max(0, mostBytes - memory.nowBytes)) ?? []);
}
