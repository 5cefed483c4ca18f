/** What people have said to the healer, and what it asks them, as `status --json` spells it. */
import { isoOf } from '../../core/time.ts';
import { useOfHostBudget } from '../policy/budget-gates.ts';
import type { Healer } from '../healer.ts';
import { isLive } from '../questions.ts';
import { hostScope, serviceScope, type Restraint } from './scope.ts';

/** The host: switched off, paused, the circuit breaker, what is left of its budgets. */
export function describeHost(healer: Healer): object {
  const { breaker } = healer.state.state().host;
  const { within } = healer.safety.host_budget;
  return {
    ...describeRestraint(hostScope(healer).restraint(), healer),
    breaker: breaker ? { since: isoOf(breaker.openedAtMs, healer.clock), reason: breaker.reason, tried: breaker.tried } : null,
    budget: { disruptive: used('disruptive', healer), starts: used('start', healer), within_ms: within },
  };
}

/** One service: switched off, paused, since when it was given up, what a person is asked. */
export function describeWords(service: string, healer: Healer): object {
  const { services, incidents } = healer.state.state();
  const gaveUp = services.get(service)?.gaveUp;
  const open = incidents.find((incident) => incident.service === service);
  return {
    ...describeRestraint(serviceScope(service, healer).restraint(), healer),
    gave_up_since: gaveUp ? isoOf(gaveUp.sinceMs, healer.clock) : null,
    questions: (open?.approvals ?? [])
      .filter((one) => isLive(one) && one.verdict === 'asked' && one.untilMs > healer.clock.monotonicMs())
      .map(({ code, action, rule, untilMs }) => ({ code, action, rule, until: isoOf(untilMs, healer.clock) })),
  };
}

function describeRestraint({ off, paused }: Restraint, healer: Healer): object {
  const isPaused = paused && paused.untilMs > healer.clock.monotonicMs();
  return {
    off: off ? { since: isoOf(off.sinceMs, healer.clock), by: off.by, reason: off.reason } : null,
    paused: isPaused ? { until: isoOf(paused.untilMs, healer.clock), reason: paused.reason } : null,
  };
}

/** As the gate counts it: after a lost record all disruptive actions but one are assumed. */
function used(budget: 'disruptive' | 'start', { state, safety, actionTable, clock }: Healer): { readonly used: number; readonly of: number } {
  const now = { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() };
  const { used, times } = useOfHostBudget(budget, { actions: actionTable, safety, history: state.state(), now });
  return { used, of: times };
}
