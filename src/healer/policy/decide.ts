/**
 * What is done now: the next step of the matching rule if every gate lets it through, else why nothing is done.
 * Pure: time, state of the service, diagnosis and history are handed in; the same input always gives the same decision.
 */
import type { PolicyConfig, RuleConfig } from '../../config/policy-schema.ts';
import type { Decision, GateResult, Step } from '../../core/decision.ts';
import { formatDuration } from '../../core/time.ts';
import { isRefused, termsFor } from './approvals.ts';
import { askGates } from './ask-gates.ts';
import { disturbs, limitsOf, touches, type ActionTable, type GateInput } from './gates.ts';
import { halfOpen } from './limits.ts';
import { lastStep, nextStep, type Ladder, type NextStep } from './ladder.ts';

export interface DecisionInput extends Omit<GateInput, 'rule' | 'step'> {
  /** How far the rules were climbed in this incident; empty for a new one. */
  readonly ladder: Ladder;
  /** Monotonic time since when the best suspect's cause has been the same. */
  readonly causeSinceMs: number;
}

type StandDown = Extract<Decision, { kind: 'stand_down' }>;

/**
 * The decision before the two gates that cost something: with `recover` (and with `observe`) the caller makes the
 * config test where {@link needsConfigTest} says so, looks at the service once more, and asks {@link finishGates}.
 */
export function decide(input: DecisionInput): Decision {
  const {
    diagnosis: { best },
    now,
  } = input;
  const next = upNext(input);
  switch (next.kind) {
    case 'no_rule':
      return standDown('no_rule', `no rule is for ${best.cause} (${best.confidence}), so somebody is told`, { rule: undefined, step: pageStep });
    case 'pending':
      return standDown('pending', `the rule "${next.rule.name}" waits until the cause has lasted ${formatDuration(next.rule.when.lasting)}`, {
        rule: next.rule.name,
        step: next.step,
        retryAtMs: Math.ceil(now.wallMs + next.waitMs),
      });
    case 'used_up':
      return afterLastRung(input, next.rule);
    case 'step':
      return judge(input, next.rule, next.step);
  }
}

/** The step whose turn it is, before any gate is asked. */
export function upNext(input: DecisionInput): NextStep {
  const { policy, diagnosis, now, ladder } = input;
  return nextStep(policy.rules, ladder, {
    suspect: diagnosis.best,
    lastedMs: now.monotonicMs - input.causeSinceMs,
    isRefused: (rule, rung) => isRungRefused(input, rule, rung),
  });
}

/** Must the service's own configuration test pass before this step? The action says so, or the rung's `first`. */
export function needsConfigTest(decision: Decision, policy: PolicyConfig, actions: ActionTable): boolean {
  if (!decision.step) return false;
  const rung = policy.rules.find((rule) => rule.name === decision.rule)?.try[decision.step.rung];
  return limitsOf(actions, decision.step).configTest || (rung?.first.includes('config_test') ?? false);
}

/** What the two last gates found. */
export interface LastLook {
  /** `none`: the service has no test, or the step needs none; `unknown`: it did not end in time. */
  readonly configTest: 'pass' | 'fail' | 'unknown' | 'none';
  /** The tool's own line, or why there is no result. */
  readonly detail: string;
  /** The other checks that the rung asks for with `first`, made; `text` has the numbers. */
  readonly firsts?: readonly { readonly name: string; readonly passed: boolean; readonly text: string }[];
  /** The service's run when it was diagnosed, and now; empty when nothing runs. */
  readonly fence: { readonly expected: string; readonly now: string };
}

/** The decision with its last two gates. A decision that was refused already is returned as it is. */
export function finishGates(decision: Decision, look: LastLook, actions: ActionTable): Decision {
  if (decision.kind === 'stand_down' && decision.why !== 'observe') return decision;
  const { step, rule } = decision;
  if (!step || rule === undefined) return decision;
  const last: Partial<Record<string, GateResult>> = { config_test: firstChecksGate(look, step, actions), fence: fenceGate(look, step, actions) };
  const gates = decision.gates.map((result) => last[result.gate] ?? result);
  if (gates.some((result) => result.verdict === 'refuse')) return refused(rule, step, gates);
  return { ...decision, gates };
}

function afterLastRung(input: DecisionInput, rule: RuleConfig): Decision {
  const { policy, now, history, incident, actions } = input;
  const retryAfter = policy.give_up.retry_after;
  const open = halfOpen(history.services.get(incident.service)?.gaveUp, retryAfter, now.monotonicMs);
  const again = lastStep(rule, (rung, index) => limitsOf(actions, rung.do).counts && !isRungRefused(input, rule, index));
  if (open.kind === 'one_try' && again) return judge(input, rule, again);
  const waitMs = open.kind === 'later' ? open.atMs - now.monotonicMs : open.kind === 'not_given_up' && retryAfter !== 'never' ? retryAfter : undefined;
  const then = again && waitMs !== undefined ? `one further attempt in ${formatDuration(waitMs)}` : 'waiting for a human';
  return standDown('exhausted', `every step of the rule "${rule.name}" was ${refusedRungs(input, rule) ? 'tried without help, or nobody agreed to it' : 'tried and did not help'}; ${then}`, {
    rule: rule.name,
    step: pageStep,
    ...(again && waitMs !== undefined ? { retryAtMs: Math.ceil(now.wallMs + waitMs) } : {}),
  });
}

