import { z } from 'zod';
import { duration } from '../../config/values.ts';
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
 * Ends the workers of a dead master that hold the service's socket, so that a new master can start. QUIT lets a
 * php-fpm worker finish its request (TERM would cut it); after `grace`, or at once where a worker is stopped, KILL.
 * Done when none is left; also when there was none to end. A holder that is not proven to be the service's is not
 * touched and makes the action fail, because the start after it would fail too.
 */
export const terminateOrphans: Action<Options> = {
  name: 'terminate_orphans',
  reach: 'service',
  reversible: false,
  needs: 'likely',
  counts: true,
  budget: 'start',
  configTest: false,
  options,
  async perform(context, { grace }) {
    const started = performance.now();
    const { orphans, strangers } = await holders(context);
    if (strangers.length > 0) return step('failed', `process ${strangers.join(', ')} holds the socket and is not known to belong to ${context.target.name}: left alone`, started);
    if (orphans.length === 0) return step('done', 'there were no orphaned workers', started);
    const { killed } = await end(orphans, grace, context.signal);
    const left = (await holders(context)).orphans;
    const pids = orphans.map((orphan) => orphan.pid).join(', ');
    if (left.length > 0) return step('failed', `orphaned workers ${left.map((orphan) => orphan.pid).join(', ')} are still there`, started);
    return step('done', `ended orphaned workers ${pids}${killed.length > 0 ? `; ${killed.join(', ')} by KILL` : ''}`, started);
  },
};

async function holders({ target, serviceType, run, signal }: ActionContext): ReturnType<typeof findOrphans> {
  return findOrphans(target, await serviceType.state(target, run, signal));
}

/** The stopped ones would not hear QUIT: they are not waited for. */
async function end(orphans: readonly ProcessStat[], waitMs: number, signal: AbortSignal): ReturnType<typeof endProcesses> {
  return endProcesses({ processes: orphans, ask: { signal: 'SIGQUIT', to: orphans, waitMs }, signal });
}
