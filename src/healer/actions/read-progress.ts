/** Whether a service works on something, as the kernel and its log tell: between two looks, not at one. */
import { statSync } from 'node:fs';
import { parseStat, readText } from '../proc.ts';

/** What had been used up to one moment. */
export interface Progress {
  /** Processor time in ms and bytes read and written, of each process by pid and start time. */
  readonly used: ReadonlyMap<string, { readonly cpuMs: number; readonly bytes: number }>;
  readonly logBytes: number;
  /** Since the look before this one. */
  readonly moved: boolean;
}

/** Less is what an idle daemon uses for its timers: 1% of a processor in five seconds. */
const leastCpuMs = 50;
/** Less is what a daemon reads that polls a file. */
const leastBytes = 4096;

/**
 * Reads the processes and the sizes of the logs, and compares them with `before`. A log that became shorter was
 * rotated, which is a movement. The bytes of another user's processes are seen by root only.
 */
export function readProgress(pids: readonly number[], logs: readonly string[], before: Progress | undefined): Progress {
  const used = new Map(pids.map(usedBy).filter((entry) => entry !== undefined));
  const logBytes = logs.reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
  if (!before) return { used, logBytes, moved: false };
  let [cpuMs, bytes] = [0, 0];
  for (const [process, now] of used) {
    const then = before.used.get(process) ?? { cpuMs: 0, bytes: 0 };
    cpuMs += now.cpuMs - then.cpuMs;
    bytes += now.bytes - then.bytes;
  }
  return { used, logBytes, moved: cpuMs >= leastCpuMs || bytes >= leastBytes || logBytes !== before.logBytes };
}

function usedBy(pid: number): readonly [string, { readonly cpuMs: number; readonly bytes: number }] | undefined {
  const text = readText(`/proc/${pid}/stat`);
  const stat = parseStat(text);
  if (!stat) return undefined;
  // utime and stime, in 1/100 s. @see proc(5)
  const [user, system] = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  const counters = [...readText(`/proc/${pid}/io`).matchAll(/^[rw]char: (\d+)$/gm)].map(([, count]) => Number(count));
  return [`${pid}:${stat.startTicks}`, { cpuMs: (Number(user) + Number(system)) * 10, bytes: counters.reduce((sum, count) => sum + count, 0) }];
}
