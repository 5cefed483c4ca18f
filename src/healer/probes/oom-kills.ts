/**
 * Did the kernel end the service's main process for want of memory? For services whose supervisor cannot say so. Its log
 * names the process; whether that is the dead one is told by pid and time, because pids are used again.
 */
import type { Evidence } from '../../core/diagnosis.ts';
import type { Probe } from '../leaves.ts';
import { readKernelLog, type KernelLine } from './read-kernel-log.ts';

/** A log line and the look that saw the service well have different clocks. */
const marginMs = 10_000;
/** Looked back when the service was never seen well: later its pid may be another's. */
const longestMs = 600_000;

/** Applies to services known by a pidfile or by our own record. Evidence `oom_kill` of one that has failed. */
export const oomKills: Probe = {
  name: 'oom-kills',
  deadlineMs: 150,
  quick: true,
  applies: ({ config }) => config.type === 'init' || config.type === 'process',
  async look({ target, run, serviceType, lastGoodMs, clock }, signal) {
    const { state, lastMainPid } = await serviceType.state(target, run, signal);
    if (state !== 'failed' || lastMainPid === undefined) return [];
    const log = readKernelLog();
    if (typeof log === 'string') return [{ kind: 'oom_kill', source: '/dev/kmsg', text: 'The log of the kernel could not be read.', facts: {}, missing: log }];
    const sinceMs = Math.max(lastGoodMs - marginMs, clock.wallMs() - longestMs);
    const line = log.findLast((one) => one.atMs > sinceMs && killedPid(one) === lastMainPid);
    return line ? [evidenceOf(line, lastMainPid)] : [];
  },
};

/** `Out of memory: Killed process 123 (name) …`, `Memory cgroup out of memory: Killed process 123 (name) …` */
function killedPid({ text }: KernelLine): number | undefined {
  const pid = /\b[Oo]ut of memory(?: \([^)]{1,60}\))?: Killed process (\d{1,10}) /.exec(text)?.[1];
  return pid === undefined ? undefined : Number(pid);
}

function evidenceOf({ text }: KernelLine, pid: number): Evidence {
  return { kind: 'oom_kill', source: '/dev/kmsg', text: `The kernel says: ${text.slice(0, 300)}`, facts: { pid } };
}
