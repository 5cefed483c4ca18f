/**
 * What one `systemctl show` says about a unit, read into a state. Pure.
 *
 * Stopped by somebody, or ended by itself? Measured on systemd 252: the properties are the same in both cases
 * (inactive, Result=success, and php-fpm exits with 0 even when it is stopped), but the order of two moments is not.
 * A stop job leaves `active` first and the process ends after it (ActiveExit < ExecMainExit, by the time that the stop
 * takes); a process that ends by itself takes the unit with it (ExecMainExit < ActiveExit, by some 0.2 ms). A stop that
 * cancels a pending auto-restart leaves the unit inactive, where it would rest as `failed` or be started again.
 * A unit that nothing wants and that is not enabled is forgotten by systemd as soon as it is inactive: all moments are 0.
 */
import type { ServiceState } from '../leaves.ts';

/** The properties that are asked for, in one call. */
export const unitProperties = [
  'LoadState',
  'ActiveState',
  'SubState',
  'Result',
  'ExecMainCode',
  'ExecMainStatus',
  'MainPID',
  'InvocationID',
  'NRestarts',
  'Restart',
  'RestartUSec',
  'Job',
  'UnitFileState',
  'ControlGroup',
  'FreezerState',
  'ActiveExitTimestampMonotonic',
  'ExecMainStartTimestampMonotonic',
  'ExecMainExitTimestampMonotonic',
  'StateChangeTimestampMonotonic',
  'FragmentPath',
  'NeedDaemonReload',
  'RestartPreventExitStatus',
  'StartLimitBurst',
  'StartLimitIntervalUSec',
  'TriggeredBy',
] as const;

export type UnitProperties = Readonly<Record<(typeof unitProperties)[number], string>>;

/** Reads `KEY=VALUE` lines; a property that this systemd does not know is empty. */
export function parseUnit(output: string): UnitProperties {
  const found = new Map(output.split('\n').map((line) => [line.slice(0, Math.max(0, line.indexOf('='))), line.slice(line.indexOf('=') + 1)]));
  const value = (name: (typeof unitProperties)[number]): string => found.get(name) ?? '';
  return {
    LoadState: value('LoadState'),
    ActiveState: value('ActiveState'),
    SubState: value('SubState'),
    Result: value('Result'),
    ExecMainCode: value('ExecMainCode'),
    ExecMainStatus: value('ExecMainStatus'),
    MainPID: value('MainPID'),
    InvocationID: value('InvocationID'),
    NRestarts: value('NRestarts'),
    Restart: value('Restart'),
    RestartUSec: value('RestartUSec'),
    Job: value('Job'),
    UnitFileState: value('UnitFileState'),
    ControlGroup: value('ControlGroup'),
    FreezerState: value('FreezerState'),
    ActiveExitTimestampMonotonic: value('ActiveExitTimestampMonotonic'),
    ExecMainStartTimestampMonotonic: value('ExecMainStartTimestampMonotonic'),
    ExecMainExitTimestampMonotonic: value('ExecMainExitTimestampMonotonic'),
    StateChangeTimestampMonotonic: value('StateChangeTimestampMonotonic'),
    FragmentPath: value('FragmentPath'),
    NeedDaemonReload: value('NeedDaemonReload'),
    RestartPreventExitStatus: value('RestartPreventExitStatus'),
    StartLimitBurst: value('StartLimitBurst'),
    StartLimitIntervalUSec: value('StartLimitIntervalUSec'),
    TriggeredBy: value('TriggeredBy'),
  };
}

/** What is known beside the unit's properties: what its cgroup holds, the time, what others have to do with it. */
export interface Surroundings {
  readonly pids: readonly number[];
  readonly allStopped: boolean;
  /** The kernel's monotonic clock, which systemd's moments are of, in microseconds. */
  readonly nowUs: number;
  readonly startsLeft?: number | undefined;
  /** The socket unit that listens for it and starts it when somebody connects. */
  readonly waitingSocket?: string | undefined;
  /** The package whose operation stopped it. */
  readonly stoppingPackage?: string | undefined;
}

