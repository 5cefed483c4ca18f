/**
 * Ends processes that are known by pid and start time: asks first, then KILLs what is left, then looks whether they
 * are gone. Never by name, never a pid that was given to another process meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { familyOf, isAlive, isStillAlive, isStopped, readAllStats, readStat, type ProcessStat } from './proc.ts';

export interface EndRequest {
  readonly processes: readonly ProcessStat[];
  /** Who is asked how; the others are expected to follow (a master ends its workers). */
  readonly ask?: { readonly signal: NodeJS.Signals; readonly to: readonly ProcessStat[]; readonly waitMs: number } | undefined;
  readonly signal: AbortSignal;
}

export interface EndResult {
  /** Pids that needed KILL. */
  readonly killed: readonly number[];
  /** Pids that are still there: in uninterruptible sleep, not ours to kill, or the time was over. */
  readonly remaining: readonly number[];
}

/** KILL works within microseconds, but for a process in uninterruptible sleep, which nothing ends. */
const killWaitMs = 2000;
/** A master that is forking while it is killed may leave a child that the list did not hold. */
const killRounds = 5;
/** After their master's end, workers follow within milliseconds. */
const followMs = 200;
const pollMs = 10;

/**
 * Ends `processes` and everything that descends from them; resolves when all are gone, or the waits are over, or
 * `signal` aborts (then nobody is killed any more and what is left is `remaining`). A process in state T is not
 * asked: the signal would stay pending and the wait would be for nothing.
 */
export async function endProcesses(request: EndRequest): Promise<EndResult> {
  const { ask, signal } = request;
  if (ask && !ask.to.every(isStopped)) {
    const deadline = performance.now() + ask.waitMs;
    for (const stat of ask.to) send(stat, ask.signal);
    await someGone(ask.to, request.processes, { deadline, signal });
    // Who was to ask the others has ended without doing so (a shell, a wrapper): they are asked themselves.
    for (const stat of request.processes) if (!ask.to.includes(stat)) send(stat, ask.signal);
    await allGone(request.processes, deadline - performance.now(), signal);
  }
  const killed = new Set<number>();
  let left = livingFamilies(request.processes);
  for (let round = 0; round < killRounds && left.length > 0 && !signal.aborted; round++) {
    for (const stat of left) if (send(stat, 'SIGKILL')) killed.add(stat.pid);
    await allGone(left, killWaitMs, signal);
    left = livingFamilies(request.processes);
  }
  return { killed: [...killed], remaining: left.map((stat) => stat.pid) };
}

/**
 * Sends the signal if this very process is still there; the check and the send are microseconds apart. A pidfile that
 * names the first process of the host, or ourselves, or who started us, ends nobody.
 */
export function send(stat: ProcessStat, signal: NodeJS.Signals): boolean {
  if (stat.pid <= 1 || ownLine().has(stat.pid) || !isStillAlive(stat)) return false;
  try {
    return process.kill(stat.pid, signal);
  } catch {
    return false;
  }
}

/** Resolves when the asked ones are gone (a moment later, for the others to follow), or all are, or the time is over. */
async function someGone(asked: readonly ProcessStat[], all: readonly ProcessStat[], until: { readonly deadline: number; readonly signal: AbortSignal }): Promise<void> {
  await allGone(asked, until.deadline - performance.now(), until.signal);
  await allGone(all, Math.min(followMs, until.deadline - performance.now()), until.signal);
}

/** Resolves true when all are gone, false when the time is over or the signal aborts. */
export async function allGone(processes: readonly ProcessStat[], waitMs: number, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + waitMs;
  while (processes.some(isStillAlive)) {
    if (signal.aborted || performance.now() >= deadline) return false;
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
  return true;
}

function ownLine(): ReadonlySet<number> {
  const line = new Set<number>();
  for (let pid = process.pid; pid > 1 && !line.has(pid); pid = readStat(pid)?.parent ?? 0) line.add(pid);
  return line;
}

/** Parents first: a dead master starts no new workers. */
function livingFamilies(roots: readonly ProcessStat[]): readonly ProcessStat[] {
  const all = readAllStats();
  const found = new Map<number, ProcessStat>();
  for (const root of roots) {
    if (root.pid <= 1) continue;
    const now = readStat(root.pid);
    // Its number may name another process by now, whose family is not ours.
    if (isAlive(now) && now.startTicks !== root.startTicks) continue;
    for (const stat of familyOf(root.pid, all)) found.set(stat.pid, stat);
  }
  return [...found.values()].sort((a, b) => a.startTicks - b.startTicks);
}
