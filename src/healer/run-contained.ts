/**
 * Runs a program so that its end is the end of everything that it started, also of what left its session. Where systemd
 * runs, it gets a unit of its own: the kernel keeps all its processes in one cgroup, whatever they do. Elsewhere it
 * leads its own session, and what left that is known by a mark in its environment; what also cleared its environment
 * is not known, and the result says so.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { StepResult } from '../core/decision.ts';
import { ulid } from '../core/ids.ts';
import type { Clock } from '../core/time.ts';
import { endProcesses } from './end-processes.ts';
import type { CommandResult, RunCommand } from './commands.ts';
import { isAlive, readAllStats, type ProcessStat } from './proc.ts';
import { stepFromCommand } from './service-parts/step-result.ts';
import { cleanEnvironment } from './run-command.ts';

export interface Containment {
  readonly run: RunCommand;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** When `signal` will abort; systemd ends the program by itself a little later, should we die meanwhile. */
  readonly timeoutMs: number;
  readonly user?: string;
  readonly folder?: string;
}

/** `signal` ends it long before. */
const ceilingMs = 86_400_000;
/** Between TERM and KILL. */
const graceMs = 2000;
const systemctlMs = 10_000;
/** systemd's own end of it, after ours. */
const marginS = 10;
/** More than a script of repair starts; a program that forks for ever is stopped by it. */
const mostTasks = 512;
const mark = 'GOODGATEWAY_RUN';
/** As for every program that the healer starts. */
const environment = Object.entries(cleanEnvironment).map(([name, value]) => `--setenv=${name}=${value}`);

/** The program's end as a step; over its time it is `unknown`, and the detail says what is left of it. Never rejects. */
export async function runContained(argv: readonly string[], how: Containment): Promise<StepResult> {
  const id = ulid(how.clock.wallMs());
  return canUseUnits() ? inUnit(argv, `goodgateway-run-${id.toLowerCase()}.service`, how) : inSession(argv, id, how);
}

/** systemd-run needs root and the system bus for waiting and for the output. */
function canUseUnits(): boolean {
  return process.getuid?.() === 0 && ['/run/systemd/system', '/run/dbus/system_bus_socket', systemdRun].every((path) => existsSync(path));
}

const systemdRun = '/usr/bin/systemd-run';
const systemctl = '/usr/bin/systemctl';

async function inUnit(argv: readonly string[], unit: string, how: Containment): Promise<StepResult> {
  const [program = '', ...rest] = argv;
  const properties = [
    `RuntimeMaxSec=${Math.ceil(how.timeoutMs / 1000) + marginS}s`,
    `TimeoutStopSec=${graceMs}ms`,
    // what the program leaves behind is killed at once: waiting for it would turn the program's own success into a failure
    'KillMode=mixed',
    `TasksMax=${mostTasks}`,
    ...(how.user === undefined ? [] : [`User=${how.user}`]),
    ...(how.folder === undefined ? [] : [`WorkingDirectory=${how.folder}`]),
  ];
  const client = [systemdRun, '--wait', '--pipe', '--collect', '--quiet', '--no-ask-password', `--unit=${unit}`, ...properties.flatMap((property) => ['-p', property]), ...environment];
  // systemd would put its own variables in the place of `$NAME`
  const words = rest.map((word) => word.replaceAll('$', '$$$$'));
  const command = await how.run.run([...client, '--', program, ...words], { timeoutMs: ceilingMs, signal: how.signal });
  const ended = stepFromCommand(program, command);
  if (!wasCut(command)) return { ...ended, detail: `${ended.detail} (in the unit ${unit})` };
  return { ...ended, detail: `${ended.detail}; ${await stopUnit(unit, how.run)}` };
}

/** Only our end of it was ended so far: systemd goes on with the unit. */
async function stopUnit(unit: string, run: RunCommand): Promise<string> {
  // of a mixed unit the stop asks the main process only
  await run.run([systemctl, '--no-ask-password', 'kill', '--signal=TERM', '--', unit], { timeoutMs: systemctlMs });
  const stop = await run.run([systemctl, '--no-ask-password', 'stop', '--', unit], { timeoutMs: systemctlMs });
  const shown = await run.run([systemctl, '--no-ask-password', 'show', '--property=LoadState,ActiveState', '--', unit], { timeoutMs: systemctlMs });
  if (shown.exitCode === 0 && (shown.output.includes('LoadState=not-found') || /ActiveState=(inactive|failed)/.test(shown.output))) return `the unit ${unit} was ended with everything in it`;
  return `the unit ${unit} could not be ended: ${stepFromCommand('systemctl stop', stop).detail}; see systemctl status ${unit}`;
}

async function inSession(argv: readonly string[], id: string, how: Containment): Promise<StepResult> {
  const { user, folder } = how;
  const options = { timeoutMs: ceilingMs, signal: how.signal, environment: { [mark]: id }, ...(user === undefined ? {} : { user }), ...(folder === undefined ? {} : { folder }) };
  const command = await how.run.run(argv, options);
  const ended = stepFromCommand(argv[0] ?? '', command);
  if (command.startError !== undefined) return ended;
  const left = markedBy(id);
  if (!wasCut(command)) return { ...ended, detail: `${ended.detail} (in a session of its own)${left.length > 0 ? `; it left running: ${named(left)}` : ''}` };
  const { remaining } = await endProcesses({ processes: left, ask: { signal: 'SIGTERM', to: left, waitMs: graceMs }, signal: new AbortController().signal });
  const still = left.filter(({ pid }) => remaining.includes(pid));
  const what = still.length > 0 ? `could not be ended: ${named(still)}` : 'ended with everything that could be found of it';
  return { ...ended, detail: `${ended.detail}; ${what}; without systemd a process that left the session and cleared its environment is not found` };
}

function wasCut({ timedOut, startError }: CommandResult): boolean {
  return timedOut && startError === undefined;
}

/** A process inherits its environment; whoever marks a foreign process as ours could end it by itself, too. */
function markedBy(id: string): readonly ProcessStat[] {
  return readAllStats().filter((stat) => isAlive(stat) && environmentOf(stat.pid).includes(`${mark}=${id}\0`));
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    // Ended meanwhile, a thread of the kernel, or not ours to see.
    return '';
  }
}

function named(stats: readonly ProcessStat[]): string {
  const shown = stats.slice(0, 10).map(({ pid, comm }) => `${pid} (${comm})`);
  return stats.length > shown.length ? `${shown.join(', ')} and ${stats.length - shown.length} more` : shown.join(', ');
}
