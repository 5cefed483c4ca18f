import { z } from 'zod';
import { duration, name, oneOrMany } from '../../config/values.ts';
import { formatDuration } from '../../core/time.ts';
import type { Action } from '../leaves.ts';

const options = z.strictObject({
  services: oneOrMany(name()).describe('Services, by the names of their policies.'),
  at_most: duration()
    .refine((ms) => ms <= 86_400_000, { error: 'expected at most 24h' })
    .prefault('10m')
    .describe("How long, at most 24h. The step's `timeout` does not shorten it."),
});

/** An incident of another service ends at a moment of its own. */
const lookEveryMs = 500;

/** Waits until other services are well, that is, have no open incident. Ends early and well when there is nothing left to wait for. */
export const waitFor: Action<z.output<typeof options>> = {
  name: 'wait_for',
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
  async perform({ clock, signal, isWell, timeoutMs }, { services, at_most: ms }) {
    const started = clock.monotonicMs();
    const tookMs = () => clock.monotonicMs() - started;
    const unknown = services.filter((service) => isWell(service) === undefined);
    if (unknown.length > 0) return { result: 'failed', detail: `there is no service ${unknown.join(', ')} to wait for`, durationMs: 0 };
    for (;;) {
      const down = services.filter((service) => isWell(service) !== true);
      const waited = formatDuration(tookMs());
      if (down.length === 0) return { result: 'done', detail: `${services.join(', ')} ${services.length === 1 ? 'is' : 'are'} well after ${waited}`, durationMs: tookMs() };
      if (signal.aborted) return { result: 'done', detail: `waited ${waited} for ${down.join(', ')}; there is nothing left to wait for`, durationMs: tookMs() };
      const leftMs = Math.min(ms, timeoutMs) - tookMs();
      if (leftMs <= 0) return { result: 'failed', detail: `${down.join(', ')} ${down.length === 1 ? 'is' : 'are'} still down after ${waited}`, durationMs: tookMs() };
      await clock.sleep(Math.min(lookEveryMs, leftMs), signal);
    }
  },
};
