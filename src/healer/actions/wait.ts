import { z } from 'zod';
import { duration } from '../../config/values.ts';
import { formatDuration } from '../../core/time.ts';
import type { Action, ActionContext } from '../leaves.ts';
import { readProgress, type Progress } from './read-progress.ts';

const options = z.strictObject({
  at_most: duration()
    .refine((ms) => ms <= 86_400_000, { error: 'expected at most 24h' })
    .prefault('30s')
    .describe("How long, at most 24h. The step's `timeout` does not shorten it."),
  while: z
    .literal('progress', { error: 'expected progress' })
    .optional()
    .describe('progress: only as long as the service works: its processes use the processor, read or write, or its log (`service.log`) grows. A minute without any of it ends the wait as failed.'),
});
type Options = z.output<typeof options>;

const lookEveryMs = 5000;
/** A disk that spins up, or a lock that another process holds, stands still for less. */
const standstillMs = 60_000;

/** Does nothing for a while, visibly. Ends early, and well, when its signal aborts. */
export const wait: Action<Options> = {
  name: 'wait',
  reach: 'none',
  reversible: true,
  needs: 'possible',
  counts: false,
  budget: 'none',
  evidence: 'none',
  configTest: false,
  waits: true,
  options,
  timeoutMs: ({ at_most: ms }) => ms,
  async perform(context, { at_most: atMostMs, while: only }) {
    const { clock, signal } = context;
    const ms = Math.min(atMostMs, context.timeoutMs);
    const started = clock.monotonicMs();
    const why = only ? await stoodStill(context, ms) : void (await clock.sleep(ms, signal));
    const durationMs = clock.monotonicMs() - started;
    const waited = `waited ${formatDuration(durationMs)}`;
    return why === undefined ? { result: 'done', detail: waited, durationMs } : { result: 'failed', detail: `${waited}: ${why}`, durationMs };
  },
};

/** Why waiting longer is pointless; `undefined` when the time is over, it runs, or the signal aborted. A restart that its supervisor has planned is progress. */
async function stoodStill({ target, serviceType, run, clock, signal }: ActionContext, ms: number): Promise<string | undefined> {
  const started = clock.monotonicMs();
  let before: Progress | undefined;
  let movedMs = started;
  for (;;) {
    const leftMs = started + ms - clock.monotonicMs();
    if (signal.aborted || leftMs <= 0) return undefined;
    const state = await serviceType.state(target, run, signal);
    if (signal.aborted) return undefined;
    const supervised = state.supervisorActsInMs !== undefined;
    if (!supervised && (state.state === 'failed' || state.state === 'stopped')) return `it does not start any more: ${state.text}`;
    const now = readProgress(state.pids, target.config.log ?? [], before);
    const nowMs = clock.monotonicMs();
    if (before === undefined || now.moved || supervised) movedMs = nowMs;
    else if (nowMs - movedMs >= standstillMs) return `no progress for ${formatDuration(nowMs - movedMs)}`;
    before = now;
    await clock.sleep(Math.min(lookEveryMs, leftMs), signal);
  }
}
