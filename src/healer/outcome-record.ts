import type { StepResult } from '../core/decision.ts';
import type { AuditEvent } from './audit/record.ts';

/** What came of an act, as the audit log spells it; `intent`: the number of the record that announced it. */
export function outcomeRecord(result: StepResult, intent: number): Pick<AuditEvent, 'event' | 'parent' | 'outcome' | 'argv' | 'text'> {
  return {
    event: result.result === 'unknown' ? 'action.unknown' : 'action.finished',
    parent: intent,
    outcome: {
      result: result.result,
      detail: result.detail,
      ...(result.exitCode === undefined ? {} : { exit: result.exitCode }),
      ...(result.signal === undefined ? {} : { signal: result.signal }),
      duration_ms: Math.round(result.durationMs),
      ...(result.outputTail ? { output: result.outputTail } : {}),
    },
    ...(result.argv ? { argv: [...result.argv] } : {}),
    text: result.detail,
  };
}
