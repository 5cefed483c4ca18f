import { z } from 'zod';
import { duration } from '../../config/values.ts';
import { formatDuration } from '../../core/time.ts';
import type { Action } from '../leaves.ts';

const options = z.strictObject({
  at_most: duration().default(30_000).describe("How long. Shorter when the step's timeout is."),
});

/** Does nothing for a while, visibly. Ends early, and well, when its signal aborts. */
export const wait: Action<z.output<typeof options>> = {
  name: 'wait',
  reach: 'none',
  reversible: true,
  needs: 'possible',
  counts: false,
  budget: 'none',
  configTest: false,
  options,
  async perform({ clock, signal }, { at_most: ms }) {
    const started = clock.monotonicMs();
    await clock.sleep(ms, signal);
    const durationMs = clock.monotonicMs() - started;
    return { result: 'done', detail: `waited ${formatDuration(durationMs)}`, durationMs };
  },
};
