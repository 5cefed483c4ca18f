import t from 'tap';
import { policySchema } from '../../../src/config/policy-schema.ts';
import { safetySchema } from '../../../src/config/safety-schema.ts';
import { gateNames, type ActionName, type Decision, type GateName } from '../../../src/core/decision.ts';
import type { CauseName, Confidence, Diagnosis } from '../../../src/core/diagnosis.ts';
import type { ServiceState } from '../../../src/healer/leaves.ts';
import { decide, finishGates, needsConfigTest, type DecisionInput, type LastLook } from '../../../src/healer/policy/decide.ts';
import type { ActionLimits } from '../../../src/healer/policy/gates.ts';
import { climb, type Ladder } from '../../../src/healer/policy/ladder.ts';
import type { Attempt, ServiceHistory } from '../../../src/healer/policy/limits.ts';
import { quietSurroundings } from '../../../src/healer/policy/surroundings.ts';

const wallMs = Date.UTC(2026, 10, 22, 3, 12, 0);
const monotonicMs = 9_000_000;
const now = { wallMs, monotonicMs };
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

const actions = new Map<ActionName, ActionLimits>([
  ['start', { reach: 'service', needs: 'likely', counts: true, budget: 'start', configTest: false }],
  ['reload', { reach: 'service', needs: 'likely', counts: true, budget: 'disruptive', configTest: true }],
  ['restart', { reach: 'service', needs: 'likely', counts: true, budget: 'disruptive', configTest: true }],
  ['switch_upstream', { reach: 'none', needs: 'certain', counts: false, budget: 'none', configTest: false }],
  ['run', { reach: 'host', needs: 'likely', counts: true, budget: 'disruptive', configTest: false }],
  ['wait', { reach: 'none', needs: 'possible', counts: false, budget: 'none', configTest: false }],
  ['page', { reach: 'none', needs: 'possible', counts: false, budget: 'none', configTest: false }],
]);

const startRule = { name: 'Crashed, so start it', when: { cause: 'service.crashed' }, try: [{ do: 'start', attempts: 2, timeout: '30s' }] };
const hungRule = {
  name: 'Hung, so reload, then restart',
  when: { cause: 'service.hung', lasting: '30s' },
  try: [{ do: 'reload', attempts: 2 }, { do: 'restart' }],
};

function policyOf(over: Record<string, unknown> = {}) {
  return policySchema.parse({ version: 1, name: 'php-fpm', mode: 'act', service: { type: 'external' }, rules: [startRule, hungRule], ...over });
}

function diagnosed(cause: CauseName, confidence: Confidence = 'certain'): Diagnosis {
  return { best: { cause, confidence, subject: 'php-fpm', sentence: `php-fpm: ${cause}`, because: [], against: [], remedy: '' }, others: [], evidence: [] };
}

function stateOf(state: ServiceState['state'], over: Partial<ServiceState> = {}): ServiceState {
  return { state, text: `php-fpm is ${state}`, pids: [], fence: '', ...over };
}

const quiet: ServiceHistory = { verifications: [], backoff: { attempts: 0, draw: 0.5 }, recoveries: [] };

/** An attempt of the service, so many milliseconds ago, of an earlier incident unless said otherwise. */
function ago(ms: number, over: Partial<Attempt> = {}): Attempt {
  return { service: 'php-fpm', incident: 'EARLIER', action: 'start', atMs: monotonicMs - ms, ...over };
}

interface Case extends Partial<DecisionInput> {
  readonly cause?: CauseName;
  readonly confidence?: Confidence;
  readonly attempts?: readonly Attempt[];
  readonly own?: Partial<ServiceHistory>;
  readonly lostAtMs?: number;
}

