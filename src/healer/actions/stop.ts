import { z } from 'zod';
import type { Action } from '../leaves.ts';

const options = z.strictObject({});

/**
 * Stops the service and leaves it down, for a policy that would rather have it down than doing harm (a loop that
 * destroys data). It then counts as stopped on purpose, so nothing starts it again: only a person does.
 */
export const stop: Action<z.output<typeof options>> = {
  name: 'stop',
  reach: 'service',
  reversible: false,
  needs: 'certain',
  counts: true,
  budget: 'disruptive',
  evidence: 'before',
  configTest: false,
  endsDown: true,
  options,
  async perform({ target, serviceType, run, signal }) {
    if (signal.aborted) return { result: 'failed', detail: 'not stopped: its time was over', durationMs: 0 };
    if (!serviceType.can(target, 'stop')) return { result: 'failed', detail: `goodgateway cannot stop ${target.name}, which is ${target.config.type}`, durationMs: 0 };
    const stopped = await serviceType.control(target, 'stop', run, signal);
    return stopped.result === 'done' ? { ...stopped, detail: `${stopped.detail}; ${target.name} stays stopped until a person starts it` } : stopped;
  },
};
