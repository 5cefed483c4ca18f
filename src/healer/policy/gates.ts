/**
 * The gates: each says, with its numbers, whether an action may be done now. All are asked, in one fixed order, so that
 * the record shows everything that stood in the way and not only the first. Pure: no gate looks at the machine.
 */
import type { PolicyConfig, RuleConfig } from '../../config/policy-schema.ts';
import type { SafetyConfig } from '../../config/safety-schema.ts';
import { gateNames, type ActionName, type GateName, type GateResult, type Reach, type Step } from '../../core/decision.ts';
import { confidences, isAtLeast, type Confidence, type Diagnosis } from '../../core/diagnosis.ts';
import { formatDuration } from '../../core/time.ts';
import type { Action, ServiceState } from '../leaves.ts';
import { assumedAttempts, backoffEndMs, cooldownEndMs, halfOpen, useOfWindow, type Approval, type HealingHistory, type Now } from './limits.ts';
import type { Surroundings } from './surroundings.ts';

/** What the limits need to know of an action. */
export type ActionLimits = Pick<Action, 'reach' | 'needs' | 'counts' | 'budget' | 'configTest'>;

/** The limits of every action that exists, by its name in policies. */
export type ActionTable = ReadonlyMap<ActionName, ActionLimits>;

/** Everything that a gate may look at. */
export interface GateInput {
  readonly now: Now;
  readonly incident: { readonly id: string; readonly service: string; readonly openedAtMs: number };
  readonly policy: PolicyConfig;
  readonly safety: SafetyConfig;
  readonly actions: ActionTable;
  readonly diagnosis: Diagnosis;
  readonly serviceState: ServiceState;
  readonly history: HealingHistory;
  readonly surroundings: Surroundings;
  /** Of the file that the policy stands in. */
  readonly policySha256: string;
  /** Questions that were asked in this incident. */
  readonly approvals: readonly Approval[];
  readonly rule: RuleConfig;
  readonly step: Step;
}

/** Asks every gate, in the order of {@link gateNames}. Config test and fence cost something and are left `not_evaluated`. */
export function askGates(input: GateInput): readonly GateResult[] {
  return gateNames.map((gate) => ({ gate, ...gates[gate](input) }));
}

/** The limits of an action; throws for one that the loader must have refused. */
export function limitsOf(actions: ActionTable, name: ActionName): ActionLimits {
  const found = actions.get(name);
  if (!found) throw new Error(`expected the action ${name} to be known: policies that name another are refused when they are read`);
  return found;
}

/** Can the action disturb or start the service at all? Waiting and telling people cannot. */
export function touches(action: ActionLimits): boolean {
  return action.counts || action.reach !== 'none';
}

/** One gate's word. */
export type Verdict = Omit<GateResult, 'gate'>;

const gates: Readonly<Record<GateName, (input: GateInput) => Verdict>> = {
  enabled,
  paused,
  maintenance: () => pass('no maintenance window is configured'),
  change_in_progress: changeInProgress,
  deliberate_stop: deliberateStop,
  humans_first: () => pass('no quiet time after the work of people is configured'),
  supervisor_first: supervisorFirst,
  dependency_open: () => pass('no dependencies are configured'),
  never,
  confidence,
  breaker: () => pass('no circuit breaker is configured'),
  host_budget: hostBudget,
  max_attempts: maxAttempts,
  cooldown,
  approval: () => later('asked only when every other gate passes'),
  config_test: () => later('asked only when every other gate passes'),
  fence: () => later('compared only when every other gate passes'),
};

function enabled({ safety, history, incident }: GateInput): Verdict {
  if (!safety.enabled) return refuse('healing is switched off for this host (safety.enabled is false)');
  const off = history.host.off ?? history.services.get(incident.service)?.off;
  return off ? refuse(`switched off by ${off.by}: ${off.reason}`) : pass('healing is switched on');
}

function paused({ history, incident, now }: GateInput): Verdict {
  const pauses = [history.host.paused, history.services.get(incident.service)?.paused].filter((one) => one !== undefined);
  const pause = pauses.toSorted((a, b) => b.untilMs - a.untilMs)[0];
  const leftMs = pause ? pause.untilMs - now.monotonicMs : 0;
  if (!pause || leftMs <= 0) return pass('not paused');
  const untilMs = Math.ceil(now.wallMs + leftMs);
  return refuse(`paused until ${new Date(untilMs).toISOString()} (${formatDuration(leftMs)} more): ${pause.reason}`, untilMs);
}

function changeInProgress(input: GateInput): Verdict {
  const { state, text } = input.serviceState;
  if (state !== 'starting' && state !== 'stopping') return pass('no change of the service is under way');
  return stepTouches(input) ? refuse(`the service is ${state} right now: ${text}`) : harmless(input);
}

function deliberateStop(input: GateInput): Verdict {
  const { serviceState, diagnosis } = input;
  const stopped = serviceState.state === 'stopped';
  if (!stopped && diagnosis.best.cause !== 'service.stopped_by_operator') return pass('the service was not stopped on purpose');
  if (!stepTouches(input)) return harmless(input);
  return refuse(`${stopped ? serviceState.text : diagnosis.best.sentence}; what was stopped on purpose is never started by goodgateway`);
}