function inputOf({ cause = 'service.crashed', confidence = 'certain', attempts = [], own, lostAtMs, ...over }: Case = {}): DecisionInput {
  return {
    now,
    incident: { id: 'NOW', service: 'php-fpm', openedAtMs: wallMs - second },
    policy: policyOf(),
    safety: safetySchema.parse({}),
    actions,
    diagnosis: diagnosed(cause, confidence),
    serviceState: stateOf('failed'),
    history: { attempts, services: new Map(own ? [['php-fpm', { ...quiet, ...own }]] : []), host: { failures: [] }, ...(lostAtMs === undefined ? {} : { lostAtMs }) },
    surroundings: quietSurroundings,
    policySha256: 'a'.repeat(64),
    approvals: [],
    ladder: [],
    causeSinceMs: monotonicMs,
    ...over,
  };
}

function gateOf(decision: Decision, gate: GateName) {
  const found = decision.gates.find((result) => result.gate === gate);
  if (!found) throw new Error(`no word of ${gate}`);
  return found;
}

function stoodDown(decision: Decision) {
  if (decision.kind !== 'stand_down') throw new Error(`expected to stand down, got ${JSON.stringify(decision)}`);
  return decision;
}

function stepOf(decision: Decision): string {
  const { step } = decision;
  return step ? `${decision.kind} ${step.action} ${step.rung}/${step.attempt}` : decision.kind;
}

t.test('a crashed service is started at once, with every gate on record in the fixed order', async (t) => {
  const decision = decide(inputOf());
  t.match(decision, { kind: 'recover', rule: startRule.name, step: { action: 'start', timeoutMs: 30_000, attempt: 1, rung: 0 } });
  t.strictSame(
    decision.gates.map((result) => result.gate),
    gateNames,
  );
  t.strictSame(
    decision.gates.filter((result) => result.verdict === 'not_evaluated').map((result) => result.gate),
    ['config_test', 'fence'],
  );
  for (const result of decision.gates) t.ok(result.reason.length > 5, `${result.gate} says why: ${result.reason}`);
});

