import type { StepResult } from '../../core/decision.ts';
import { allGone, endProcesses } from '../end-processes.ts';
import type { RunCommand } from '../commands.ts';
import { familyOf, isAlive, isStopped, readAllStats, readStat, type ProcessStat } from '../proc.ts';
import { step } from './step-result.ts';

/** How a service is asked to end, and how long that may take before KILL. */
export type StopRequest =
  { readonly signal: NodeJS.Signals; readonly waitMs: number } | { readonly command: (run: RunCommand, signal: AbortSignal, waitMs: number) => Promise<StepResult>; readonly waitMs: number };

/**
 * Ends the main process and everything that belongs to it; what does not end by being asked is KILLed. A service whose
 * processes are all stopped (state T) is not asked, because signals but KILL would stay pending. Where a stop command
 * fails nobody was asked, so it is TERM that asks.
 */
export async function stopTree(main: ProcessStat, how: StopRequest, context: { readonly run: RunCommand; readonly signal: AbortSignal }): Promise<StepResult> {
  return stopAll([main], familyOf(main.pid, readAllStats()), { ...context, how });
}

/**
 * The same for what outlived its main process (orphaned workers): each is asked itself. Done when there is none.
 */
export async function stopLeft(pids: readonly number[], how: StopRequest, context: { readonly run: RunCommand; readonly signal: AbortSignal }): Promise<StepResult> {
  const left = pids.map(readStat).filter(isAlive);
  if (left.length === 0) return step('done', 'it was not running', performance.now());
  return stopAll(left, left, { ...context, how });
}

async function stopAll(
  asked: readonly ProcessStat[],
  family: readonly ProcessStat[],
  { how, run, signal }: { readonly how: StopRequest; readonly run: RunCommand; readonly signal: AbortSignal },
): Promise<StepResult> {
  const started = performance.now();
  const frozen = family.every(isStopped);
  const command = 'command' in how && !frozen ? await how.command(run, signal, how.waitMs) : undefined;
  if (command?.result === 'done') await allGone(family, how.waitMs - (performance.now() - started), signal);
  const askBy = 'signal' in how ? how.signal : command?.result === 'failed' ? 'SIGTERM' : undefined;
  const ask = askBy && { signal: askBy, to: asked, waitMs: how.waitMs };
  const { killed, remaining } = await endProcesses({ processes: family, ask, signal });
  const rest = { ...(command?.argv ? { argv: command.argv } : {}), ...(command?.outputTail ? { outputTail: command.outputTail } : {}), durationMs: Math.round(performance.now() - started) };
  if (remaining.length > 0) return { result: 'failed', detail: `processes ${remaining.join(', ')} could not be ended`, ...rest };
  const why = frozen ? 'all were stopped (state T) and could not hear a signal' : 'they did not end when asked';
  const failed = command?.result === 'failed' ? `${command.detail}, so they got TERM; ` : '';
  const detail = `${failed}ended ${family.length} processes${killed.length > 0 ? `; ${killed.length} by KILL: ${why}` : ''}`;
  return { result: 'done', detail, ...rest };
}
