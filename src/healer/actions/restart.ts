import { z } from 'zod';
import type { Action } from '../leaves.ts';

const options = z.strictObject({});

/** Stops and starts the service. Requests that it is serving are lost, so it is disruptive. */
export const restart: Action<z.output<typeof options>> = {
  name: 'restart',
  reach: 'service',
  reversible: false,
  needs: 'likely',
  counts: true,
  budget: 'disruptive',
  evidence: 'before',
  configTest: true,
  options,
  async perform({ target, serviceType, run, signal }) {
    if (signal.aborted) return { result: 'failed', detail: 'not restarted: its time was over', durationMs: 0 };
    return serviceType.control(target, 'restart', run, signal);
  },
};
