/** The state of a service whose main process is known by a pidfile or by goodgateway's own record. */
import { listenAddresses } from '../find-orphans.ts';
import type { ServiceState, ServiceTarget } from '../leaves.ts';
import { familyOf, isAlive, isStopped, processFence, readAllStats, readStat, startedAtMs, type ProcessStat } from '../proc.ts';
import { listenersAt, readListeners, socketOwners } from '../socket-tables.ts';
import { readPidfile, uidOf, type Pidfile } from './read-pidfile.ts';
import { isRestarting, seenRunning } from './restart-marker.ts';
import { forgetEnd, stopUnderWay, type StopCommands } from './stop-under-way.ts';

/** A daemon writes its pidfile right after its start; file systems and clocks round. */
const pidfileSlackMs = 2000;

/**
 * No pidfile: stopped on purpose (or half way through a restart of ours, which is a failure). A pidfile whose process
 * is dead, a zombie, or has become another program's: failed. Where `stops` names commands that remove the pidfile
 * after the daemon's end: `stopping` while one of them runs, and in the first second of its death.
 */
export async function pidfileState(target: ServiceTarget, path: string, stops: StopCommands): Promise<ServiceState> {
  const pidfile = readPidfile(path);
  if (pidfile.kind === 'unusable') return { state: 'unknown', text: pidfile.why, pids: [], fence: '' };
  const main = await namedProcess(target, pidfile);
  if (main || pidfile.kind === 'missing') forgetEnd(path);
  if (pidfile.kind === 'missing') return withoutPidfile(target, path);
  const source = `${path} names process ${pidfile.pid}`;
  const owner = main && uidOf(main.pid);
  if (owner !== undefined && !speaksFor(pidfile, owner))
    return { state: 'unknown', text: `${path} can be written by uid ${pidfile.onlyUid}, who does not own process ${pidfile.pid} (uid ${owner})`, pids: [], fence: '' };
  if (!main) return afterEnd(deadState(pidfile.pid, source, pidfile), stopUnderWay(path, `${pidfile.pid} ${pidfile.writtenAtMs}`, stops));
  seenRunning(target, () => startedAtMs(main));
  return livingState(main, source);
}

function afterEnd(dead: ServiceState, stopping: string | undefined): ServiceState {
  return stopping === undefined ? dead : { ...dead, state: 'stopping', text: `${dead.text}; ${stopping}` };
}

/** The living process that a pidfile really means, unless its owner may not speak for that process. */
export async function pidfileProcess(target: ServiceTarget, pidfile: Pidfile): Promise<ProcessStat | undefined> {
  const named = await namedProcess(target, pidfile);
  return named && speaksFor(pidfile, uidOf(named.pid)) ? named : undefined;
}

/** Began before the file was written, or listens for the service. */
async function namedProcess(target: ServiceTarget, pidfile: Pidfile): Promise<ProcessStat | undefined> {
  if (pidfile.kind !== 'pid') return undefined;
  const stat = readStat(pidfile.pid);
  if (!isAlive(stat)) return undefined;
  if (startedAtMs(stat) <= pidfile.writtenAtMs + pidfileSlackMs) return stat;
  // Younger than its pidfile: a reused pid, unless the clock was set meanwhile. Who holds the socket is the service.
  const inodes = listenersAt(listenAddresses(target), readListeners()).map((listener) => listener.inode);
  const owners = await socketOwners(inodes, [stat.pid]);
  return owners.length > 0 ? stat : undefined;
}

/** Running, or frozen when every process of it is stopped. */
export function livingState(main: ProcessStat, source: string): ServiceState {
  const family = familyOf(main.pid, readAllStats());
  const known = { mainPid: main.pid, pids: family.map((stat) => stat.pid), fence: processFence(main) };
  if (family.length > 0 && family.every(isStopped)) return { state: 'frozen', text: `${source}; all ${family.length} processes of it are stopped (state T)`, ...known };
  return { state: 'running', text: `${source}, which runs ${family.length === 1 ? 'alone' : `with ${family.length} processes in all`}`, ...known };
}

function speaksFor(pidfile: Pidfile, uid: number | undefined): boolean {
  return pidfile.kind !== 'pid' || pidfile.onlyUid === undefined || uid === pidfile.onlyUid;
}

/** Failed; `pids` are those that outlived their main process, as far as `pidfile`, when there is one, may speak for them. */
export function deadState(pid: number, source: string, pidfile: Pidfile = { kind: 'missing' }): ServiceState {
  const now = readStat(pid);
  const reused = isAlive(now);
  const left = reused
    ? []
    : familyOf(pid, readAllStats())
        .map((stat) => stat.pid)
        .filter((one) => speaksFor(pidfile, uidOf(one)));
  const how = reused ? 'which is another program by now' : now ? 'which is a zombie' : 'which is gone';
  const orphans = left.length > 0 ? `; ${left.length} processes of it are left: ${left.slice(0, 10).join(', ')}` : '';
  return { state: 'failed', text: `${source}, ${how}${orphans}`, lastMainPid: pid, pids: left, fence: '' };
}

function withoutPidfile(target: ServiceTarget, path: string): ServiceState {
  if (!isRestarting(target)) return { state: 'stopped', text: `there is no ${path}: stopped on purpose`, pids: [], fence: '' };
  return { state: 'failed', text: `there is no ${path}: goodgateway stopped it for a restart that did not end in a start`, pids: [], fence: '' };
}
