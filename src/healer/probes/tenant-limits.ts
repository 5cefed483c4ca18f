/**
 * Is the service, or one tenant in it, held back by a limit of its own, whatever the machine has left? Evidence
 * `tenant_limit` for each limit that was met during a short sample, or that is used up now.
 */
import { statSync } from 'node:fs';
import type { Evidence } from '../../core/diagnosis.ts';
import type { Probe } from '../leaves.ts';
import { mib } from './read-consumers.ts';
import { readControlGroups, type GroupReading } from './read-control-group.ts';
import { readLve, type LveLimit } from './read-lve.ts';
import { processesOf } from './read-once.ts';
import { unitOf } from './read-owner.ts';
import { readFamily } from './read-processes.ts';
import { sampleMs } from './read-sample.ts';

/** Beyond that a quota is felt. */
const throttledShare = 0.1;
const mostUsers = 64;

/** Applies to every service on this host; silent about one that does not run. */
export const tenantLimits: Probe = {
  name: 'tenant-limits',
  deadlineMs: 1500,
  quick: false,
  applies: ({ config }) => config.type !== 'external',
  async look(context, signal) {
    const { state, mainPid, pids } = await context.serviceType.state(context.target, context.run, signal);
    const pid = mainPid ?? pids[0];
    if (pid === undefined || state === 'failed' || state === 'stopped') return [];
    const users = usersOf(readFamily(pids, processesOf(context)).map((row) => row.pid));
    const read = () => ({ groups: readControlGroups(pid), lve: readLve(users) });
    const before = read();
    if (before.groups.length === 0 && before.lve.length === 0) return [];
    const fromMs = context.clock.monotonicMs();
    await context.clock.sleep(sampleMs, signal);
    const after = read();
    const elapsedMs = Math.max(1, context.clock.monotonicMs() - fromMs);
    return [
      ...after.groups.flatMap((group) => groupEvidence(before.groups.find(({ path }) => path === group.path) ?? group, group, elapsedMs)),
      ...after.lve.flatMap((limit) => lveEvidence(before.lve.find(({ uid, name }) => uid === limit.uid && name === limit.name) ?? limit, limit)),
    ];
  },
};

function usersOf(pids: readonly number[]): ReadonlySet<number> {
  const uids = pids.slice(0, mostUsers).map((pid) => statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid);
  return new Set(uids.filter((uid) => uid !== undefined));
}

/** Exported for tests. */
export function groupEvidence(before: GroupReading, now: GroupReading, elapsedMs: number): readonly Evidence[] {
  const found: Evidence[] = [];
  const { path } = now;
  const unit = unitOf(`0::${path}`);
  const say = (limit: string, text: string, facts: Evidence['facts']): void => void found.push({ kind: 'tenant_limit', source: path, text, facts: { limit, group: path, unit, ...facts } });
  if (now.processes) {
    const { now: count, most, refused } = now.processes;
    const more = refused - (before.processes?.refused ?? refused);
    if (count >= most || more > 0)
      say('processes', `${path} has ${count} of ${most} processes and threads that it may have${more > 0 ? `; ${more} more were refused just now` : ''}.`, { now: count, most, refused: more });
  }
  if (now.memory) {
    for (const { property, mostBytes, refused } of now.memory.limits) {
      const more = refused - (before.memory?.limits.find((one) => one.property === property)?.refused ?? refused);
      // a group that reads files fills up by itself and gives that memory back: only being held back counts
      if (more > 0)
        say('memory', `${path} has used ${mib(now.memory.nowBytes)} of its ${mib(mostBytes)} of memory (${property}), and met that limit ${more} times just now.`, {
          now: now.memory.nowBytes,
          most: mostBytes,
          refused: more,
          property,
        });
    }
  }
  if (now.cpu) {
    const { cores, throttledUs, throttledPeriods, periods } = now.cpu;
    const share = (throttledUs - (before.cpu?.throttledUs ?? throttledUs)) / 1000 / elapsedMs;
    const held = throttledPeriods - (before.cpu?.throttledPeriods ?? throttledPeriods);
    const of = periods - (before.cpu?.periods ?? periods);
    if (held > 0 && share >= throttledShare)
      say('cpu', `${path} may use ${Number(cores.toFixed(2))} processors, and was held back in ${held} of ${of} periods just now.`, { most: cores, refused: held, heldShare: held / Math.max(1, of) });
  }
  return found;
}

const lveWords: Readonly<Record<string, string>> = { EP: 'entry processes (requests at once)', NPROC: 'processes', MEMPHY: 'pages of memory' };

function lveEvidence(before: LveLimit, { uid, name, now, most, met }: LveLimit): readonly Evidence[] {
  const more = met - before.met;
  if (more <= 0 && now < most) return [];
  const text = `CloudLinux gives the user ${uid} ${most} ${lveWords[name] ?? name}; ${now} are in use${more > 0 ? `, and the limit was met ${more} times just now` : ''}.`;
  return [{ kind: 'tenant_limit', source: '/proc/lve/list', text, facts: { limit: name, group: `LVE ${uid}`, unit: '', uid, now, most, refused: Math.max(0, more) } }];
}
