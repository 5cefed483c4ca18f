/** Gates that count: the breaker, the host's budgets, the attempts of the service, and the time since the last one. */
import type { ActionName } from '../../core/decision.ts';
import { formatDuration } from '../../core/time.ts';
import { breakerState } from './breaker-limits.ts';
import { disturbs, harmless, limitsOf, pass, refuse, refuseFor, refuseUntil, startsTheDead, stepTouches, until, type GateInput, type Verdict } from './gates.ts';
import { assumedAttempts, backoffEndMs, cooldownEndMs, halfOpen, useOfWindow, type Attempt, type Now, type ServiceHistory } from './limits.ts';

/** What the limits of the whole host are judged by: the part of it that other services change. */
type HostLimitsInput = Pick<GateInput, 'now' | 'safety' | 'actions' | 'history' | 'step'> & { readonly incident: { readonly service: string } };

/**
 * Why the host's limits forbid the step at this very moment; `undefined` when they allow it. To be asked again right
 * before the intent: what was decided a moment ago may have been spent by another service meanwhile.
 */
export function overHostLimits(input: HostLimitsInput): string | undefined {
  return [breakerVerdict(input), budgetVerdict(input)].find(({ verdict }) => verdict === 'refuse')?.reason;
}

/** Many that fail together are one cause that no restart mends; many attempts that did not help are reason to stop. */
export function breaker(input: GateInput): Verdict {
  const { surroundings, actions, step, now } = input;
  const shared = surroundings.sharedCause;
  if (shared && disturbs(limitsOf(actions, step))) return refuseFor([shared], now);
  const verdict = breakerVerdict(input);
  return shared && verdict.verdict === 'pass' ? pass(`${verdict.reason}; ${shared.text}, which only holds up what disturbs`) : verdict;
}

function breakerVerdict(input: HostLimitsInput): Verdict {
  const { history, safety, now } = input;
  const state = breakerState(history, safety.breaker, now.monotonicMs);
  if (state.kind === 'closed') return pass('the circuit breaker is closed');
  if (!stepTouches(input)) return harmless(input);
  const dead = startsTheDead(limitsOf(input.actions, input.step));
  // one service that crashes again and again must not keep another one down
  if (dead && !history.host.failures.some(({ service }) => service === input.incident.service))
    return pass(`the circuit breaker is open, but not because of ${input.incident.service}: it is dead, and may be started`);
  const opened = `the circuit breaker opened ${formatDuration(now.monotonicMs - state.breaker.openedAtMs)} ago: ${state.breaker.reason}`;
  switch (state.kind) {
    case 'open':
      return refuseUntil(`${opened}; nothing is done ${until(state.untilMs, now)}, then one try`, state.untilMs, now);
    case 'trying':
      return refuseUntil(`${opened}; the one try is made and decides`, state.untilMs, now);
    case 'one_try':
      return pass(`${opened}; this is the one try that decides`);
  }
}

/** Is something left of what the host may do in a time, and of what systemd will start? */
export function hostBudget(input: GateInput): Verdict {
  const kept = keptForHumans(input);
  const verdict = budgetVerdict(input);
  if (!kept) return verdict;
  return verdict.verdict === 'refuse' ? refuse(`${kept}; ${verdict.reason}`) : refuse(kept);
}

/** These use up one of the starts that systemd allows in a time. A reset gives all of them back before it uses one. */
const usesAStart: ReadonlySet<ActionName> = new Set(['start', 'restart', 'terminate_orphans']);

function keptForHumans({ serviceState: { startsLeft }, safety, step }: GateInput): string | undefined {
  const keep = safety.host_budget.keep_for_humans;
  if (startsLeft === undefined || startsLeft > keep || !usesAStart.has(step.action)) return undefined;
  return `systemd would start the unit ${startsLeft} more ${startsLeft === 1 ? 'time' : 'times'} (StartLimitBurst), and ${keep} ${keep === 1 ? 'is' : 'are'} kept for people`;
}

function budgetVerdict(input: HostLimitsInput): Verdict {
  const { budget } = limitsOf(input.actions, input.step);
  if (budget === 'none') return pass(`${input.step.action} costs nothing of the host's budget`);
  const { used, times, text, freeAtMs } = useOfHostBudget(budget, input);
  return used < times ? pass(text) : refuseUntil(text, freeAtMs, input.now);
}

