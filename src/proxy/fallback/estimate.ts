import type { Gate } from '../gate.ts';
import type { FallbackContent } from './content.ts';

/** A backend that takes requests and failed this one: a guess, long enough for a worker to come free. */
const openRetryMs = 5000;
/** Nobody knows when it will be back, or nobody repairs it: asking costs little, and the longer it lasts the less it helps. */
const unknownRetryMs = 10_000;
const longestGuessMs = 60_000;

export interface Estimate {
  readonly retryMs: number;
  readonly usual: FallbackContent['usual'];
}

/**
 * When it is worth asking again: what past recoveries took, less what has passed of it. The healer's word counts; the
 * gate's own last recovery stands in for it. Beyond the estimate, a tenth of what it has taken so far: what has lasted
 * for ten minutes does not end in this second.
 */
export function estimate({ state, lastRecovery }: Pick<Gate, 'state' | 'lastRecovery'>, monotonicMs: number): Estimate {
  if (state.kind === 'open') return { retryMs: openRetryMs, usual: undefined };
  const passedMs = Math.max(0, monotonicMs - state.sinceMs);
  const guessMs = Math.min(longestGuessMs, passedMs / 10);
  const usualMs = state.kind === 'holding' ? (state.estimateMs ?? lastRecovery?.tookMs) : undefined;
  if (usualMs === undefined) return { retryMs: Math.max(unknownRetryMs, guessMs), usual: undefined };
  return { retryMs: Math.max(usualMs - passedMs, guessMs), usual: { seconds: usualMs / 1000, exceeded: passedMs > usualMs } };
}
