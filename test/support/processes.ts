/** Processes as the kernel shows them: found by what they are, ended by pid, and looked after until they are gone. */
import { readdirSync, readFileSync } from 'node:fs';
import { until } from './until.ts';

export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  /** The kernel's letter: R, S, D, T (stopped) … Zombies are not listed: nothing of them runs any more. */
  readonly state: string;
  /** argv, or the title that the process gave itself. */
  readonly command: string;
}

/** All processes that run now and match. */
export function processes(matches: (process: ProcessInfo) => boolean): ProcessInfo[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processInfo(Number(name)))
    .filter((found) => found !== undefined)
    .filter(matches);
}

/** One process, or `undefined` when it has ended (a zombie has). */
export function processInfo(pid: number): ProcessInfo | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name stands in parentheses and may itself hold spaces and parentheses.
    const [state = '', parent = '0'] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // The first thread of a killed program is a zombie while the others still hold its sockets: not over yet.
    if ((state === 'Z' || state === 'X') && readdirSync(`/proc/${pid}/task`).length <= 1) return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
    return { pid, parent: Number(parent), state, command };
  } catch {
    return undefined;
  }
}

/** `pid` and everything that it started, directly or not, parents first. */
export function family(pid: number): ProcessInfo[] {
  const all = processes(() => true);
  const found = all.filter((one) => one.pid === pid);
  for (const one of found) found.push(...all.filter((other) => other.parent === one.pid));
  return found;
}

/** Sends a signal; a process that has ended already is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** KILL for all of a daemon at one moment, as the group of its master; for those that have no master any more, one by one. */
export function crash(all: readonly ProcessInfo[], master: number): void {
  if (all.some(({ pid }) => pid === master)) signal(-master, 'SIGKILL');
  for (const { pid } of all) signal(pid, 'SIGKILL');
}

/**
 * Ends all that `find` finds: politely first, by KILL after `graceMs`, again and again until it finds nothing, because
 * a master may have started another worker meanwhile.
 */
export async function endAll(find: () => readonly ProcessInfo[], polite: NodeJS.Signals = 'SIGTERM', graceMs = 2000): Promise<void> {
  for (const { pid, state } of find()) signal(pid, state === 'T' ? 'SIGKILL' : polite);
  const gone = (): boolean => find().length === 0;
  await until(gone, { timeoutMs: graceMs, what: 'a polite end' }).catch(() => undefined);
  await until(() => killNow(find), {
    timeoutMs: 15_000,
    what: () =>
      `the end of ${find()
        .map((one) => one.command)
        .join(', ')}`,
  });
}

function killNow(find: () => readonly ProcessInfo[]): boolean {
  const left = find();
  for (const { pid } of left) signal(pid, 'SIGKILL');
  return left.length === 0;
}