/** The unit's state. `text` quotes the properties that decided it. */
export function unitState(unit: UnitProperties, around: Surroundings): ServiceState {
  const limit = around.startsLeft === undefined ? {} : { startsLeft: around.startsLeft };
  const known = {
    pids: around.pids,
    fence: unit.InvocationID,
    supervisorRestarts: Number(unit.NRestarts),
    changeMark: unit.StateChangeTimestampMonotonic,
    ...mainPid(unit),
    ...exit(unit),
    ...limit,
    ...endedFor(unit),
    ...changing(unit),
  };
  const edited = unit.NeedDaemonReload === 'yes' ? ', its unit file changed on disk since systemd read it' : '';
  const seen = `systemd says ${unit.ActiveState} (${unit.SubState}), Result=${unit.Result}, NRestarts=${unit.NRestarts}${edited}`;
  const state = (name: ServiceState['state'], why: string): ServiceState => ({ state: name, text: `${seen}: ${why}`, ...known });
  if (unit.LoadState === 'not-found') return { state: 'unknown', text: 'systemd knows no such unit', pids: [], fence: '' };
  switch (unit.ActiveState) {
    case 'active':
      if (unit.FreezerState === 'frozen') return state('frozen', 'its cgroup is frozen');
      return around.allStopped ? state('frozen', `all ${around.pids.length} processes of it are stopped (state T)`) : state('running', `${around.pids.length} processes`);
    case 'reloading':
      return state('starting', 'it is reloading its configuration');
    case 'activating':
      return unit.SubState === 'auto-restart'
        ? { ...state('failed', 'systemd is about to restart it'), supervisorActsInMs: restartInMs(unit, around.nowUs) }
        : state('starting', 'a start is under way');
    case 'deactivating':
      return state('stopping', 'a stop is under way');
    case 'failed':
      return failed(unit, around, state);
    case 'inactive':
      return around.waitingSocket ? state('running', `idle: ${around.waitingSocket} starts it when somebody connects`) : inactive(unit, around, state);
    default:
      return state('unknown', 'this state is not known');
  }
}

/** `1min 30s`, `100ms` → milliseconds; `infinity` and what cannot be read → undefined. @see systemd.time(7) */
export function parseTimespan(text: string): number | undefined {
  const units: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
  let total = 0;
  for (const part of text.split(' ')) {
    const [, count, name = ''] = /^([\d.]+)([a-z]+)$/.exec(part) ?? [];
    const factor = units[name];
    if (count === undefined || factor === undefined) return undefined;
    total += Number(count) * factor;
  }
  return total;
}

/** When a stop job ended the unit's last run, in microseconds of the monotonic clock; `undefined` when none did, as far as systemd remembers. */
export function stoppedAtUs(unit: UnitProperties): number | undefined {
  const down = unit.ActiveState === 'inactive' || unit.ActiveState === 'failed';
  return down && wasStopped(unit) ? Number(unit.ActiveExitTimestampMonotonic) : undefined;
}

type Say = (name: ServiceState['state'], why: string) => ServiceState;

function failed(unit: UnitProperties, around: Surroundings, state: Say): ServiceState {
  if (unit.LoadState === 'masked') return state('stopped', 'the unit is masked');
  if (wasStopped(unit)) return stopped(around, state);
  if (unit.Restart === 'no') return state('failed', hitStartLimit(unit) ? 'systemd refuses to start it again: too many starts in a short time' : 'systemd does not restart it');
  return state('failed', `systemd has given up (Restart=${unit.Restart})${hitStartLimit(unit) ? `: ${unit.StartLimitBurst} starts within ${unit.StartLimitIntervalUSec} are all that it makes` : ''}`);
}

function stopped({ stoppingPackage }: Surroundings, state: Say): ServiceState {
  if (stoppingPackage === undefined) return state('stopped', 'a stop job ended it');
  return { ...state('stopped', `the package manager stopped it while it worked on ${stoppingPackage}, and did not start it again`), stoppedByPackage: true };
}

/**
 * systemd 252 names the start limit only where the last run ended well; an automatic restart that it refuses leaves the
 * Result of the run before (measured). But a unit whose Restart= would have it started again rests as failed for no
 * other reason.
 */
