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
  };
}

/** What the unit's cgroup holds, and the kernel's monotonic clock (which systemd's moments are of) in microseconds. */
export interface Surroundings {
  readonly pids: readonly number[];
  readonly allStopped: boolean;
  readonly nowUs: number;
}

/** The unit's state. `text` quotes the properties that decided it. */
export function unitState(unit: UnitProperties, around: Surroundings): ServiceState {
  const known = { pids: around.pids, fence: unit.InvocationID, supervisorRestarts: Number(unit.NRestarts), changeMark: unit.StateChangeTimestampMonotonic, ...mainPid(unit), ...exit(unit) };
  const seen = `systemd says ${unit.ActiveState} (${unit.SubState}), Result=${unit.Result}, NRestarts=${unit.NRestarts}`;
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
      return wasStopped(unit) ? state('stopped', 'a stop job ended it') : state('failed', unit.Restart === 'no' ? 'systemd does not restart it' : `systemd has given up (Restart=${unit.Restart})`);
    case 'inactive':
      return inactive(unit, state);
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

function inactive(unit: UnitProperties, state: (name: ServiceState['state'], why: string) => ServiceState): ServiceState {
  if (unit.LoadState === 'masked') return state('stopped', 'the unit is masked');
  if (unit.ExecMainExitTimestampMonotonic === '0') return state('stopped', 'it was not started since boot, or systemd keeps no record of its end');
  if (wasStopped(unit)) return state('stopped', 'a stop job ended it');
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