function judge(input: DecisionInput, rule: RuleConfig, step: Step): Decision {
  const gates = askGates({ ...input, rule, step });
  if (gates.some((result) => result.verdict === 'refuse')) return refused(rule.name, step, gates);
  if (input.policy.mode !== 'observe') return { kind: 'recover', rule: rule.name, step, gates };
  return standDown('observe', `would do ${step.action} by the rule "${rule.name}", but the policy's mode is ${input.policy.mode}`, { rule: rule.name, step, gates });
}

function refused(rule: string, step: Step, gates: readonly GateResult[]): StandDown {
  const refusing = gates.filter((result) => result.verdict === 'refuse');
  const times = refusing.flatMap((result) => result.allowedAtMs ?? []);
  // Time helps only when it opens every gate that refuses.
  const retry = times.length === refusing.length ? { retryAtMs: Math.max(...times) } : {};
  const why = refusing.map((result) => `${result.gate} (${result.reason})`).join(' and ');
  return standDown('refused', `${step.action} is refused by ${why}`, { rule, step, gates, ...retry });
}

/** Of this incident: a person said no to the rung, or said nothing where that is a no. */
function isRungRefused({ policy, approvals, now }: DecisionInput, rule: RuleConfig, index: number): boolean {
  const rung = rule.try[index]!;
  const otherwise = termsFor(policy, rule, { rung: index }, true)?.otherwise;
  return otherwise !== undefined && isRefused(approvals, { rule: rule.name, rung: index, action: rung.do }, { otherwise, now });
}

function refusedRungs(input: DecisionInput, rule: RuleConfig): boolean {
  return rule.try.some((_, index) => isRungRefused(input, rule, index));
}

/** What the rung wants to see first. All of it is said; one that fails is enough. */
function firstChecksGate(look: LastLook, step: Step, actions: ActionTable): GateResult {
  const test = configTestGate(look, step, actions);
  const firsts = look.firsts ?? [];
  const failed = firsts.filter(({ passed }) => !passed);
  if (failed.length === 0) return { ...test, reason: [test.reason, ...firsts.map(({ text }) => text)].join('; ') };
  const said = failed.map(({ name, text }) => `${name} failed: ${text}`).join('; ');
  return { gate: 'config_test', verdict: 'refuse', reason: test.verdict === 'refuse' ? `${test.reason}; ${said}` : said };
}

function configTestGate(look: LastLook, step: Step, actions: ActionTable): GateResult {
  const gate = 'config_test';
  switch (look.configTest) {
    case 'pass':
      return { gate, verdict: 'pass', reason: `the configuration test passed${look.detail ? `: ${look.detail}` : ''}` };
    case 'none':
      return { gate, verdict: 'pass', reason: look.detail || 'no configuration test is needed' };
    case 'fail':
      return { gate, verdict: 'refuse', reason: `the configuration test failed: ${look.detail}` };
    case 'unknown': {
      // Loading hundreds of pools takes long. A dead service has nothing to lose by a start; a living one has.
      const harm = disturbs(limitsOf(actions, step));
      return {
        gate,
        verdict: harm ? 'refuse' : 'pass',
        reason: `the configuration test gave no result (${look.detail}), which ${harm ? `blocks ${step.action}` : `never blocks ${step.action}`}`,
      };
    }
  }
}

function fenceGate({ fence }: LastLook, step: Step, actions: ActionTable): GateResult {
  if (!touches(limitsOf(actions, step))) return { gate: 'fence', verdict: 'pass', reason: `${step.action} does not touch the service` };
  const shown = (text: string) => text || 'nothing running';
  if (fence.expected === fence.now) return { gate: 'fence', verdict: 'pass', reason: `still the run that was diagnosed (${shown(fence.now)})` };
  return { gate: 'fence', verdict: 'refuse', reason: `stale decision: ${shown(fence.expected)} was diagnosed, now it is ${shown(fence.now)}; somebody else acted` };
}

/** What happens when nothing else can be done: somebody is told. */
const pageStep: Step = { action: 'page', options: {}, timeoutMs: 60_000, attempt: 1, rung: 0 };

function standDown(
  why: StandDown['why'],
  reason: string,
  rest: { readonly rule: string | undefined; readonly step: Step | undefined; readonly gates?: readonly GateResult[]; readonly retryAtMs?: number },
): StandDown {
  return { kind: 'stand_down', why, reason, gates: [], ...rest };
}
