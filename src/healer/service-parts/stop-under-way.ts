/**
 * Whether a service whose process has just ended is being stopped. Debian's init scripts remove the pidfile after the
 * daemon's end (a second later, or after waiting 30 s for other processes of that name), so a dead pid means a stop as
 * well as a crash. While the stop command runs it is a stop; it is not known for a moment after the end, because who
 * stopped it may be between its last look at the process and its `rm`.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { readAllStats } from '../proc.ts';
import { uidOf } from './read-pidfile.ts';

/** start-stop-daemon looks every 20 ms at first, then less often, up to once a second: so long its `rm` can be behind. */
const settleMs = 1000;

/** One entry for each pidfile of the configuration, removed when it names a living process or is gone. */
const firstSeenDead = new Map<string, { readonly run: string; readonly sinceMs: number }>();

/** Commands that take a service down; each as the words that stand together in the argv of whoever runs it. */
export type StopCommands = readonly (readonly string[])[];

/** Why this dead process may be a stop that is not finished; `undefined` when it ended by itself. `run` names the run that has ended. */
export function stopUnderWay(pidfile: string, run: string, commands: StopCommands): string | undefined {
  if (commands.length === 0) return undefined;
  const running = runningStop(commands);
  const nowMs = performance.now();
  const seen = firstSeenDead.get(pidfile);
  const sinceMs = seen?.run === run ? seen.sinceMs : nowMs;
  firstSeenDead.set(pidfile, { run, sinceMs });
  if (running !== undefined) return `process ${running} is stopping it`;
  return nowMs - sinceMs < settleMs ? 'it has just ended; whether it was stopped shows when its pidfile is gone or stays' : undefined;
}

/** It runs, or has no pidfile: a later end is a new one. */
export function forgetEnd(pidfile: string): void {
  firstSeenDead.delete(pidfile);
}

/** The process that runs one of the commands. Only root's and our own count: anybody can give a process any argv. */
function runningStop(commands: StopCommands): number | undefined {
  const trusted = new Set([0, process.geteuid?.() ?? 0]);
  return readAllStats().find(({ pid }) => pid !== process.pid && runsAny(argvOf(pid), commands) && trusted.has(uidOf(pid) ?? -1))?.pid;
}

function runsAny(argv: readonly string[], commands: StopCommands): boolean {
  return commands.some(([program = '', ...rest]) => argv.some((word, at) => rest.every((next, offset) => argv[at + 1 + offset] === next) && isSameFile(word, program)));
}

/** /etc/rc0.d and `service` may call a script by another of its names. */
function isSameFile(word: string, program: string): boolean {
  return word === program || (word.startsWith('/') && realPath(word) === realPath(program));
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function argvOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
