/** A service that is a systemd unit: asked and controlled through systemctl, its pids read from its cgroup. */
import { existsSync, readFileSync } from 'node:fs';
import type { ServiceState, ServiceTarget, ServiceType } from '../leaves.ts';
import type { RunCommand } from '../commands.ts';
import { isAlive, isStopped, readStat } from '../proc.ts';
import { configTestOf } from '../service-parts/config-tests.ts';
import { longestCommandMs, stepFromCommand } from '../service-parts/step-result.ts';
import { stoppingPackage } from '../service-parts/package-stop.ts';
import { startsLeft } from '../service-parts/starts-left.ts';
import { parseTimespan, parseUnit, stoppedAtUs, unitProperties, unitState, type UnitProperties } from '../service-parts/systemd-state.ts';

/** An answer takes milliseconds; a hung systemd or bus must not hang the healer. */
const showTimeoutMs = 5000;
const mostPids = 65_536;
/** Unified hierarchy, then the two places of the hybrid and legacy ones. */
const cgroupRoots = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd'];

export const systemd: ServiceType = {
  name: 'systemd',
  async state(target, run, signal): Promise<ServiceState> {
    const shown = await run.run([systemctl(), '--no-ask-password', 'show', `--property=${unitProperties.join(',')}`, '--', unitOf(target)], { timeoutMs: showTimeoutMs, signal });
    if (shown.exitCode !== 0) return { state: 'unknown', text: stepFromCommand('systemctl show', shown).detail, pids: [], fence: '' };
    const unit = parseUnit(shown.output);
    const pids = cgroupPids(unit.ControlGroup);
    const stats = pids.map(readStat).filter(isAlive);
    const nowUs = Number(process.hrtime.bigint() / 1000n);
    return unitState(unit, {
      pids: stats.map((stat) => stat.pid),
      allStopped: stats.length > 0 && stats.every(isStopped),
      nowUs,
      startsLeft: startsLeftOf(unitOf(target), unit, nowUs),
      waitingSocket: await waitingSocket(unit, run, signal),
      stoppingPackage: await packageOf(unit, nowUs),
    });
  },
  can: () => true,
  /** One job, and systemd is waited for. When the time is over only systemctl is ended: the job goes on, so the result is unknown. */
  async control(target, verb, run, signal) {
    const result = await run.run([systemctl(), '--no-ask-password', verb, '--', unitOf(target)], { timeoutMs: longestCommandMs, signal });
    return stepFromCommand(`systemctl ${verb} ${unitOf(target)}`, result);
  },
  async resetFailed(target, run, signal) {
    const result = await run.run([systemctl(), '--no-ask-password', 'reset-failed', '--', unitOf(target)], { timeoutMs: showTimeoutMs, signal });
    return stepFromCommand(`systemctl reset-failed ${unitOf(target)}`, result);
  },
  configTest: configTestOf,
};

function startsLeftOf(name: string, unit: UnitProperties, nowUs: number): number | undefined {
  const intervalMs = unit.StartLimitIntervalUSec === 'infinity' ? Infinity : (parseTimespan(unit.StartLimitIntervalUSec) ?? 0);
  return startsLeft({
    unit: name,
    invocation: unit.InvocationID,
    restarts: Number(unit.NRestarts),
    startedUs: Number(unit.ExecMainStartTimestampMonotonic),
    burst: Number(unit.StartLimitBurst),
    intervalUs: intervalMs * 1000,
    nowUs,
  });
}

/** Of a unit that rests: the socket of it that listens. A second question, which only such units cost. */
async function waitingSocket(unit: UnitProperties, run: RunCommand, signal: AbortSignal): Promise<string | undefined> {
  const sockets = unit.TriggeredBy.split(' ').filter((name) => name.endsWith('.socket'));
  if (unit.ActiveState !== 'inactive' || sockets.length === 0) return undefined;
  const shown = await run.run([systemctl(), '--no-ask-password', 'show', '--property=Id,ActiveState', '--', ...sockets], { timeoutMs: showTimeoutMs, signal });
  // Where nobody can tell, nothing is done.
  if (shown.exitCode !== 0) return sockets[0];
  const active = shown.output.split('\n\n').find((block) => /^ActiveState=active$/m.test(block));
  return active && /^Id=(.+)$/m.exec(active)?.[1];
}

async function packageOf(unit: UnitProperties, nowUs: number): Promise<string | undefined> {
  const stoppedUs = stoppedAtUs(unit);
  return stoppedUs === undefined || unit.FragmentPath === '' ? undefined : stoppingPackage(unit.FragmentPath, Date.now() - (nowUs - stoppedUs) / 1000);
}

function systemctl(): string {
  return existsSync('/usr/bin/systemctl') ? '/usr/bin/systemctl' : '/bin/systemctl';
}

function cgroupPids(group: string): readonly number[] {
  // An empty group would be the root one: every process of the host.
  if (group === '' || group === '/') return [];
  for (const root of cgroupRoots) {
    try {
      return readFileSync(`${root}${group}/cgroup.procs`, 'utf8')
        .split('\n')
        .filter((line) => /^\d+$/.test(line) && line !== '0')
        .slice(0, mostPids)
        .map(Number);
    } catch {
      // Another layout of the hierarchies, or the last process has just ended.
    }
  }
  return [];
}

function unitOf(target: ServiceTarget): string {
  if (target.config.type !== 'systemd') throw new Error(`expected a service of type systemd, got ${target.config.type}`);
  return target.config.unit;
}
