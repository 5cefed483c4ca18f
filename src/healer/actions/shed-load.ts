import { z } from 'zod';
import { duration, share } from '../../config/values.ts';
import { formatDuration } from '../../core/time.ts';
import type { Action } from '../leaves.ts';

const options = z.strictObject({
  keep: share()
    .refine((value) => value >= 0.1 && value < 1, { error: 'expected a share from 10% to below 100%: the rest is turned away' })
    .prefault('80%')
    .describe('About this share of the requests is let through. Crawlers, xmlrpc.php, logins, searches and feeds are turned away first; who is signed in or has a cart, last.'),
  retry_after: duration()
    .refine((ms) => ms >= 1000 && ms <= 3_600_000, { error: 'expected from 1s to 1h' })
    .prefault('15s')
    .describe('When those that are turned away are asked to come back.'),
});

/**
 * Lets only a part of the requests through until the incident is over. It disturbs visitors, on purpose, and never the
 * service; so it costs nothing of any budget.
 */
export const shedLoad: Action<z.output<typeof options>> = {
  name: 'shed_load',
  reach: 'none',
  reversible: true,
  needs: 'likely',
  counts: false,
  budget: 'none',
  evidence: 'none',
  configTest: false,
  options,
  async perform({ target, shed, clock }, { keep, retry_after: retryAfterMs }) {
    const started = clock.monotonicMs();
    if (target.protocol === undefined) return { result: 'failed', detail: `no gateway leads to ${target.name}, so there is nobody whom goodgateway could turn away`, durationMs: 0 };
    await shed({ keep, retryAfterMs });
    const detail = `about ${Math.round(keep * 100)}% of the requests are let through; the others, crawlers first, are asked to come back in ${formatDuration(retryAfterMs)}`;
    return { result: 'done', detail, durationMs: clock.monotonicMs() - started };
  },
  undo: {
    byDefault: 'automatic',
    when: 'closed',
    async perform({ shed }) {
      await shed({ keep: 1, retryAfterMs: 0 });
      return { result: 'done', detail: 'everybody is let in again', durationMs: 0 };
    },
    renew: ({ shed }, { keep, retry_after: retryAfterMs }) => shed({ keep, retryAfterMs }),
  },
};
