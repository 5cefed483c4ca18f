import type { StepResult } from '../../core/decision.ts';
import { allGone, endProcesses } from '../end-processes.ts';
import type { RunCommand } from '../leaves.ts';
import { familyOf, isStopped, readAllStats, type ProcessStat } from '../proc.ts';

/** How a service is asked to end, and how long that may take before KILL. */
export type StopRequest = { readonly signal: NodeJS.Signals; readonly waitMs: number } | { readonly command: (run: RunCommand, signal: AbortSignal, waitMs: number) => Promise<StepResult>; readonly waitMs: number };

/**
 * Ends the main process and everything that belongs to it; what does not end by being asked is KILLed. A service whose
 * processes are all stopped (state T) is not asked, because signals but KILL would stay pending.
 */
export async function stopTree(main: ProcessStat, how: StopRequest, context: { readonly run: RunCommand; readonly signal: AbortSignal }): Promise<StepResult> {
  const started = performance.now();
  const family = familyOf(main.pid, readAllStats());
  const frozen = family.every(isStopped);
  const asked = 'command' in how && !frozen ? await how.command(context.run, context.signal, how.waitMs) : undefined;
  if (asked?.result === 'done' && 'command' in how) await allGone(family, how.waitMs - (performance.now() - started), context.signal);
  const ask = 'signal' in how ? { signal: how.signal, to: [main], waitMs: how.waitMs } : undefined;
  const { killed, remaining } = await endProcesses({ processes: family, ask, signal: context.signal });
  const rest = { ...(asked?.argv ? { argv: asked.argv } : {}), ...(asked?.outputTail ? { outputTail: asked.outputTail } : {}), durationMs: Math.round(performance.now() - started) };
  if (remaining.length > 0) return { result: 'failed', detail: `processes ${remaining.join(', ')} could not be ended`, ...rest };
  const why = frozen ? 'all were stopped (state T) and could not hear a signal' : 'they did not end when asked';
  const detail = killed.length > 0 ? `ended ${family.length} processes; ${killed.length} by KILL: ${why}` : `ended ${family.length} processes`;
  return { result: 'done', detail, ...rest };
}
