import { z } from 'zod';
import { oneOrMany, address } from '../../config/values.ts';
import { formatAddress } from '../../core/failure.ts';
import type { Action } from '../leaves.ts';

const options = z.strictObject({
  only_to: oneOrMany(address()).optional().describe('The only places to switch to. Default: every `also_allowed` of the gateway.'),
});
type Options = z.output<typeof options>;

/**
 * Sends the gateways to where the service was found to listen. The place comes from the diagnosis and must be one of
 * the configured upstreams: nothing that was merely seen can redirect visitors. Counts as an attempt, so that a service
 * that wanders is not followed for ever.
 */
export const switchUpstream: Action<Options> = {
  name: 'switch_upstream',
  reach: 'service',
  reversible: true,
  needs: 'certain',
  counts: true,
  budget: 'none',
  evidence: 'none',
  configTest: false,
  options,
  async perform({ target, suspect, useUpstream, clock, signal }, { only_to: onlyTo }) {
    const started = clock.monotonicMs();
    const failed = (detail: string) => ({ result: 'failed' as const, detail, durationMs: clock.monotonicMs() - started });
    if (signal.aborted) return failed('not switched: its time was over');
    const found = suspect.facts?.['found'];
    if (typeof found !== 'string') return failed('the diagnosis names no place where the service listens');
    const index = target.upstreams.findIndex((upstream) => formatAddress(upstream) === found);
    if (index < 0) return failed(`${found} is not among the configured upstreams; add it to also_allowed to permit the switch`);
    if (onlyTo && !onlyTo.some((allowed) => formatAddress(allowed) === found)) return failed(`${found} is not in only_to`);
    if (index === target.current) return { result: 'done', detail: `the gateways use ${found} already`, durationMs: 0 };
    await useUpstream(index);
    return { result: 'done', detail: `the gateways use ${found} now`, durationMs: clock.monotonicMs() - started };
  },
  undo: {
    byDefault: 'never',
    when: 'not_recovered',
    before: ({ upstreams, current }) => (upstreams[current] ? formatAddress(upstreams[current]) : ''),
    async perform({ target, useUpstream }, _options, before) {
      const index = target.upstreams.findIndex((upstream) => formatAddress(upstream) === before);
      if (index < 0) return { result: 'failed', detail: `${before || 'the place before'} is not among the configured upstreams any more`, durationMs: 0 };
      if (index !== target.current) await useUpstream(index);
      return { result: 'done', detail: `the gateways use ${before} again, as before`, durationMs: 0 };
    },
  },
};
