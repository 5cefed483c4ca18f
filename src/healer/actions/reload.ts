import { z } from 'zod';
import type { Action } from '../leaves.ts';

const options = z.strictObject({});

/**
 * Has the service read its configuration again. Counted like a restart: with php-fpm's stock
 * `process_control_timeout = 0` a reload ends the requests in flight at once.
 */
export const reload: Action<z.output<typeof options>> = {
  name: 'reload',
  reach: 'service',
  reversible: false,
  needs: 'likely',
  counts: true,
  budget: 'disruptive',
  evidence: 'before',
  configTest: true,
  options,
  async perform({ target, serviceType, run, signal }) {
    if (signal.aborted) return { result: 'failed', detail: 'not reloaded: its time was over', durationMs: 0 };
    if (!serviceType.can(target, 'reload')) return { result: 'failed', detail: `the policy of ${target.name} names no reload`, durationMs: 0 };
    return serviceType.control(target, 'reload', run, signal);
  },
};
