/** How long threads computed and how long they waited for a processor, as the scheduler counts it. */
import { readdirSync } from 'node:fs';
import { readText, type ProcessStat } from '../proc.ts';

/** In nanoseconds, since the thread began. */
export interface Waits {
  readonly ranNs: number;
  readonly waitedNs: number;
}

/** No more are looked at than cost about two milliseconds. */
const mostThreads = 128;
/** What has just started computes in any case: that says nothing of how it serves. In 1/100 s. */
const youngTicks = 500;

/** By thread; only of those that run for five seconds or longer. Those that are runnable, and those that worked most, are looked at first. */
export function readWaits(rows: readonly ProcessStat[]): ReadonlyMap<string, Waits> {
  const upTicks = Number(readText('/proc/uptime').split(' ')[0]) * 100;
  const old = rows.filter((row) => upTicks - row.startTicks > youngTicks).toSorted((one, other) => weight(other) - weight(one));
  const waits = new Map<string, Waits>();
  for (const row of old) {
    for (const thread of threadsOf(row)) {
      if (waits.size >= mostThreads) return waits;
      const [ran, waited] = readText(`/proc/${row.pid}/task/${thread}/schedstat`).split(' ').map(Number);
      if (ran !== undefined && waited !== undefined) waits.set(`${row.pid}/${thread}`, { ranNs: ran, waitedNs: waited });
    }
  }
  return waits;
}

/** What was added to those that are in both readings. */
export function addedWaits(before: ReadonlyMap<string, Waits>, after: ReadonlyMap<string, Waits>): Waits {
  let [ranNs, waitedNs] = [0, 0];
  for (const [thread, now] of after) {
    const then = before.get(thread);
    if (!then) continue;
    ranNs += Math.max(0, now.ranNs - then.ranNs);
    waitedNs += Math.max(0, now.waitedNs - then.waitedNs);
  }
  return { ranNs, waitedNs };
}

function weight({ state, cpuTicks }: ProcessStat): number {
  return state === 'R' ? Number.MAX_SAFE_INTEGER / 2 + cpuTicks : cpuTicks;
}

function threadsOf({ pid, threads }: ProcessStat): readonly string[] {
  if (threads <= 1) return [String(pid)];
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    // ended meanwhile
    return [];
  }
}
