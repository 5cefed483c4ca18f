/** A service `php-fpm` that crashed a second ago, and everything that a decision about it needs; tests change one thing. */
import { policySchema } from '../../../src/config/policy-schema.ts';
import { safetySchema } from '../../../src/config/safety-schema.ts';
import type { ActionName, Decision, GateName } from '../../../src/core/decision.ts';
import type { CauseName, Confidence, Diagnosis } from '../../../src/core/diagnosis.ts';
import type { ServiceState } from '../../../src/healer/leaves.ts';
import type { DecisionInput } from '../../../src/healer/policy/decide.ts';
import type { ActionLimits } from '../../../src/healer/policy/gates.ts';
import type { Approval, Attempt, HostHistory, ServiceHistory } from '../../../src/healer/policy/limits.ts';
import { quietSurroundings, type Surroundings } from '../../../src/healer/policy/surroundings.ts';

export const wallMs = Date.UTC(2026, 10, 22, 3, 12, 0);
export const monotonicMs = 9_000_000;
export const second = 1000;
export const minute = 60 * second;
export const hour = 60 * minute;

export const actions = new Map<ActionName, ActionLimits>([
  ['start', { reach: 'service', reversible: false, needs: 'likely', counts: true, budget: 'start', configTest: false }],
  ['terminate_orphans', { reach: 'service', reversible: false, needs: 'likely', counts: true, budget: 'start', configTest: false }],
  ['reset_failed_and_start', { reach: 'service', reversible: false, needs: 'likely', counts: true, budget: 'start', configTest: false }],
  ['reload', { reach: 'service', reversible: false, needs: 'likely', counts: true, budget: 'disruptive', configTest: true }],
  ['restart', { reach: 'service', reversible: false, needs: 'likely', counts: true, budget: 'disruptive', configTest: true }],
  ['switch_upstream', { reach: 'none', reversible: true, needs: 'certain', counts: false, budget: 'none', configTest: false }],
  ['shed_load', { reach: 'service', reversible: true, needs: 'possible', counts: true, budget: 'none', configTest: false }],
  ['run', { reach: 'host', reversible: false, needs: 'likely', counts: true, budget: 'disruptive', configTest: false }],
  ['wait', { reach: 'none', reversible: true, needs: 'possible', counts: false, budget: 'none', configTest: false }],
  ['page', { reach: 'none', reversible: true, needs: 'possible', counts: false, budget: 'none', configTest: false }],
]);

export const startRule = { name: 'Crashed, so start it', when: { cause: 'service.crashed' }, try: [{ do: 'start', attempts: 2, timeout: '30s' }] };
export const hungRule = {
  name: 'Hung, so reload, then restart',
  when: { cause: 'service.hung', lasting: '30s' },
  try: [{ do: 'reload', attempts: 2 }, { do: 'restart' }],
};

export function policyOf(over: Record<string, unknown> = {}) {
  return policySchema.parse({ version: 1, name: 'php-fpm', mode: 'act', service: { type: 'external' }, rules: [startRule, hungRule], ...over });
}

/** A policy whose one rule answers this cause with this step, however unsure the cause is. */
export function policyFor(cause: CauseName, rung: Record<string, unknown>, over: Record<string, unknown> = {}) {
  return policyOf({ rules: [{ name: 'The one rule', when: { cause, confidence: 'possible' }, try: [rung] }], ...over });
}

export function diagnosed(cause: CauseName, confidence: Confidence = 'certain'): Diagnosis {
  return { best: { cause, confidence, subject: 'php-fpm', sentence: `php-fpm: ${cause}`, because: [], against: [], remedy: '' }, others: [], evidence: [] };
}

export function stateOf(state: ServiceState['state'], over: Partial<ServiceState> = {}): ServiceState {
  return { state, text: `php-fpm is ${state}`, pids: [], fence: '', ...over };
}

export const quiet: ServiceHistory = { verifications: [], backoff: { attempts: 0, draw: 0.5 }, recoveries: [] };

/** An attempt of the service, so many milliseconds ago, of an earlier incident unless said otherwise. */
export function ago(ms: number, over: Partial<Attempt> = {}): Attempt {
  return { service: 'php-fpm', incident: 'EARLIER', action: 'start', atMs: monotonicMs - ms, ...over };
}

/** A question about the one step of {@link policyFor}, asked a minute ago, with nine minutes left. */
export function asked(verdict: Approval['verdict'], over: Partial<Approval> = {}): Approval {
  const question = {
    code: '4711',
    rule: 'The one rule',
    rung: 0,
    action: 'restart',
    fence: 'pid 7',
    policy: 'a'.repeat(64),
    askedAtMs: monotonicMs - minute,
    untilMs: monotonicMs + 9 * minute,
    verdict,
  } as const;
  return { ...question, ...(verdict === 'given' || verdict === 'denied' ? { by: 'eva' } : {}), ...over };
}

export interface Case extends Partial<DecisionInput> {
  readonly cause?: CauseName;
  readonly confidence?: Confidence;
  readonly attempts?: readonly Attempt[];
  readonly own?: Partial<ServiceHistory>;
  readonly host?: Partial<HostHistory>;
  readonly around?: Partial<Surroundings>;
  readonly lostAtMs?: number;
}

/** A hung service and a rule that restarts it. */
export const hung: Case = { cause: 'service.hung', policy: policyFor('service.hung', { do: 'restart' }), serviceState: stateOf('running', { fence: 'pid 7' }) };

export function inputOf({ cause = 'service.crashed', confidence = 'certain', attempts = [], own, host, around, lostAtMs, ...over }: Case = {}): DecisionInput {
  return {
    now: { wallMs, monotonicMs },
    incident: { id: 'NOW', service: 'php-fpm', openedAtMs: wallMs - second },
    policy: policyOf(),
    policySha256: 'a'.repeat(64),
    safety: safetySchema.parse({}),
    actions,
    diagnosis: diagnosed(cause, confidence),
    serviceState: stateOf('failed'),
    history: { attempts, services: new Map(own ? [['php-fpm', { ...quiet, ...own }]] : []), host: { failures: [], ...host }, ...(lostAtMs === undefined ? {} : { lostAtMs }) },
    surroundings: { ...quietSurroundings, ...around },
    approvals: [],
    ladder: [],
    causeSinceMs: monotonicMs,
    ...over,
  };
}

export function gateOf(decision: Decision, gate: GateName) {
  const found = decision.gates.find((result) => result.gate === gate);
  if (!found) throw new Error(`no word of ${gate}`);
  return found;
}

export function refusing(decision: Decision): readonly GateName[] {
  return decision.gates.filter((result) => result.verdict === 'refuse').map((result) => result.gate);
}

export function stoodDown(decision: Decision) {
  if (decision.kind !== 'stand_down') throw new Error(`expected to stand down, got ${JSON.stringify(decision)}`);
  return decision;
}

export function stepOf(decision: Decision): string {
  const { step } = decision;
  return step ? `${decision.kind} ${step.action} ${step.rung}/${step.attempt}` : decision.kind;
}