/** How much of the host's budget is used. `text` says it, and once nothing is left also by whom; then `freeAtMs`, monotonic, is when the next is allowed. */
export function useOfHostBudget(
  budget: 'start' | 'disruptive',
  { actions, safety, history, now }: Pick<HostLimitsInput, 'actions' | 'safety' | 'history' | 'now'>,
): { readonly used: number; readonly times: number; readonly freeAtMs: number | undefined; readonly text: string } {
  const times = budget === 'start' ? safety.host_budget.starts : safety.host_budget.disruptive_actions;
  const spent = history.attempts.filter((attempt) => (attempt.budget ?? actions.get(attempt.action)?.budget) === budget);
  // Starts are not assumed after a lost record: a dead service disturbs nobody by being started.
  const assumed = budget === 'start' ? [] : assumedAttempts(history, times);
  const withinMs = safety.host_budget.within;
  const { used, freeAtMs } = useOfWindow([...spent.map((attempt) => attempt.atMs), ...assumed], { times, withinMs }, now.monotonicMs);
  const kind = budget === 'start' ? 'starts of dead services' : 'disruptive actions';
  const text = `${used} of ${times} ${kind} on this host within ${formatDuration(withinMs)} are used${used < times ? '' : spentBy(spent, withinMs, now)}`;
  return { used, times, freeAtMs, text };
}

function spentBy(spent: readonly Attempt[], withinMs: number, now: Now): string {
  const inside = spent.filter((attempt) => now.monotonicMs - attempt.atMs < withinMs);
  // Twelve are enough to see who it was, and the record stays small.
  const shown = inside.slice(-12).map((attempt) => `${attempt.service} ${attempt.action} ${formatDuration(now.monotonicMs - attempt.atMs)} ago`);
  return shown.length > 0 ? ` (${shown.join(', ')})` : '';
}

/** So many attempts in so long, of all incidents of the service together; and none once it was given up. */
export function maxAttempts(input: GateInput): Verdict {
  const { history, incident, now, policy } = input;
  if (!counts(input)) return pass(`${input.step.action} does not count as an attempt`);
  const { times, within } = policy.limits.max_attempts;
  const own = history.attempts.filter((attempt) => attempt.service === incident.service).map((attempt) => attempt.atMs);
  const use = useOfWindow([...own, ...assumedAttempts(history, times)], { times, withinMs: within }, now.monotonicMs);
  const counted = `${use.used} of ${times} attempts within ${formatDuration(within)} are used${history.lostAtMs === undefined ? '' : ' (the record was lost: all but one are assumed)'}`;
  const gaveUp = history.services.get(incident.service)?.gaveUp;
  const open = halfOpen(gaveUp, policy.give_up.retry_after, now.monotonicMs);
  switch (open.kind) {
    case 'not_given_up':
      return use.used < times ? pass(counted) : refuseUntil(counted, use.freeAtMs, now);
    case 'one_try':
      return pass(`given up ${formatDuration(now.monotonicMs - gaveUp!.sinceMs)} ago; this is the one further attempt, whatever the window says (${counted})`);
    case 'later':
      return refuseUntil(`given up: ${gaveUp!.reason}; one further attempt is allowed`, open.atMs, now);
    case 'human_only':
      return refuse(`given up: ${gaveUp!.reason}; ${gaveUp!.retried ? 'the one further attempt is used; ' : ''}waiting for a human`);
  }
}

/**
 * Back-off inside an incident, cooldown between incidents. A cooldown gives a living service time to settle before it
 * is disturbed again; a dead one has nothing to settle, and every second of it is an outage. So the start of a dead
 * service waits, between incidents too, only for the growing back-off, and never longer than the cooldown. What bounds a
 * service that dies again and again are that growth, `max_attempts`, and the host's budget of starts.
 */
export function cooldown(input: GateInput): Verdict {
  const { history, incident, now, policy, actions, step } = input;
  if (!counts(input)) return pass(`${step.action} needs no quiet time`);
  const service = history.services.get(incident.service);
  const lastHere = history.attempts.findLast((attempt) => attempt.service === incident.service && attempt.incident === incident.id);
  if (service && lastHere) return endsAt(backoffText(service, input), backoffEndMs(service, lastHere.atMs, policy.limits.backoff), now);
  const cooldownMs = cooldownEndMs(service, incident.id, policy.limits.cooldown);
  if (!service || cooldownMs === undefined) return pass('no incident before this one is known');
  const text = `cooldown of ${formatDuration(policy.limits.cooldown)} after the verification of the incident before`;
  const last = history.attempts.findLast((attempt) => attempt.service === incident.service);
  if (!last || !startsTheDead(limitsOf(actions, step))) return endsAt(text, cooldownMs, now);
  const backoffMs = backoffEndMs(service, last.atMs, policy.limits.backoff);
  return backoffMs < cooldownMs ? endsAt(`${backoffText(service, input)} (the start of a dead service waits for no cooldown)`, backoffMs, now) : endsAt(text, cooldownMs, now);
}

function backoffText({ backoff }: ServiceHistory, { policy }: GateInput): string {
  return `back-off after attempt ${backoff.attempts} since the service was last healthy for ${formatDuration(policy.limits.backoff.reset_after)}`;
}

function endsAt(text: string, endMs: number, now: Now): Verdict {
  return endMs <= now.monotonicMs ? pass(`${text} is over`) : refuseUntil(text, endMs, now);
}

function counts({ actions, step }: GateInput): boolean {
  return limitsOf(actions, step).counts;
}
