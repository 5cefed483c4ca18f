import type { Step } from '../core/decision.ts';
import { isoOf } from '../core/time.ts';
import type { Healer } from './healer.ts';
import { useOfHostBudget } from './policy/budget-gates.ts';
import { limitsOf } from './policy/gates.ts';

/** Says so when the attempt that was just counted was the last one that the host's budget allows for now; `undefined` when some are left. */
export function spentBudget(step: Step, { actionTable: actions, safety, state, clock }: Healer): string | undefined {
  const { budget, counts } = limitsOf(actions, step);
  if (!counts || budget === 'none') return undefined;
  const now = { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() };
  const { used, times, freeAtMs = now.monotonicMs, text } = useOfHostBudget(budget, { actions, safety, history: state.state(), now });
  return used === times ? `${text}; the next is allowed at ${isoOf(freeAtMs, clock)}` : undefined;
}
