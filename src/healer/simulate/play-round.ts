/** One round of one incident: what the policy decides now, what would come of it, and when it is looked at again. */
import type { RungConfig } from '../../config/policy-schema.ts';
import type { Decision, Step } from '../../core/decision.ts';
import { lacksOnlyApproval } from '../policy/approvals.ts';
import { decide, finishGates, needsConfigTest } from '../policy/decide.ts';
import { limitsOf, touches } from '../policy/gates.ts';
import { climb } from '../policy/ladder.ts';
import { countAttempt, givenUp, rememberAttempt, verified } from '../policy/remember.ts';
import type { Entry, KnownResult } from './events.ts';
import { changeService, countFailure, decisionInput, takeTry, type Running, type World } from './world.ts';

type StandDown = Extract<Decision, { kind: 'stand_down' }>;

/** An incident that decides more often than this goes round in circles; the rest is cut. */
const mostRounds = 300;
/** As the healer after a word to somebody. */
const afterTellingMs = 100;
/** What an action whose length nothing tells is taken to need. */
const usualActionMs = 1000;

/** Plays the round that is due; the incident says then when the next one is. */
export function playRound(world: World, running: Running, nowMs: number): void {
  running.nextAtMs = Infinity;
  running.rounds += 1;
  if (running.rounds === mostRounds) say(running, { atMs: nowMs, kind: 'cut', text: `more than ${mostRounds} decisions: the rest is left out` });
  if (running.rounds >= mostRounds) return;
  const input = decisionInput(world, running, nowMs);
  const first = decide(input);
  const test = needsConfigTest(first, input.policy, input.actions) ? { configTest: 'pass' as const, detail: 'assumed' } : { configTest: 'none' as const, detail: '' };
  const { fence } = input.serviceState;
  const decision = finishGates(first, { ...test, fence: { expected: fence, now: fence } }, input.actions);
  const asks = asksAPerson(decision, input.policy.rules);
  const { step, rule } = decision;
  if (step && rule !== undefined && (decision.kind === 'recover' || decision.why === 'observe' || asks)) return act(world, running, { step, rule, asks, atMs: nowMs });
  if (decision.kind === 'stand_down') standDown(world, running, { decision, atMs: nowMs });
}

/** Approval is all that is missing, or the step says that it is asked for. */
function asksAPerson(decision: Decision, rules: readonly { readonly name: string; readonly try: readonly RungConfig[] }[]): boolean {
  if (decision.gates.some(({ verdict }) => verdict === 'refuse')) return lacksOnlyApproval(decision);
  if (decision.kind === 'stand_down' && decision.why !== 'observe') return false;
  const rung = rules.find(({ name }) => name === decision.rule)?.try[decision.step?.rung ?? 0];
  return decision.kind === 'stand_down' || rung?.approval !== undefined;
}

function act(world: World, running: Running, { step, rule, asks, atMs }: { readonly step: Step; readonly rule: string; readonly asks: boolean; readonly atMs: number }): void {
  const limits = limitsOf(world.setup.actions, step);
  running.ladder = climb(running.ladder, rule, step);
  if (limits.counts) {
    running.attempted = true;
    takeTry(world, atMs);
    world.history = { ...world.history, attempts: rememberAttempt(world.history.attempts, { service: running.service, incident: running.id, action: step.action, atMs }) };
    // The middle of the jitter: a simulation says the same every time.
    changeService(world, running.service, (service) => countAttempt(service, 0.5));
  }
  const pauseMs = pauseAfter(step);
  const told = pauseMs === undefined ? takeResult(running, step) : undefined;
  const helps = told?.helps ?? world.setup.assume === 'helps';
  const result = pauseMs === undefined ? (helps ? 'helps' : 'fails') : 'none';
  say(running, { atMs, kind: 'would', action: step.action, rule, touches: touches(limits), asks, result, known: told ? 'told' : 'assumed' });
  if (pauseMs !== undefined) running.nextAtMs = atMs + pauseMs;
  else verify(world, running, { helps, atMs: atMs + (told?.tookMs ?? usualActionMs) });
}

/** How long a step that repairs nothing holds the incident up; `undefined` for one that may help. */
function pauseAfter({ action, options, timeoutMs }: Step): number | undefined {
  if (action === 'page' || action === 'notify') return afterTellingMs;
  if (action !== 'wait' && action !== 'wait_for') return undefined;
  const atMost = options['at_most'];
  return Math.max(afterTellingMs, Math.min(timeoutMs, typeof atMost === 'number' ? atMost : timeoutMs));
}

/** Each known result is for one step. */
function takeResult(running: Running, { action }: Step): KnownResult | undefined {
  const at = running.results.findIndex((result) => result.action === undefined || result.action === action);
  const found = running.results[at];
  running.results = running.results.filter((_, i) => i !== at);
  return found;
}

function verify(world: World, running: Running, { helps, atMs }: { readonly helps: boolean; readonly atMs: number }): void {
  const { within, stable_for: stableFor } = world.setup.policies.get(running.service)!.policy.verify;
  if (helps) running.closesAtMs = atMs + stableFor;
  else failVerification(world, running, atMs + within);
}

/** It did not help: from `endedAtMs` on, the next step may follow. */
export function failVerification(world: World, running: Running, endedAtMs: number): void {
  changeService(world, running.service, (service) => verified(service, { incident: running.id, attempted: running.attempted, outcome: 'not_recovered', atMs: endedAtMs }));
  if (running.attempted) countFailure(world, running, endedAtMs);
  running.closesAtMs = undefined;
  running.nextAtMs = endedAtMs;
}

function standDown(world: World, running: Running, { decision, atMs }: { readonly decision: StandDown; readonly atMs: number }): void {
  const { why, step, rule, retryAtMs, reason } = decision;
  const until = retryAtMs === undefined ? {} : { untilMs: retryAtMs };
  running.nextAtMs = retryAtMs === undefined ? Infinity : Math.max(atMs + 1, retryAtMs);
  const gates = decision.gates.filter(({ verdict }) => verdict === 'refuse').map((gate) => ({ gate: gate.gate, reason: gate.reason }));
  const said = [why, rule, step?.action, ...gates.map(({ gate }) => gate)].join('|');
  // As in the record: what stays the same is said once.
  if (said === running.lastSaid) return;
  if (why === 'refused' && step && rule !== undefined) say(running, { atMs, kind: 'refused', action: step.action, rule, gates, ...until });
  else if (why === 'pending' || why === 'no_rule' || why === 'exhausted') say(running, { atMs, kind: why, text: reason, ...(rule === undefined ? {} : { rule }), ...until });
  running.lastSaid = said;
  if (why === 'exhausted' && running.attempted && hasRealSteps(world, running.service, rule)) giveUp(world, running, { reason, atMs });
}

/** A rule that only waits or tells has nothing to give up. */
function hasRealSteps(world: World, service: string, rule: string | undefined): boolean {
  const rungs = world.setup.policies.get(service)?.policy.rules.find(({ name }) => name === rule)?.try ?? [];
  return rungs.some((rung) => limitsOf(world.setup.actions, rung.do).counts);
}

function giveUp(world: World, running: Running, { reason, atMs }: { readonly reason: string; readonly atMs: number }): void {
  changeService(world, running.service, (service) => givenUp(service, { incident: running.id, reason, atMs }));
  say(running, { atMs, kind: 'gave_up', text: 'gives up: a person is told, and waited for' });
}

function say(running: Running, entry: Entry): void {
  running.lastSaid = '';
  running.entries.push(entry);
}
