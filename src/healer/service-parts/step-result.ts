import type { StepResult } from '../../core/decision.ts';
import type { CommandResult } from '../commands.ts';

/** Longest run of one control command, whatever the step allows: ten minutes, the slowest stop of a database. */
export const longestCommandMs = 600_000;

/** A finished command as the result of a step: exit status 0 is done; over its time or killed is unknown: it may have worked. */
export function stepFromCommand(what: string, command: CommandResult): StepResult {
  const rest = {
    argv: command.argv,
    durationMs: command.durationMs,
    ...(command.exitCode === undefined ? {} : { exitCode: command.exitCode }),
    ...(command.signal === undefined ? {} : { signal: command.signal }),
    ...(command.output === '' ? {} : { outputTail: command.output }),
  };
  if (command.startError !== undefined) return { result: 'failed', detail: `${what}: ${command.startError}`, ...rest };
  if (command.timedOut) return { result: 'unknown', detail: `${what} was still running when its time was over`, ...rest };
  if (command.exitCode === 0) return { result: 'done', detail: what, ...rest };
  const how = command.exitCode === undefined ? `was ended by ${command.signal ?? 'a signal'}` : `failed with exit status ${command.exitCode}`;
  return { result: 'failed', detail: `${what} ${how}${lastLine(command.output)}`, ...rest };
}

/** A step that no command was needed for. `startedAt` is of performance.now(). */
export function step(result: StepResult['result'], detail: string, startedAt: number): StepResult {
  return { result, detail, durationMs: Math.round(performance.now() - startedAt) };
}

/** The tool's own last words are the best explanation there is. */
function lastLine(output: string): string {
  const line = output.trim().split('\n').at(-1)?.trim();
  return line ? `: ${line.slice(0, 300)}` : '';
}
