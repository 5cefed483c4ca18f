import { setTimeout as sleep } from 'node:timers/promises';
import type { StepResult } from '../../core/decision.ts';
import type { ServiceTarget } from '../leaves.ts';
import { pidfileProcess } from './process-state.ts';
import { readPidfile } from './read-pidfile.ts';

/** Daemons write their pidfile within milliseconds; init scripts end with 0 even when the daemon did not start. */
const pidfileWaitMs = 5000;
const pollMs = 10;

/** Done when the pidfile names a living process within 5 s of a start that reported success, else failed. */
export async function awaitPidfile(target: ServiceTarget, path: string, after: { readonly started: StepResult; readonly signal: AbortSignal }): Promise<StepResult> {
  const began = performance.now();
  while (performance.now() - began < pidfileWaitMs && !after.signal.aborted) {
    const main = await pidfileProcess(target, readPidfile(path));
    if (main) return { ...after.started, detail: `started as process ${main.pid}`, durationMs: after.started.durationMs + Math.round(performance.now() - began) };
    await sleep(pollMs, undefined, { signal: after.signal }).catch(() => undefined);
  }
  const seconds = Math.round((performance.now() - began) / 1000);
  return {
    ...after.started,
    result: 'failed',
    detail: `${after.started.detail} reported success, but ${path} named no living process within ${seconds} s`,
    durationMs: after.started.durationMs + Math.round(performance.now() - began),
  };
}