function hitStartLimit(unit: UnitProperties): boolean {
  if (unit.ActiveState !== 'failed') return false;
  if (unit.Result === 'start-limit-hit') return true;
  const limited = Number(unit.StartLimitBurst) > 0 && Number(unit.NRestarts) > 0 && unit.RestartPreventExitStatus === '';
  return limited && !wasStopped(unit) && restartsAfter(unit);
}

/** Would Restart= have it started again after such an end? @see systemd.service(5), the table of Restart= */
function restartsAfter({ Restart: restart, Result: result }: UnitProperties): boolean {
  switch (restart) {
    case 'always':
      return true;
    case 'on-failure':
      return result !== 'success';
    case 'on-abnormal':
      return result !== 'success' && result !== 'exit-code';
    case 'on-abort':
      return result === 'signal' || result === 'core-dump';
    case 'on-watchdog':
      return result === 'watchdog';
    default:
      return false;
  }
}

function endedFor(unit: UnitProperties): Pick<ServiceState, 'oomKilled' | 'startLimitHit'> {
  const down = unit.ActiveState === 'failed' || unit.SubState === 'auto-restart';
  return { ...(down && unit.Result === 'oom-kill' ? { oomKilled: true } : {}), ...(hitStartLimit(unit) ? { startLimitHit: true } : {}) };
}

/** A job that waits for others, or is about to begin. One that is at work shows in the state itself. */
function changing(unit: UnitProperties): Pick<ServiceState, 'changing'> {
  const atRest = unit.ActiveState === 'active' || unit.ActiveState === 'inactive' || unit.ActiveState === 'failed';
  return atRest && Number(unit.Job) > 0 ? { changing: `systemd has a job for it (job ${unit.Job})` } : {};
}

function inactive(unit: UnitProperties, around: Surroundings, state: Say): ServiceState {
  if (unit.LoadState === 'masked') return state('stopped', 'the unit is masked');
  if (unit.ExecMainExitTimestampMonotonic === '0') return state('stopped', 'it was not started since boot, or systemd keeps no record of its end');
  if (wasStopped(unit)) return stopped(around, state);
  if (unit.Result !== 'success' || unit.Restart === 'always' || unit.Restart === 'on-success') return state('stopped', 'a stop job cancelled its restart');
  return state('failed', 'it ended by itself, without a stop job');
}

/** Of the last run: it left `active` before its main process ended. Other supervision by systemd (watchdog, memory, RuntimeMaxSec) does so too and names its reason. */
function wasStopped(unit: UnitProperties): boolean {
  const left = Number(unit.ActiveExitTimestampMonotonic);
  const supervised = ['watchdog', 'oom-kill', 'timeout', 'resources', 'protocol', 'start-limit-hit'].includes(unit.Result);
  return !supervised && left >= Number(unit.ExecMainStartTimestampMonotonic) && left < Number(unit.ExecMainExitTimestampMonotonic);
}

function restartInMs(unit: UnitProperties, nowUs: number): number {
  const passed = Math.max(0, (nowUs - Number(unit.StateChangeTimestampMonotonic)) / 1000);
  return Math.max(0, Math.round((parseTimespan(unit.RestartUSec) ?? 0) - passed));
}

function mainPid(unit: UnitProperties): Pick<ServiceState, 'mainPid'> {
  return Number(unit.MainPID) > 0 ? { mainPid: Number(unit.MainPID) } : {};
}

/** ExecMainCode is SIGCHLD's si_code: 1 exited, 2 killed, 3 dumped core. @see sigaction(2) */
function exit(unit: UnitProperties): Pick<ServiceState, 'exitCode' | 'exitSignal'> {
  if (unit.ExecMainExitTimestampMonotonic === '0' || unit.ExecMainExitTimestampMonotonic === '') return {};
  if (unit.ExecMainCode === '1') return { exitCode: Number(unit.ExecMainStatus) };
  return unit.ExecMainCode === '2' || unit.ExecMainCode === '3' ? { exitSignal: signalNames[Number(unit.ExecMainStatus)] ?? unit.ExecMainStatus } : {};
}

const signalNames: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  13: 'SIGPIPE',
  14: 'SIGALRM',
  15: 'SIGTERM',
  24: 'SIGXCPU',
  25: 'SIGXFSZ',
  31: 'SIGSYS',
};
