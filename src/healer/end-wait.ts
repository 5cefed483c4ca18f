/**
 * A step that only waits. Its time counts from its first beginning in the incident: whatever interrupts it, it neither
 * begins anew nor is the next step of the ladder taken before its time is over.
 */
import type { Decision } from '../core/decision.ts';
import { lookAt } from './examine.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
import { looksWell } from './looks-well.ts';
import { isHandsOff } from './undo.ts';

type Recover = Extract<Decision, { kind: 'recover' }>;

/** As often as the proxies' summaries come. */
const lookEveryMs = 500;
/** A long wait is not ended a moment later for being looked at less often, and a look can cost programs. */
const lookSeldom = { afterMs: 60_000, everyMs: 2000 };

/** How long this wait may still take, by its own options; a wait that was cut short goes on. Whole ms, at least 1. */
export function waitLeftMs({ rule, step }: Recover, { open, healer }: { open: OpenCase; healer: Healer }): number {
  const name = `${rule} ${step.rung} ${step.attempt}`;
  const nowMs = healer.clock.monotonicMs();
  const sinceMs = open.waitedSince.get(name) ?? nowMs;
  open.waitedSince.set(name, sinceMs);
  const wholeMs = healer.actions.get(step.action)?.timeoutMs?.(step.options) ?? step.timeoutMs;
  // a whole number: the monotonic clock has fractions, which timers throw at
  return Math.max(1, Math.ceil(sinceMs + wholeMs - nowMs));
}

/**
 * Aborts `ended` as soon as there is nothing left to wait for: the service looks well, or something happened and the
 * cause is another one now. Returns when `ended` aborts, by whomever.
 */
export async function endWhenPointless(ended: AbortController, { open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): Promise<void> {
  const startedMs = healer.clock.monotonicMs();
  const waitedFor = open.diagnosis?.best.cause;
  while (!ended.signal.aborted) {
    const woken = new AbortController();
    open.wake = () => woken.abort();
    const everyMs = healer.clock.monotonicMs() - startedMs < lookSeldom.afterMs ? lookEveryMs : lookSeldom.everyMs;
    await healer.clock.sleep(everyMs, AbortSignal.any([ended.signal, healer.stopping, woken.signal]));
    if (ended.signal.aborted) return;
    if (healer.stopping.aborted || (await looksWell(open, ward, healer))) return ended.abort();
    if (isHandsOff(ward, healer)) return ended.abort();
    if (!woken.signal.aborted) continue;
    const { best } = await lookAt(ward, { symptom: open.news ?? open.incident.symptom, which: 'all' }, healer);
    if (best.cause !== waitedFor) return ended.abort();
  }
}
