import t from 'tap';
import { gateNames, type Decision } from '../../../src/core/decision.ts';
import { approvalNeeded } from '../../../src/healer/policy/approvals.ts';
import { decide, finishGates, needsConfigTest, type LastLook } from '../../../src/healer/policy/decide.ts';
import { climb, type Ladder } from '../../../src/healer/policy/ladder.ts';
import { needsPerson } from '../../../src/healer/policy/needs-person.ts';
import { actions, ago, asked, gateOf, hour, hung, hungRule, inputOf, minute, monotonicMs, policyFor, policyOf, second, startRule, stateOf, stepOf, stoodDown, wallMs, type Case } from './case.ts';

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

t.test('R14 observe: every gate is asked, nothing is done, and the step that would have been done is named', async (t) => {
  const policy = policyOf({ mode: 'observe' });
  const decision = stoodDown(decide(inputOf({ policy })));
  t.match(decision, { why: 'observe', rule: startRule.name, step: { action: 'start' }, reason: /would do start .* mode is observe/ });
  t.equal(decision.gates.length, gateNames.length);
  const fence = { expected: '', now: '' };
  t.match(finishGates(decision, { configTest: 'none', detail: '', fence }, actions), { kind: 'stand_down', why: 'observe' });
  t.match(finishGates(decision, { configTest: 'fail', detail: 'line 3', fence }, actions), { kind: 'stand_down', why: 'refused' });
});

t.test('R15 approval: a step that needs a yes waits for it, and only for that run of the service and that policy', async (t) => {
  const rung = { do: 'restart', approval: { from: ['ops', 'eva'], within: '10m' } };
  const hungBy = (over: Case = {}) => inputOf({ ...hung, policy: policyFor('service.hung', rung), ...over });
  const table: readonly { readonly name: string; readonly when: Case; readonly verdict: 'pass' | 'refuse'; readonly says: RegExp; readonly asks: boolean }[] = [
    { name: 'nobody was asked', when: {}, verdict: 'refuse', says: /restart needs a yes of ops, eva, who is asked now/, asks: true },
    { name: 'asked', when: { approvals: [asked('asked')] }, verdict: 'refuse', says: /asked \(4711\), waiting until 2026-11-22T03:21:00.000Z; without an answer the next step follows/, asks: false },
    { name: 'given', when: { approvals: [asked('given')] }, verdict: 'pass', says: /approved by eva \(4711\), good until 2026-11-22T03:31:00.000Z/, asks: false },
    { name: 'given, for another run', when: { approvals: [asked('given')], serviceState: stateOf('running', { fence: 'pid 8' }) }, verdict: 'refuse', says: /needs a yes/, asks: true },
    { name: 'given, by another policy', when: { approvals: [asked('given')], policySha256: 'b'.repeat(64) }, verdict: 'refuse', says: /needs a yes/, asks: true },
    { name: 'given, for another action', when: { approvals: [asked('given', { action: 'reload' })] }, verdict: 'refuse', says: /needs a yes/, asks: true },
    { name: 'given, for another rung', when: { approvals: [asked('given', { rung: 1 })] }, verdict: 'refuse', says: /needs a yes/, asks: true },
    { name: 'given, for another rule', when: { approvals: [asked('given', { rule: 'Another' })] }, verdict: 'refuse', says: /needs a yes/, asks: true },
    { name: 'given, long ago', when: { approvals: [asked('given', { untilMs: monotonicMs - 10 * minute })] }, verdict: 'refuse', says: /the answer to 4711 is older than it may be/, asks: true },
    { name: 'given, just in time', when: { approvals: [asked('given', { untilMs: monotonicMs - 10 * minute + 1 })] }, verdict: 'pass', says: /approved by eva/, asks: false },
    { name: 'asked again', when: { approvals: [asked('given', { fence: 'pid 6' }), asked('asked', { code: '4712' })] }, verdict: 'refuse', says: /4712/, asks: false },
  ];
  for (const { name, when, verdict, says, asks } of table) {
    const input = hungBy(when);
    const decision = decide(input);
    t.match(gateOf(decision, 'approval'), { verdict, reason: says }, name);
    t.equal(decision.kind, verdict === 'pass' ? 'recover' : 'stand_down', name);
    t.equal(approvalNeeded(decision, input) !== undefined, asks, `${name}: ${asks ? 'asked' : 'nobody is asked'}`);
    if (decision.kind === 'stand_down') t.notOk(needsPerson(decision, hour, wallMs), `${name}: the question itself is the message`);
  }
  t.strictSame(approvalNeeded(decide(hungBy()), hungBy()), {
    terms: { from: ['ops', 'eva'], withinMs: 10 * minute, otherwise: 'skip' },
    bound: { rule: 'The one rule', rung: 0, action: 'restart', fence: 'pid 7', policy: 'a'.repeat(64) },
  });
  const paused = hungBy({ own: { paused: { untilMs: monotonicMs + minute, reason: 'deploy' } } });
  t.match(gateOf(decide(paused), 'approval'), { verdict: 'not_evaluated' }, 'nobody is asked about what is not done anyway');
  t.equal(approvalNeeded(decide(paused), paused), undefined);
  const observed = hungBy({ policy: policyFor('service.hung', rung, { mode: 'observe' }) });
  t.match(decide(observed), { why: 'observe' });
  t.match(gateOf(decide(observed), 'approval'), { verdict: 'pass', reason: /ops, eva would be asked first/ });
  t.equal(approvalNeeded(decide(observed), observed), undefined);
});