t.test('each gate refuses by itself, with its number', async (t) => {
  const restartRule = { name: 'Hung, so restart', when: { cause: 'service.hung', confidence: 'possible' }, try: [{ do: 'restart' }] };
  const runRule = { name: 'Crashed, so call', when: { cause: 'service.crashed' }, try: [{ do: 'run' }] };
  const six = Array.from({ length: 6 }, (_, i) => ago((i + 1) * 5 * minute, { service: `other-${i}`, action: 'reload' }));
  const restarts = { cause: 'service.hung' as const, policy: policyOf({ rules: [restartRule] }), serviceState: stateOf('running') };
  const table: readonly { readonly gate: GateName; readonly says: RegExp; readonly inMs?: number; readonly when: Case }[] = [
    { gate: 'enabled', says: /switched off for this host/, when: { safety: safetySchema.parse({ enabled: false }) } },
    {
      gate: 'paused',
      says: /until 2026-11-22T03:32:00.000Z \(20 min more\): deploy 4711/,
      inMs: 20 * minute,
      when: { own: { paused: { untilMs: monotonicMs + 20 * minute, reason: 'deploy 4711' } } },
    },
    { gate: 'change_in_progress', says: /is starting right now/, when: { serviceState: stateOf('starting') } },
    { gate: 'change_in_progress', says: /is stopping right now/, when: { serviceState: stateOf('stopping') } },
    { gate: 'deliberate_stop', says: /stopped on purpose is never started by goodgateway/, when: { serviceState: stateOf('stopped') } },
    { gate: 'supervisor_first', says: /by itself in 5 s/, inMs: 7 * second, when: { serviceState: stateOf('failed', { supervisorActsInMs: 5 * second }) } },
    {
      gate: 'supervisor_first',
      says: /by itself in 5 s/,
      inMs: 14 * second,
      when: { policy: policyOf({ service: { type: 'external', defer_to_supervisor: '15s' } }), serviceState: stateOf('failed', { supervisorActsInMs: 5 * second }) },
    },
    { gate: 'never', says: /rule "Crashed, so start it" forbids start/, when: { policy: policyOf({ rules: [{ ...startRule, never: ['start'] }] }) } },
    { gate: 'never', says: /policy php-fpm forbids start/, when: { policy: policyOf({ never: ['start'] }) } },
    { gate: 'confidence', says: /service.hung is possible; restart \(reach: service\) needs likely/, when: { ...restarts, confidence: 'possible' } },
    { gate: 'confidence', says: /likely; run \(reach: host\) needs certain/, when: { policy: policyOf({ rules: [runRule] }), confidence: 'likely' } },
    { gate: 'host_budget', says: /6 of 6 disruptive actions on this host within 1 h are used \(.*other-5 reload 30 min ago.*\)/, inMs: 30 * minute, when: { ...restarts, attempts: six.toReversed() } },
    { gate: 'max_attempts', says: /3 of 3 attempts within 1 h are used; allowed in 20 min/, inMs: 20 * minute, when: { attempts: [ago(40 * minute), ago(30 * minute), ago(20 * minute)] } },
    {
      gate: 'max_attempts',
      says: /^given up: nothing helped; waiting for a human/,
      when: { own: { gaveUp: { incident: 'EARLIER', reason: 'nothing helped', sinceMs: monotonicMs - hour, retried: false } } },
    },
    { gate: 'cooldown', says: /cooldown of 1 min .* allowed in 45 s/, inMs: 45 * second, when: { own: { verifications: [{ incident: 'EARLIER', endedAtMs: monotonicMs - 15 * second }] } } },
  ];
  for (const { gate, says, inMs, when } of table) {
    const decision = stoodDown(decide(inputOf(when)));
    t.equal(decision.why, 'refused', gate);
    t.strictSame(
      decision.gates.filter((result) => result.verdict === 'refuse').map((result) => result.gate),
      [gate],
      `only ${gate} refuses`,
    );
    t.match(gateOf(decision, gate).reason, says);
    t.match(decision.reason, new RegExp(`refused by ${gate}`));
    t.equal(gateOf(decision, gate).allowedAtMs, inMs === undefined ? undefined : wallMs + inMs, `${gate}: when time opens it`);
    t.equal(decision.retryAtMs, inMs === undefined ? undefined : wallMs + inMs);
  }
});

