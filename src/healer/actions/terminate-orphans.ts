import { z } from 'zod';
import { duration } from '../../config/values.ts';
import type { StepResult } from '../../core/decision.ts';
import { endProcesses } from '../end-processes.ts';
import { findOrphans } from '../find-orphans.ts';
import type { Action, ActionContext } from '../leaves.ts';
import type { ProcessStat } from '../proc.ts';
import { step } from '../service-parts/step-result.ts';

const options = z.strictObject({
  grace: duration().default(2000).describe('How long a worker may go on with the request that it is serving, after QUIT and before KILL.'),
});
type Options = z.output<typeof options>;

/**
 * Ends the workers of a dead master that hold the service's socket, and starts the service: one decision, because
 * orphans still serve, and to end them without the right to start would make the outage. QUIT lets a
 * php-fpm worker finish its request (TERM would cut it); after `grace`, or at once where a worker is stopped, KILL.
 * When there was none to end, it only starts. A holder that is not proven to be the service's is not
 * touched and makes the action fail, because the start after it would fail too.
 */
export const terminateOrphans: Action<Options> = {
  name: 'terminate_orphans',
  reach: 'service',
  reversible: false,
  needs: 'likely',
  counts: true,
  budget: 'start',
  evidence: 'before',
  configTest: false,
  options,
  async perform(context, { grace }) {
    const started = performance.now();
    if (context.signal.aborted) return step('failed', 'not begun: its time was over', started);
    const { orphans, strangers } = await holders(context);
    if (strangers.length > 0) return step('failed', `process ${strangers.join(', ')} holds the socket and is not known to belong to ${context.target.name}: left alone`, started);
    if (orphans.length === 0) return startAfter(context, 'there were no orphaned workers', started);
    const { killed } = await end(orphans, grace, context.signal);
    const left = (await holders(context)).orphans;
    const pids = orphans.map((orphan) => orphan.pid).join(', ');
    if (left.length > 0) return step('failed', `orphaned workers ${left.map((orphan) => orphan.pid).join(', ')} are still there`, started);
    return startAfter(context, `ended orphaned workers ${pids}${killed.length > 0 ? `; ${killed.join(', ')} by KILL` : ''}`, started);
  },
};

async function startAfter({ serviceType, target, run, signal }: ActionContext, ended: string, startedMs: number): Promise<StepResult> {
  const start = await serviceType.control(target, 'start', run, signal);
  return { ...start, detail: `${ended}; ${start.detail}`, durationMs: performance.now() - startedMs };
}

async function holders({ target, serviceType, run, signal }: ActionContext): ReturnType<typeof findOrphans> {
  return findOrphans(target, await serviceType.state(target, run, signal));
}

/** The stopped ones would not hear QUIT: they are not waited for. */
async function end(orphans: readonly ProcessStat[], waitMs: number, signal: AbortSignal): ReturnType<typeof endProcesses> {
  return endProcesses({ processes: orphans, ask: { signal: 'SIGQUIT', to: orphans, waitMs }, signal });
}