t.test('R15 approval: silence is a no, and a no is for the whole incident, so the next step follows; `do` takes it for a yes', async (t) => {
  const ladderOf = (approval: Record<string, unknown>) =>
    policyOf({ rules: [{ name: 'The one rule', when: { cause: 'service.hung' }, try: [{ do: 'restart', attempts: 2, approval }, { do: 'page' }] }] });
  const skip = ladderOf({ within: '10m' });
  const silent = asked('asked', { untilMs: monotonicMs });
  t.match(decide(inputOf({ ...hung, policy: skip, approvals: [asked('denied')] })), { kind: 'recover', step: { action: 'page', rung: 1, attempt: 1 } });
  t.match(decide(inputOf({ ...hung, policy: skip, approvals: [asked('denied', { fence: 'pid 6' })] })), { step: { action: 'page' } }, 'also when the service was restarted since');
  t.match(decide(inputOf({ ...hung, policy: skip, approvals: [asked('expired')] })), { step: { action: 'page' } });
  t.match(decide(inputOf({ ...hung, policy: skip, approvals: [silent] })), { step: { action: 'page' } }, 'the time is over, whoever noted it or not');
  t.match(decide(inputOf({ ...hung, policy: skip, approvals: [asked('asked', { untilMs: monotonicMs + 1 })] })), { step: { action: 'restart' } });
  const begun = [{ rule: 'The one rule', rung: 0, attempt: 1 }];
  t.match(decide(inputOf({ ...hung, policy: skip, ladder: begun, approvals: [asked('denied')] })), { step: { action: 'page', attempt: 1 } }, 'a second attempt neither');
  const otherwise = ladderOf({ within: '10m', otherwise: 'do' });
  const waiting = stoodDown(decide(inputOf({ ...hung, policy: otherwise, approvals: [asked('asked')] })));
  t.match(gateOf(waiting, 'approval'), { reason: /without an answer it is done then/, allowedAtMs: wallMs + 9 * minute });
  t.equal(waiting.retryAtMs, wallMs + 9 * minute);
  t.match(decide(inputOf({ ...hung, policy: otherwise, approvals: [silent] })), { kind: 'recover', step: { action: 'restart' } });
  t.match(decide(inputOf({ ...hung, policy: otherwise, approvals: [asked('denied')] })), { step: { action: 'page' } }, 'but a no is a no');
  const alone = { ...hung, policy: policyFor('service.hung', { do: 'restart', approval: {} }, { give_up: { retry_after: '30m' } }), approvals: [asked('denied')] };
  t.match(stoodDown(decide(inputOf(alone))), { why: 'exhausted', retryAtMs: undefined, reason: /nobody agreed to it; waiting for a human/ }, 'nor is it tried later');
});

