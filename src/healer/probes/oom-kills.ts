/**
 * Did the kernel end the service's main process for want of memory, and who had that memory? Its log names the process;
 * whether that is the dead one is told by pid and time, because pids are used again, and by the unit.
 */
import type { Evidence } from '../../core/diagnosis.ts';
import type { Probe } from '../leaves.ts';
import { kernelLogOf, troubleSinceMs } from './read-once.ts';
import { oomKillsIn, type OomKill } from './read-oom-kills.ts';

/** Applies to services of this host. Evidence `oom_kill` of one that has failed; of a systemd unit only where systemd says that it was so. */
export const oomKills: Probe = {
  name: 'oom-kills',
  deadlineMs: 150,
  quick: true,
  applies: ({ config }) => config.type === 'init' || config.type === 'process' || config.type === 'systemd',
  async look(context, signal) {
    const { target, run, serviceType } = context;
    const { state, lastMainPid, oomKilled } = await serviceType.state(target, run, signal);
    const unit = oomKilled && target.config.type === 'systemd' ? target.config.unit : undefined;
    if (state !== 'failed' || (lastMainPid === undefined && unit === undefined)) return [];
    const log = kernelLogOf(context);
    if (typeof log === 'string') return [{ kind: 'oom_kill', source: '/dev/kmsg', text: 'The log of the kernel could not be read.', facts: {}, missing: log }];
    // not for ever where it was never seen well: its pid may be another's by now
    const sinceMs = troubleSinceMs(context);
    const kill = oomKillsIn(log).findLast(({ atMs, pid, victimGroup }) => atMs > sinceMs && (pid === lastMainPid || (unit !== undefined && victimGroup.split('/').includes(unit))));
    return kill ? [evidenceOf(kill)] : [];
  },
};

function evidenceOf({ text, pid, program, scope, group, eater }: OomKill): Evidence {
  const most = eater ? { eater: eater.program, eaterCount: eater.count } : {};
  return { kind: 'oom_kill', source: '/dev/kmsg', text: `The kernel says: ${text.slice(0, 300)}`, facts: { pid, program, scope, group, ...most } };
}
