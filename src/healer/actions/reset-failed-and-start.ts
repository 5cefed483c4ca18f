import { z } from 'zod';
import type { Action } from '../leaves.ts';

const options = z.strictObject({});

/**
 * For a unit that systemd refuses to start because it was started too often: has systemd forget that, and starts it.
 * Once an incident is enough: what made it fail so often must have gone, or it will fail as often again.
 */
export const resetFailedAndStart: Action<z.output<typeof options>> = {
  name: 'reset_failed_and_start',
  reach: 'service',
  reversible: false,
  needs: 'certain',
  counts: true,
  budget: 'start',
  evidence: 'beside',
  configTest: false,
  options,
  async perform({ target, serviceType, run, signal }) {
    if (!serviceType.resetFailed) return { result: 'failed', detail: `only systemd counts starts, and ${target.name} is of type ${target.config.type}: use start`, durationMs: 0 };
    const reset = await serviceType.resetFailed(target, run, signal);
    if (reset.result !== 'done') return reset;
    const start = await serviceType.control(target, 'start', run, signal);
    return { ...start, detail: `${reset.detail}; ${start.detail}`, durationMs: reset.durationMs + start.durationMs };
  },
};