t.test('R15 approval: mode approve asks before each step that touches the service, and before no other', async (t) => {
  const approve = (rung: Record<string, unknown>) => policyFor('service.crashed', rung, { mode: 'approve', notify: { to: ['night', 'ops'] } });
  const start = inputOf({ policy: approve({ do: 'start' }) });
  t.match(gateOf(decide(start), 'approval'), { verdict: 'refuse', reason: /start needs a yes of night, ops/ });
  t.match(approvalNeeded(decide(start), start)?.terms, { from: ['night', 'ops'], withinMs: 15 * minute, otherwise: 'skip' });
  const yes = asked('given', { action: 'start', fence: '' });
  t.match(decide(inputOf({ policy: approve({ do: 'start' }), approvals: [yes] })), { kind: 'recover', step: { action: 'start' } });
  t.match(decide(inputOf({ policy: approve({ do: 'page' }) })), { kind: 'recover', step: { action: 'page' } });
  const own = inputOf({ policy: approve({ do: 'start', approval: { from: ['eva'], within: '5m', otherwise: 'do' } }) });
  t.match(approvalNeeded(decide(own), own)?.terms, { from: ['eva'], withinMs: 5 * minute, otherwise: 'do' }, "the rung's own terms win");
});

t.test('a person is told of what only a person can end, and not of what was told already or ends by itself', async (t) => {
  const toldOf = (when: Case, openMs = second): boolean => needsPerson(stoodDown(decide(inputOf(when))), openMs, wallMs);
  const upgrade = { around: { changes: [{ text: 'dpkg holds its lock' }] } };
  t.ok(toldOf({ serviceState: stateOf('stopped') }));
  t.ok(toldOf({ own: { off: { sinceMs: 0, reason: 'migration', by: 'eva' } } }));
  t.ok(toldOf({ cause: 'disk.full' }), 'no rule');
  t.notOk(toldOf({ own: { paused: { untilMs: monotonicMs + minute, reason: 'deploy' } } }), 'a pause ends');
  t.notOk(toldOf(upgrade));
  t.ok(toldOf(upgrade, 5 * minute), 'a change that does not end');
  const used = (endsInMs: number): Case => ({ attempts: [ago(hour - endsInMs), ago(2), ago(1)] });
  t.notOk(toldOf(used(minute)), 'a limit that ends soon');
  t.ok(toldOf(used(20 * minute)), 'it would stay down for so long, and nobody would know');
  t.notOk(toldOf({ own: { paused: { untilMs: monotonicMs + hour, reason: 'deploy' } } }, hour), 'who paused it knows');
  t.notOk(toldOf({ ...hung, around: { sharedCause: { text: '3 of 9 services began to fail' } } }, hour), 'one message, not one a service');
});

t.test('R10 config test, R21 fence: the last two gates', async (t) => {
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

t.test('R10 config test: what else the rung wants to see first is asked at the same gate', async (t) => {
  const start = decide(inputOf());
  const disk = { name: 'disk_free', passed: true, text: '12% and 4GiB of /var are free' };
  const memory = { name: 'memory_free', passed: false, text: '3% and 60MiB of memory are free, expected 5% and 64MiB' };
  const look = { configTest: 'none', detail: '', fence: { expected: '', now: '' } } as const;
  t.match(gateOf(finishGates(start, { ...look, firsts: [disk] }, actions), 'config_test'), { verdict: 'pass', reason: /12% and 4GiB of \/var are free/ });
  const refused = stoodDown(finishGates(start, { ...look, firsts: [disk, memory] }, actions));
  t.match(refused, { why: 'refused', reason: /config_test \(memory_free failed: 3% and 60MiB of memory are free/ });
  const both = finishGates(start, { ...look, configTest: 'fail', detail: 'line 3', firsts: [memory] }, actions);
  t.match(gateOf(both, 'config_test'), { verdict: 'refuse', reason: /line 3; memory_free failed/ });
});

t.test('a config test is asked for by the action or by the rung', async (t) => {
  const first = policyOf({ rules: [{ ...startRule, try: [{ do: 'start', first: ['config_test'] }] }] });
  t.equal(needsConfigTest(decide(inputOf({ policy: first })), first, actions), true);
  t.equal(needsConfigTest(decide(inputOf()), policyOf(), actions), false);
  const hung = decide(inputOf({ cause: 'service.hung', causeSinceMs: 0, serviceState: stateOf('running') }));
  t.equal(needsConfigTest(hung, policyOf(), actions), true);
  t.equal(needsConfigTest(decide(inputOf({ cause: 'disk.full' })), policyOf(), actions), false);
});