t.test('every refusing gate is in the reason, and time is named only when it opens them all', async (t) => {
  const own = { verifications: [{ incident: 'EARLIER', endedAtMs: monotonicMs - 15 * second }] };
  const attempts = [ago(50 * minute), ago(40 * minute), ago(15 * second)];
  const both = stoodDown(decide(inputOf({ own, attempts })));
  t.match(both.reason, /start is refused by max_attempts \(3 of 3 .*\) and cooldown \(/);
  t.equal(both.retryAtMs, wallMs + 10 * minute, 'the later one counts');
  const stopped = stoodDown(decide(inputOf({ own, attempts, serviceState: stateOf('stopped') })));
  t.match(stopped.reason, /deliberate_stop .* max_attempts .* cooldown/);
  t.equal(stopped.retryAtMs, undefined);
});

t.test('R1 cooldown: counted from the end of the verification of the incident before, per service', async (t) => {
  const ended = (ms: number, incident = 'EARLIER') => ({ verifications: [{ incident, endedAtMs: monotonicMs - ms }] });
  t.equal(decide(inputOf({ own: ended(59_999) })).kind, 'stand_down');
  t.equal(decide(inputOf({ own: ended(60_000) })).kind, 'recover');
  t.equal(decide(inputOf({ own: ended(1, 'NOW') })).kind, 'recover', 'a verification of this very incident is no quiet time');
  const other = new Map([['redis', { ...quiet, ...ended(1) }]]);
  t.equal(decide(inputOf({ history: { attempts: [], services: other, host: { failures: [] } } })).kind, 'recover', 'nor is that of another service');
});

t.test('R2 max attempts: limit 3 in 1 h, attempts at 0, 10 and 20 min: refused at 59:59, allowed at 60:00', async (t) => {
  const at = (ms: number) => decide(inputOf({ attempts: [ago(ms), ago(ms - 10 * minute), ago(ms - 20 * minute)] }));
  const refused = stoodDown(at(hour - second));
  t.equal(gateOf(refused, 'max_attempts').verdict, 'refuse');
  t.equal(refused.retryAtMs, wallMs + second);
  t.equal(at(hour).kind, 'recover');
  t.match(gateOf(at(hour), 'max_attempts').reason, /2 of 3 attempts within 1 h/);
  t.equal(decide(inputOf({ attempts: [ago(1), ago(2), ago(3)].map((attempt) => ({ ...attempt, service: 'redis' })) })).kind, 'recover', 'attempts of other services are not counted here');
});

t.test('R2 max attempts: of a record that was lost, all but one attempt are assumed, for one window', async (t) => {
  t.match(gateOf(decide(inputOf({ lostAtMs: monotonicMs })), 'max_attempts').reason, /2 of 3 .*record was lost/);
  t.equal(decide(inputOf({ lostAtMs: monotonicMs })).kind, 'recover');
  t.equal(decide(inputOf({ lostAtMs: monotonicMs - minute, attempts: [ago(minute)] })).kind, 'stand_down');
  t.equal(decide(inputOf({ lostAtMs: monotonicMs - hour, attempts: [ago(minute)] })).kind, 'recover');
});

t.test('R3 back-off: inside an incident 1 s, 2 s, 4 s … with 20 % jitter, counted from the end of verification', async (t) => {
  const policy = policyOf({ limits: { max_attempts: { times: 100, within: '1h' } } });
  const waitAfter = (attempts: number, draw: number) => {
    const own = { verifications: [{ incident: 'NOW', endedAtMs: monotonicMs - 100 }], backoff: { attempts, draw } };
    const decision = decide(inputOf({ policy, own, attempts: [ago(30 * second, { incident: 'NOW' })] }));
    return decision.kind === 'recover' ? 0 : decision.retryAtMs! - wallMs + 100;
  };
  t.strictSame(
    [1, 2, 3, 4].map((attempts) => waitAfter(attempts, 0.5)),
    [1000, 2000, 4000, 8000],
  );
  t.equal(waitAfter(2, 0), 1600);
  t.equal(waitAfter(2, 1), 2400);
  t.equal(waitAfter(20, 0.5), 300_000, 'never more than backoff.max');
  const later = { verifications: [{ incident: 'NOW', endedAtMs: monotonicMs - second }], backoff: { attempts: 1, draw: 0.5 } };
  t.equal(decide(inputOf({ own: later, attempts: [ago(30 * second, { incident: 'NOW' })] })).kind, 'recover', 'and over when it is over');
});

t.test('R4 ladder: a rung is left when its attempts are used up; the position belongs to the incident', async (t) => {
  let ladder: Ladder = [];
  const seen: string[] = [];
  for (let i = 0; i < 4; i++) {
    const decision = decide(inputOf({ cause: 'service.hung', ladder, causeSinceMs: monotonicMs - (i === 0 ? minute : 0), serviceState: stateOf('running') }));
    seen.push(decision.kind === 'recover' ? stepOf(decision) : `${stoodDown(decision).why} ${stepOf(decision)}`);
    if (decision.kind === 'recover') ladder = climb(ladder, decision.rule, decision.step);
  }
  t.strictSame(seen, ['recover reload 0/1', 'recover reload 0/2', 'recover restart 1/1', 'exhausted stand_down page 0/1'], 'what lasts is asked only before the first step');
});

t.test('R4 ladder: another cause is matched anew, and a rule met again goes on where it was left', async (t) => {
  const policy = policyOf({ rules: [startRule, { ...hungRule, when: { cause: 'service.hung' } }] });
  const once = climb([], startRule.name, { action: 'start', options: {}, timeoutMs: 1, attempt: 1, rung: 0 });
  const hung = decide(inputOf({ policy, ladder: once, cause: 'service.hung', serviceState: stateOf('running') }));
  t.match(hung, { kind: 'recover', rule: hungRule.name, step: { action: 'reload', attempt: 1 } });
  const twice = climb(once, hungRule.name, hung.step!);
  const crashed = decide(inputOf({ policy, ladder: twice }));
  t.match(crashed, { kind: 'recover', rule: startRule.name, step: { action: 'start', attempt: 2 } });
  const thrice = climb(twice, startRule.name, crashed.step!);
  t.equal(stoodDown(decide(inputOf({ policy, ladder: thrice }))).why, 'exhausted', 'two rules cannot feed each other for ever');
});

t.test('the first matching rule wins; a cause that has not lasted is pending and stops the search', async (t) => {
  const later = { name: 'Hung, so say so', when: { cause: ['service.hung', 'unknown'] }, try: [{ do: 'page' }] };
  const policy = policyOf({ rules: [hungRule, later] });
  const young = stoodDown(decide(inputOf({ policy, cause: 'service.hung', causeSinceMs: monotonicMs - 10 * second })));
  t.match(young, { why: 'pending', rule: hungRule.name, retryAtMs: wallMs + 20 * second });
  t.match(young.reason, /until the cause has lasted 30 s/);
  t.match(decide(inputOf({ policy, cause: 'service.hung', confidence: 'possible' })).kind, 'stand_down');
  t.match(decide(inputOf({ policy, cause: 'unknown', confidence: 'possible' })), { kind: 'recover', rule: later.name, step: { action: 'page' } }, 'unknown ignores confidence');
  const none = stoodDown(decide(inputOf({ policy, cause: 'disk.full' })));
  t.match(none, { why: 'no_rule', rule: undefined, step: { action: 'page' } });
  t.match(none.reason, /no rule is for disk.full \(certain\)/);
});

t.test('R5 giving up: without retry_after only a human; with it exactly one further attempt', async (t) => {
  const used = climb([], startRule.name, { action: 'start', options: {}, timeoutMs: 1, attempt: 2, rung: 0 });
  const gaveUp = (sinceMs: number, retried = false) => ({ gaveUp: { incident: 'NOW', reason: 'start did not help', sinceMs: monotonicMs - sinceMs, retried } });
  const three = [ago(35 * minute), ago(34 * minute), ago(33 * minute)];
  t.match(stoodDown(decide(inputOf({ ladder: used, own: gaveUp(hour) }))), { why: 'exhausted', retryAtMs: undefined, reason: /waiting for a human/ });

  const policy = policyOf({ give_up: { retry_after: '30m' } });
  t.match(stoodDown(decide(inputOf({ policy, ladder: used }))), { why: 'exhausted', retryAtMs: wallMs + 30 * minute, step: { action: 'page' } });
  t.match(stoodDown(decide(inputOf({ policy, ladder: used, own: gaveUp(29 * minute) }))), { why: 'exhausted', retryAtMs: wallMs + minute });
  const once = decide(inputOf({ policy, ladder: used, own: gaveUp(30 * minute), attempts: three }));
  t.match(once, { kind: 'recover', step: { action: 'start' } }, 'the one try is not stopped by max_attempts');
  t.match(gateOf(once, 'max_attempts').reason, /one further attempt.*3 of 3/);
  t.match(stoodDown(decide(inputOf({ policy, ladder: used, own: gaveUp(2 * hour, true) }))), { why: 'exhausted', retryAtMs: undefined, reason: /waiting for a human/ });

  const spent = Array.from({ length: 12 }, () => ago(minute, { service: 'redis' }));
  const broke = stoodDown(decide(inputOf({ policy, ladder: used, own: gaveUp(30 * minute), attempts: spent })));
  t.equal(gateOf(broke, 'host_budget').verdict, 'refuse', 'but by the host budget');
  const fresh = stoodDown(decide(inputOf({ policy, own: gaveUp(29 * minute) })));
  t.match(gateOf(fresh, 'max_attempts'), { verdict: 'refuse', reason: /given up/, allowedAtMs: wallMs + minute }, 'a new incident finds it given up, too');
});

t.test('R6 host budget: starts of dead services have their own', async (t) => {
  const disruptive = Array.from({ length: 6 }, () => ago(minute, { service: 'redis', action: 'restart' }));
  t.match(gateOf(decide(inputOf({ attempts: disruptive })), 'host_budget'), { verdict: 'pass', reason: /0 of 12 starts/ });
  const starts = Array.from({ length: 12 }, () => ago(minute, { service: 'redis' }));
  t.match(gateOf(decide(inputOf({ attempts: starts })), 'host_budget'), { verdict: 'refuse', reason: /12 of 12 starts/ });
  const policy = policyOf({ rules: [{ ...hungRule, when: { cause: 'service.hung' } }] });
  const hung = { policy, cause: 'service.hung' as const, serviceState: stateOf('running') };
  t.match(gateOf(decide(inputOf({ ...hung, attempts: starts })), 'host_budget'), { verdict: 'pass', reason: /0 of 6 disruptive/ });
  t.match(gateOf(decide(inputOf({ ...hung, lostAtMs: monotonicMs })), 'host_budget'), { verdict: 'pass', reason: /5 of 6/ });
  t.match(
    gateOf(decide(inputOf({ lostAtMs: monotonicMs, attempts: [ago(1, { service: 'redis' })] })), 'host_budget'),
    { verdict: 'pass', reason: /1 of 12/ },
    'starts are not assumed of a lost record',
  );
});

t.test('R14 observe: every gate is asked, nothing is done, and the step that would have been done is named', async (t) => {
  const policy = policyOf({ mode: 'observe' });
  const decision = stoodDown(decide(inputOf({ policy })));
  t.match(decision, { why: 'observe', rule: startRule.name, step: { action: 'start' }, reason: /would do start .* mode is observe/ });
  t.equal(decision.gates.length, gateNames.length);
  const fence = { expected: '', now: '' };
  t.match(finishGates(decision, { configTest: 'none', detail: '', fence }, actions), { kind: 'stand_down', why: 'observe' });
  t.match(finishGates(decision, { configTest: 'fail', detail: 'line 3', fence }, actions), { kind: 'stand_down', why: 'refused' });
});

t.test('R18 deliberate stop: no action touches the service, but people are told', async (t) => {
  const told = policyOf({ rules: [{ name: 'Stopped on purpose, so say so', when: { cause: 'service.stopped_by_operator' }, try: [{ do: 'page' }] }] });
  const stopped = { cause: 'service.stopped_by_operator' as const, serviceState: stateOf('stopped') };
  t.match(decide(inputOf({ ...stopped, policy: told })), { kind: 'recover', step: { action: 'page' } });
  for (const action of ['start', 'reload', 'restart', 'run'] as const) {
    const policy = policyOf({ rules: [{ name: 'Somebody wrote this', when: { cause: 'service.stopped_by_operator' }, try: [{ do: action }] }] });
    t.equal(gateOf(decide(inputOf({ ...stopped, policy })), 'deliberate_stop').verdict, 'refuse', action);
    t.equal(gateOf(decide(inputOf({ ...stopped, policy, serviceState: stateOf('unknown') })), 'deliberate_stop').verdict, 'refuse', `${action}, by the diagnosis alone`);
  }
});

t.test('R19 supervisor first: a configured time is over when it is over', async (t) => {
  const policy = policyOf({ service: { type: 'external', defer_to_supervisor: '15s' } });
  const serviceState = stateOf('failed', { supervisorActsInMs: 60 * second });
  const incident = { id: 'NOW', service: 'php-fpm', openedAtMs: wallMs - 15 * second };
  t.equal(decide(inputOf({ policy, serviceState, incident })).kind, 'recover');
});

t.test('R27 humility: waiting and telling need no certainty, cost nothing and are not held back', async (t) => {
  const policy = policyOf({ rules: [{ name: 'Perhaps, so wait', when: { cause: 'app.slow', confidence: 'possible' }, try: [{ do: 'wait' }] }] });
  const attempts = Array.from({ length: 20 }, () => ago(second, { incident: 'NOW' }));
  const decision = decide(inputOf({ policy, cause: 'app.slow', confidence: 'possible', attempts, serviceState: stateOf('starting', { supervisorActsInMs: 9 }) }));
  t.match(decision, { kind: 'recover', step: { action: 'wait' } });
  const paused = { paused: { untilMs: monotonicMs + 1, reason: 'deploy' } };
  t.equal(decide(inputOf({ policy, cause: 'app.slow', confidence: 'possible', own: paused })).kind, 'stand_down', 'but a pause is a pause');
  t.equal(decide(inputOf({ own: { paused: { untilMs: monotonicMs, reason: 'deploy' } } })).kind, 'recover', 'and it ends by itself');
});

t.test('the last two gates: config test and fence', async (t) => {
  const restart = decide(inputOf({ cause: 'service.hung', causeSinceMs: 0, serviceState: stateOf('running') }));
  const start = decide(inputOf());
  const same = { expected: 'pid 7 of 03:00', now: 'pid 7 of 03:00' };
  const table: readonly [string, Decision, LastLook, 'recover' | 'stand_down', RegExp][] = [
    ['all well', restart, { configTest: 'pass', detail: 'test is successful', fence: same }, 'recover', /test is successful/],
    ['a broken configuration', restart, { configTest: 'fail', detail: 'ERROR: [pool www] line 3', fence: same }, 'stand_down', /failed: ERROR: \[pool www\] line 3/],
    ['no result, living service', restart, { configTest: 'unknown', detail: 'no result in 60 s', fence: same }, 'stand_down', /no result in 60 s.* blocks reload/],
    ['no result, dead service', start, { configTest: 'unknown', detail: 'no result in 60 s', fence: same }, 'recover', /never blocks start/],
    ['no test', start, { configTest: 'none', detail: '', fence: { expected: '', now: '' } }, 'recover', /no configuration test is needed/],
  ];
  for (const [name, decision, look, kind, says] of table) {
    const finished = finishGates(decision, look, actions);
    t.equal(finished.kind, kind, name);
    t.match(gateOf(finished, 'config_test').reason, says);
    t.notOk(finished.gates.some((result) => result.verdict === 'not_evaluated'));
  }
  const stale = stoodDown(finishGates(restart, { configTest: 'pass', detail: '', fence: { expected: 'pid 7', now: 'pid 9' } }, actions));
  t.match(stale, { why: 'refused', reason: /fence \(stale decision: pid 7 was diagnosed, now it is pid 9/ });
  const refused = decide(inputOf({ serviceState: stateOf('stopped') }));
  t.equal(finishGates(refused, { configTest: 'pass', detail: '', fence: same }, actions), refused, 'what was refused stays refused');
});

t.test('a config test is asked for by the action or by the rung', async (t) => {
  const first = policyOf({ rules: [{ ...startRule, try: [{ do: 'start', first: ['config_test'] }] }] });
  t.equal(needsConfigTest(decide(inputOf({ policy: first })), first, actions), true);
  t.equal(needsConfigTest(decide(inputOf()), policyOf(), actions), false);
  const hung = decide(inputOf({ cause: 'service.hung', causeSinceMs: 0, serviceState: stateOf('running') }));
  t.equal(needsConfigTest(hung, policyOf(), actions), true);
  t.equal(needsConfigTest(decide(inputOf({ cause: 'disk.full' })), policyOf(), actions), false);
});