function supervisorFirst(input: GateInput): Verdict {
  const { serviceState, policy, incident, now } = input;
  if (serviceState.supervisorActsInMs === undefined) return pass('no supervisor is about to act by itself');
  if (!stepTouches(input)) return harmless(input);
  // 2 s: time for the supervisor's own start to show, so that two starts do not meet.
  const configuredMs = policy.service.defer_to_supervisor;
  const waitMs = configuredMs ?? serviceState.supervisorActsInMs + 2000;
  const fromMs = configuredMs === undefined ? now.wallMs : incident.openedAtMs;
  const allowedAtMs = Math.ceil(fromMs + waitMs);
  if (allowedAtMs <= now.wallMs) return pass(`the supervisor had its ${formatDuration(waitMs)}`);
  return refuse(`the supervisor restarts the service by itself in ${formatDuration(serviceState.supervisorActsInMs)}; it goes first`, allowedAtMs);
}

function never({ rule, policy, step }: GateInput): Verdict {
  if (rule.never.includes(step.action)) return refuse(`the rule "${rule.name}" forbids ${step.action}`);
  if (policy.never.includes(step.action)) return refuse(`the policy ${policy.name} forbids ${step.action}`);
  return pass(`neither rule nor policy forbids ${step.action}`);
}

/** Who can disturb more must be surer; an action's own `needs` may ask for more still. */
const neededForReach: Readonly<Record<Reach, Confidence>> = { none: 'possible', worker: 'possible', pool: 'likely', service: 'likely', host: 'certain' };

function confidence({ actions, step, diagnosis: { best } }: GateInput): Verdict {
  const { needs, reach } = limitsOf(actions, step.action);
  if (best.cause === 'unknown') return pass(`the rule asks for ${step.action} although the cause is unknown`);
  const needed = confidences[Math.max(confidences.indexOf(needs), confidences.indexOf(neededForReach[reach]))]!;
  const compared = `${best.cause} is ${best.confidence}; ${step.action} (reach: ${reach}) needs ${needed}`;
  return isAtLeast(best.confidence, needed) ? pass(compared) : refuse(compared);
}

function hostBudget({ actions, step, safety, history, now }: GateInput): Verdict {
  const { budget } = limitsOf(actions, step.action);
  if (budget === 'none') return pass(`${step.action} costs nothing of the host's budget`);
  const times = budget === 'start' ? safety.host_budget.starts : safety.host_budget.disruptive_actions;
  const spent = history.attempts.filter((attempt) => actions.get(attempt.action)?.budget === budget);
  // Starts are not assumed after a lost record: a dead service disturbs nobody by being started.
  const assumed = budget === 'start' ? [] : assumedAttempts(history, times);
  const withinMs = safety.host_budget.within;
  const use = useOfWindow([...spent.map((attempt) => attempt.atMs), ...assumed], { times, withinMs }, now.monotonicMs);
  const kind = budget === 'start' ? 'starts of dead services' : 'disruptive actions';
  const counted = `${use.used} of ${times} ${kind} on this host within ${formatDuration(withinMs)} are used`;
  if (use.used < times) return pass(counted);
  return refuseUntil(`${counted}${spentBy(spent, withinMs, now)}`, use.freeAtMs, now);
}

function spentBy(spent: GateInput['history']['attempts'], withinMs: number, now: Now): string {
  const inside = spent.filter((attempt) => now.monotonicMs - attempt.atMs < withinMs);
  // Twelve are enough to see who it was, and the record stays small.
  const shown = inside.slice(-12).map((attempt) => `${attempt.service} ${attempt.action} ${formatDuration(now.monotonicMs - attempt.atMs)} ago`);
  return shown.length > 0 ? ` (${shown.join(', ')})` : '';
}

function maxAttempts(input: GateInput): Verdict {
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

function cooldown(input: GateInput): Verdict {
  const { history, incident, now, policy } = input;
  if (!counts(input)) return pass(`${input.step.action} needs no quiet time`);
  const service = history.services.get(incident.service);
  const lastHere = history.attempts.findLast((attempt) => attempt.service === incident.service && attempt.incident === incident.id);
  if (service && lastHere) {
    const endMs = backoffEndMs(service, lastHere.atMs, policy.limits.backoff);
    const text = `back-off after attempt ${service.backoff.attempts} since the service was last healthy for ${formatDuration(policy.limits.backoff.reset_after)}`;
    return endMs <= now.monotonicMs ? pass(`${text} is over`) : refuseUntil(text, endMs, now);
  }
  const endMs = cooldownEndMs(service, incident.id, policy.limits.cooldown);
  if (endMs === undefined) return pass('no incident before this one is known');
  const text = `cooldown of ${formatDuration(policy.limits.cooldown)} after the verification of the incident before`;
  return endMs <= now.monotonicMs ? pass(`${text} is over`) : refuseUntil(text, endMs, now);
}

function counts({ actions, step }: GateInput): boolean {
  return limitsOf(actions, step.action).counts;
}

function stepTouches({ actions, step }: GateInput): boolean {
  return touches(limitsOf(actions, step.action));
}

function harmless({ step }: GateInput): Verdict {
  return pass(`${step.action} does not touch the service`);
}

/** Nothing stands in the way. */
export function pass(reason: string): Verdict {
  return { verdict: 'pass', reason };
}

/** Something does; `allowedAtMs`: wall time at which it ends by itself. */
export function refuse(reason: string, allowedAtMs?: number): Verdict {
  return allowedAtMs === undefined ? { verdict: 'refuse', reason } : { verdict: 'refuse', reason, allowedAtMs };
}

function refuseUntil(reason: string, atMonotonicMs: number | undefined, now: Now): Verdict {
  if (atMonotonicMs === undefined) return refuse(reason);
  const leftMs = atMonotonicMs - now.monotonicMs;
  return refuse(`${reason}; allowed in ${formatDuration(leftMs)}`, Math.ceil(now.wallMs + leftMs));
}

function later(reason: string): Verdict {
  return { verdict: 'not_evaluated', reason };
}
