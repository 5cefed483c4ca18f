import t from 'tap';
import { safetySchema } from '../../../src/config/safety-schema.ts';
import { gateNames, type GateName } from '../../../src/core/decision.ts';
import { decide } from '../../../src/healer/policy/decide.ts';
import { openWindows } from '../../../src/healer/policy/maintenance-windows.ts';
import { ago, asked, gateOf, hour, hung, inputOf, minute, monotonicMs, policyFor, policyOf, refusing, second, startRule, stateOf, stoodDown, wallMs, type Case } from './case.ts';

/** Everything that may stand in the way, each alone: which gate it shuts, with which words, and for how long. */
const ways: readonly { readonly gate: GateName; readonly says: RegExp; readonly inMs?: number; readonly when: Case }[] = [
  { gate: 'enabled', says: /switched off for this host \(safety.enabled/, when: { safety: safetySchema.parse({ enabled: false }) } },
  {
    gate: 'enabled',
    says: /healing of this host was switched off by eva \(pts\/1\) at 2026-11-22T02:12:00.000Z \(1 h ago\): migration/,
    when: { host: { off: { sinceMs: monotonicMs - hour, reason: 'migration', by: 'eva (pts/1)' } } },
  },
  { gate: 'enabled', says: /healing of php-fpm was switched off by eva at .*: migration/, when: { own: { off: { sinceMs: monotonicMs - hour, reason: 'migration', by: 'eva' } } } },
  { gate: 'enabled', says: /another goodgateway holds \/run\/lock/, when: { around: { otherHealer: { text: 'another goodgateway holds /run/lock' } } } },
  {
    gate: 'paused',
    says: /paused until 2026-11-22T03:32:00.000Z \(20 min more\): deploy 4711/,
    inMs: 20 * minute,
    when: { own: { paused: { untilMs: monotonicMs + 20 * minute, reason: 'deploy 4711' } } },
  },
  { gate: 'paused', says: /the whole host is paused until .* \(5 min more\): new kernel/, inMs: 5 * minute, when: { host: { paused: { untilMs: monotonicMs + 5 * minute, reason: 'new kernel' } } } },
  { gate: 'paused', says: /booted 20 s ago/, inMs: 40 * second, when: { ...hung, around: { unfit: [{ what: 'boot', text: 'booted 20 s ago', untilMs: monotonicMs + 40 * second }] } } },
  { gate: 'paused', says: /3MiB are free/, when: { around: { unfit: [{ what: 'disk', text: '3MiB are free on /var' }] } } },
  {
    gate: 'maintenance',
    says: /"nightly backup" \(03:00-03:30 UTC\) until 2026-11-22T03:30:00.000Z, which does not allow start/,
    inMs: 18 * minute,
    when: { safety: safetySchema.parse({ maintenance: [{ name: 'nightly backup', every: '03:00-03:30', timezone: 'UTC' }] }) },
  },
  { gate: 'change_in_progress', says: /is starting right now/, when: { serviceState: stateOf('starting') } },
  { gate: 'change_in_progress', says: /is stopping right now/, when: { serviceState: stateOf('stopping') } },
  { gate: 'change_in_progress', says: /being changed: a restart job waits/, when: { serviceState: stateOf('failed', { changing: 'a restart job waits' }) } },
  {
    gate: 'change_in_progress',
    says: /dpkg holds its lock; \/var\/www\/current is new/,
    when: { around: { changes: [{ text: 'dpkg holds its lock' }, { text: '/var/www/current is new', untilMs: monotonicMs + minute }] } },
  },
  { gate: 'change_in_progress', says: /current is new/, inMs: minute, when: { around: { changes: [{ text: '/var/www/current is new', untilMs: monotonicMs + minute }] } } },
  { gate: 'deliberate_stop', says: /stopped on purpose is never started by goodgateway/, when: { serviceState: stateOf('stopped') } },
  {
    gate: 'humans_first',
    says: /eva restarted it \(1 min ago\); people go first for 3 min; allowed in 2 min/,
    inMs: 2 * minute,
    when: { ...hung, own: { humanActed: { atMs: monotonicMs - minute, text: 'eva restarted it' } } },
  },
  { gate: 'supervisor_first', says: /by itself in 5 s/, inMs: 7 * second, when: { serviceState: stateOf('failed', { supervisorActsInMs: 5 * second }) } },
  {
    gate: 'supervisor_first',
    says: /by itself in 5 s/,
    inMs: 14 * second,
    when: { policy: policyOf({ service: { type: 'external', defer_to_supervisor: '15s' } }), serviceState: stateOf('failed', { supervisorActsInMs: 5 * second }) },
  },
  { gate: 'dependency_open', says: /mariadb has an open incident/, when: { ...hung, around: { dependencies: [{ service: 'mariadb', text: 'mariadb has an open incident' }] } } },
  {
    gate: 'dependency_open',
    says: /mariadb settles/,
    inMs: 20 * second,
    when: { ...hung, around: { dependencies: [{ service: 'mariadb', text: 'mariadb settles', untilMs: monotonicMs + 20 * second }] } },
  },
  { gate: 'never', says: /rule "Crashed, so start it" forbids start/, when: { policy: policyOf({ rules: [{ ...startRule, never: ['start'] }] }) } },
  { gate: 'never', says: /policy php-fpm forbids start/, when: { policy: policyOf({ never: ['start'] }) } },
  { gate: 'confidence', says: /service.hung is possible; restart \(reach: service\) needs likely/, when: { ...hung, confidence: 'possible' } },
  { gate: 'confidence', says: /likely; run \(reach: host\) needs certain/, when: { policy: policyFor('service.crashed', { do: 'run' }), confidence: 'likely' } },
  {
    gate: 'confidence',
    says: /service.hung is likely; restart \(reach: service\) needs certain, as it stops 40 sites/,
    when: { ...hung, policy: policyFor('service.hung', { do: 'restart' }, { limits: { blast_radius: { tenants: 40 } } }), confidence: 'likely' },
  },
  { gate: 'confidence', says: /the cause is unknown, and restart disturbs the service/, when: { ...hung, cause: 'unknown', policy: policyFor('unknown', { do: 'restart' }) } },
  {
    gate: 'breaker',
    says: /opened 20 min ago: 3 attempts within 30 min did not help \(redis\); nothing is done until 2026-11-22T03:52:00.000Z \(40 min more\)/,
    inMs: 40 * minute,
    when: {
      host: {
        failures: [{ service: 'php-fpm', incident: 'EARLIER', atMs: monotonicMs - 20 * minute }],
        breaker: { openedAtMs: monotonicMs - 20 * minute, reason: '3 attempts within 30 min did not help (redis)', tried: false },
      },
    },
  },
  { gate: 'breaker', says: /3 of 9 services began to fail/, when: { ...hung, around: { sharedCause: { text: '3 of 9 services began to fail' } } } },
  {
    gate: 'host_budget',
    says: /6 of 6 disruptive actions on this host within 1 h are used \(.*other-5 reload 30 min ago.*\)/,
    inMs: 30 * minute,
    when: { ...hung, attempts: Array.from({ length: 6 }, (_, i) => ago((6 - i) * 5 * minute, { service: `other-${5 - i}`, action: 'reload' })) },
  },
  { gate: 'host_budget', says: /systemd would start the unit 1 more time \(StartLimitBurst\), and 1 is kept for people/, when: { serviceState: stateOf('failed', { startsLeft: 1 }) } },
  { gate: 'max_attempts', says: /3 of 3 attempts within 1 h are used; allowed in 20 min/, inMs: 20 * minute, when: { attempts: [ago(40 * minute), ago(30 * minute), ago(20 * minute)] } },
  {
    gate: 'max_attempts',
    says: /^given up: nothing helped; waiting for a human/,
    when: { own: { gaveUp: { incident: 'EARLIER', reason: 'nothing helped', sinceMs: monotonicMs - hour, retried: false } } },
  },
  { gate: 'cooldown', says: /cooldown of 1 min .* allowed in 45 s/, inMs: 45 * second, when: { ...hung, own: { verifications: [{ incident: 'EARLIER', endedAtMs: monotonicMs - 15 * second }] } } },
  { gate: 'approval', says: /restart needs a yes of ops, who is asked now/, when: { ...hung, policy: policyFor('service.hung', { do: 'restart', approval: {} }) } },
];

t.test('each gate refuses by itself, with its number, and every other gate is on record beside it', async (t) => {
  for (const { gate, says, inMs, when } of ways) {
    const decision = stoodDown(decide(inputOf(when)));
    t.equal(decision.why, 'refused', gate);
    t.strictSame(refusing(decision), [gate], `only ${gate} refuses`);
    t.strictSame(
      decision.gates.map((result) => result.gate),
      gateNames,
    );
    t.match(gateOf(decision, gate).reason, says);
    t.match(decision.reason, new RegExp(`refused by ${gate}`));
    t.equal(gateOf(decision, gate).allowedAtMs, inMs === undefined ? undefined : wallMs + inMs, `${gate}: when time opens it`);
    t.equal(decision.retryAtMs, inMs === undefined ? undefined : wallMs + inMs);
  }
  const untested = gateNames.filter((gate) => !ways.some((way) => way.gate === gate));
  t.strictSame(untested, ['config_test', 'fence'], 'no gate is forgotten here');
});

t.test('when all of them stand in the way, all of them are on record', async (t) => {
  const restart = inputOf({
    ...hung,
    cause: 'service.stopped_by_operator',
    confidence: 'possible',
    policy: policyFor('service.stopped_by_operator', { do: 'restart', approval: {} }, { never: ['restart'] }),
    safety: safetySchema.parse({ maintenance: [{ name: 'backup', every: '03:00-04:00', timezone: 'UTC' }] }),
    serviceState: stateOf('stopped', { changing: 'a job', supervisorActsInMs: second, startsLeft: 0 }),
    attempts: [ago(1), ago(2), ago(3)],
    own: {
      off: { sinceMs: 0, reason: 'r', by: 'eva' },
      paused: { untilMs: monotonicMs + minute, reason: 'r' },
      humanActed: { atMs: monotonicMs, text: 'eva restarted it' },
      verifications: [{ incident: 'EARLIER', endedAtMs: monotonicMs }],
    },
    host: { failures: [{ service: 'php-fpm', incident: 'EARLIER', atMs: monotonicMs - 20 * minute }], breaker: { openedAtMs: monotonicMs, reason: 'r', tried: false } },
    around: { dependencies: [{ service: 'mariadb', text: 'mariadb is down' }] },
  });
  const decision = stoodDown(decide(restart));
  t.strictSame(
    refusing(decision),
    gateNames.filter((gate) => !['approval', 'config_test', 'fence'].includes(gate)),
  );
  t.strictSame(
    decision.gates.filter((result) => result.verdict === 'not_evaluated').map((result) => result.gate),
    ['approval', 'config_test', 'fence'],
  );
  for (const result of decision.gates) t.ok(result.reason.length > 5, `${result.gate} says why: ${result.reason}`);
});

t.test('every refusing gate is in the reason, and time is named only when it opens them all', async (t) => {
  const own = { verifications: [{ incident: 'EARLIER', endedAtMs: monotonicMs - 15 * second }] };
  const attempts = [ago(50 * minute), ago(40 * minute), ago(15 * second)];
  const both = stoodDown(decide(inputOf({ ...hung, own, attempts })));
  t.match(both.reason, /restart is refused by max_attempts \(3 of 3 .*\) and cooldown \(/);
  t.equal(both.retryAtMs, wallMs + 10 * minute, 'the later one counts');
  const stopped = stoodDown(decide(inputOf({ ...hung, own, attempts, serviceState: stateOf('stopped') })));
  t.match(stopped.reason, /deliberate_stop .* max_attempts .* cooldown/);
  t.equal(stopped.retryAtMs, undefined);
});

/** What still passes while a living service is protected: a start of a dead one, a word to people, a change of our own route. */
t.test('what only protects a living service never holds up the start of a dead one', async (t) => {
  const table: readonly { readonly name: string; readonly when: Case; readonly gate: GateName; readonly start: 'pass' | 'refuse' }[] = [
    { name: 'R15 humans first', gate: 'humans_first', start: 'pass', when: { own: { humanActed: { atMs: monotonicMs - second, text: 'eva restarted it' } } } },
    { name: 'R20 dependency', gate: 'dependency_open', start: 'pass', when: { around: { dependencies: [{ service: 'mariadb', text: 'mariadb is down' }] } } },
    { name: 'boot', gate: 'paused', start: 'pass', when: { around: { unfit: [{ what: 'boot', text: 'booted 2 s ago' }] } } },
    { name: 'full disk', gate: 'paused', start: 'refuse', when: { around: { unfit: [{ what: 'disk', text: 'no byte is free' }] } } },
    { name: 'R8 shared cause', gate: 'breaker', start: 'pass', when: { around: { sharedCause: { text: '3 of 3 failed' } } } },
    {
      name: 'R8 breaker',
      gate: 'breaker',
      start: 'refuse',
      when: { host: { failures: [{ service: 'php-fpm', incident: 'EARLIER', atMs: monotonicMs - 20 * minute }], breaker: { openedAtMs: monotonicMs, reason: 'r', tried: false } } },
    },
    { name: 'R8 breaker, opened by other services,', gate: 'breaker', start: 'pass', when: { host: { breaker: { openedAtMs: monotonicMs, reason: 'r', tried: false } } } },
    { name: 'a package manager', gate: 'change_in_progress', start: 'refuse', when: { around: { changes: [{ text: 'dpkg holds its lock' }] } } },
  ];
  for (const { name, when, gate, start } of table) {
    const verdictOf = (rung: string) => gateOf(decide(inputOf({ ...when, policy: policyFor('service.crashed', { do: rung }) })), gate).verdict;
    t.equal(verdictOf('restart'), 'refuse', `${name} holds up a restart`);
    t.equal(verdictOf('run'), 'refuse', `${name} holds up a program of which nobody knows what it does`);
    t.equal(verdictOf('start'), start, `${name} and a start`);
    t.equal(verdictOf('page'), 'pass', `${name} and a message`);
  }
  const shed = { cause: 'service.hung' as const, policy: policyFor('service.hung', { do: 'shed_load' }), serviceState: stateOf('running') };
  t.equal(
    gateOf(decide(inputOf({ ...shed, around: { dependencies: [{ service: 'mariadb', text: 'down' }], sharedCause: { text: 'all' } } })), 'dependency_open').verdict,
    'pass',
    'shedding load disturbs nothing',
  );
});

t.test('R16 maintenance: a window names itself, allows what it lists, and is for the services that it names', async (t) => {
  const inWindow = (over: Record<string, unknown>, rung = 'start') =>
    gateOf(
      decide(
        inputOf({ policy: policyFor('service.crashed', { do: rung }), safety: safetySchema.parse({ maintenance: [{ name: 'nightly backup', every: '02:00-03:30', timezone: 'UTC', ...over }] }) }),
      ),
      'maintenance',
    );
  t.match(inWindow({}), { verdict: 'refuse', reason: /nightly backup/ });
  t.match(inWindow({ allow: ['start'] }), { verdict: 'pass', reason: /"nightly backup" .* allows start/ });
  t.match(inWindow({ allow: ['start'] }, 'restart'), { verdict: 'refuse' });
  t.match(inWindow({}, 'page'), { verdict: 'pass' });
  t.match(inWindow({ services: ['mariadb'] }), { verdict: 'pass', reason: /not in a maintenance window/ });
  t.match(inWindow({ services: ['mariadb', 'php-fpm'] }), { verdict: 'refuse' });
  t.match(inWindow({ days: ['sun'] }), { verdict: 'refuse' }, '22 November 2026 is a Sunday');
  t.match(inWindow({ days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat'] }), { verdict: 'pass' });
  t.match(inWindow({ every: '02:00-03:12' }), { verdict: 'pass' }, 'the end is outside');
  t.match(inWindow({ every: '03:12-03:13' }), { verdict: 'refuse', allowedAtMs: wallMs + minute }, 'the beginning is inside');
});

t.test('R16 maintenance: over midnight, in every time zone, and over the change to and from summer time', async (t) => {
  const table: readonly { readonly name: string; readonly every: string; readonly zone: string; readonly days?: readonly string[]; readonly opens: string; readonly ends: string }[] = [
    { name: 'winter', every: '02:00-03:30', zone: 'Europe/Madrid', opens: '2026-01-15T01:00:00Z', ends: '2026-01-15T02:30:00Z' },
    { name: 'summer', every: '02:00-03:30', zone: 'Europe/Madrid', opens: '2026-07-15T00:00:00Z', ends: '2026-07-15T01:30:00Z' },
    { name: 'over midnight, by the day on which it begins', every: '23:00-01:00', zone: 'Europe/Madrid', days: ['sat'], opens: '2026-01-17T22:00:00Z', ends: '2026-01-18T00:00:00Z' },
    { name: 'far east', every: '02:00-03:30', zone: 'Pacific/Auckland', opens: '2026-01-14T13:00:00Z', ends: '2026-01-14T14:30:00Z' },
    { name: 'half an hour', every: '02:00-03:30', zone: 'Asia/Kolkata', opens: '2026-01-14T20:30:00Z', ends: '2026-01-14T22:00:00Z' },
    // 29 March 2026: 02:00 CET becomes 03:00 CEST at 01:00Z
    { name: 'spring, begins in the hour that is missing', every: '02:00-03:30', zone: 'Europe/Madrid', opens: '2026-03-29T01:00:00Z', ends: '2026-03-29T01:30:00Z' },
    { name: 'spring, ends in the hour that is missing', every: '01:00-02:30', zone: 'Europe/Madrid', opens: '2026-03-29T00:00:00Z', ends: '2026-03-29T01:00:00Z' },
    { name: 'spring, goes over it', every: '23:30-03:30', zone: 'Europe/Madrid', opens: '2026-03-28T22:30:00Z', ends: '2026-03-29T01:30:00Z' },
    // 25 October 2026: 03:00 CEST becomes 02:00 CET at 01:00Z
    { name: 'autumn, begins in the hour that comes twice', every: '02:00-03:30', zone: 'Europe/Madrid', opens: '2026-10-25T00:00:00Z', ends: '2026-10-25T02:30:00Z' },
    { name: 'autumn, ends in the hour that comes twice', every: '01:00-02:30', zone: 'Europe/Madrid', opens: '2026-10-24T23:00:00Z', ends: '2026-10-25T01:30:00Z' },
    { name: 'autumn, lies in it', every: '02:10-02:20', zone: 'Europe/Madrid', opens: '2026-10-25T00:10:00Z', ends: '2026-10-25T01:20:00Z' },
    { name: 'autumn, nearly a day', every: '00:00-23:59', zone: 'Europe/Madrid', opens: '2026-10-24T22:00:00Z', ends: '2026-10-25T22:59:00Z' },
  ];
  for (const { name, every, zone, days, opens, ends } of table) {
    const windows = safetySchema.parse({ maintenance: [{ name, every, timezone: zone, ...(days ? { days } : {}) }] }).maintenance;
    const endAt = (atMs: number) => openWindows(windows, 'php-fpm', atMs)[0]?.endMs;
    const [opensMs, endsMs] = [Date.parse(opens), Date.parse(ends)];
    t.equal(endAt(opensMs - 1), undefined, `${name}: not before`);
    t.equal(endAt(opensMs), endsMs, `${name}: opens at ${opens}`);
    t.equal(endAt(endsMs - 1), endsMs, `${name}: still open`);
    t.equal(endAt(endsMs), undefined, `${name}: ends at ${ends}`);
  }
  const missing = safetySchema.parse({ maintenance: [{ name: 'gap', every: '02:00-03:00', timezone: 'Europe/Madrid', days: ['sun'] }] }).maintenance;
  for (let atMs = Date.parse('2026-03-28T12:00:00Z'); atMs < Date.parse('2026-03-29T12:00:00Z'); atMs += 5 * minute) t.strictSame(openWindows(missing, 'php-fpm', atMs), []);
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

t.test('R18 deliberate stop: what a package operation left stopped is started once it is over', async (t) => {
  const left = { serviceState: stateOf('stopped', { stoppedByPackage: true }) };
  t.match(decide(inputOf(left)), { kind: 'recover', step: { action: 'start' } });
  const during = decide(inputOf({ ...left, around: { changes: [{ text: 'dpkg holds its lock' }] } }));
  t.strictSame(refusing(during), ['change_in_progress']);
  t.strictSame(
    refusing(decide(inputOf({ ...left, cause: 'service.stopped_by_operator', policy: policyFor('service.stopped_by_operator', { do: 'start' }) }))),
    ['deliberate_stop', 'never'],
    'not when the diagnosis says that a person stopped it',
  );
});

t.test('R19 supervisor first: a configured time is over when it is over', async (t) => {
  const policy = policyOf({ service: { type: 'external', defer_to_supervisor: '15s' } });
  const serviceState = stateOf('failed', { supervisorActsInMs: 60 * second });
  const incident = { id: 'NOW', service: 'php-fpm', openedAtMs: wallMs - 15 * second };
  t.equal(decide(inputOf({ policy, serviceState, incident })).kind, 'recover');
});

t.test('R19 supervisor first: RestartSec and two seconds while it is about to restart; at once when it gave up or never would', async (t) => {
  t.equal(decide(inputOf({ serviceState: stateOf('failed') })).kind, 'recover');
  const restarting = stoodDown(decide(inputOf({ serviceState: stateOf('failed', { supervisorActsInMs: 100 }) })));
  t.equal(restarting.retryAtMs, wallMs + 2100);
  const noneToWaitFor = policyOf({ service: { type: 'external', defer_to_supervisor: '15s' } });
  t.equal(decide(inputOf({ policy: noneToWaitFor })).kind, 'recover', 'also where a time is configured');
});

t.test('R20 dependency order: disruptive actions wait until what the service needs is well again', async (t) => {
  const policy = policyFor('service.hung', { do: 'restart' }, { depends_on: ['mariadb', 'redis'] });
  t.match(gateOf(decide(inputOf({ ...hung, policy })), 'dependency_open'), { verdict: 'pass', reason: /well: mariadb, redis/ });
  const both = [
    { service: 'mariadb', text: 'mariadb has an open incident' },
    { service: 'redis', text: 'redis came back 10 s ago', untilMs: monotonicMs + 20 * second },
  ];
  const refused = stoodDown(decide(inputOf({ ...hung, policy, around: { dependencies: both } })));
  t.match(refused, { retryAtMs: undefined, reason: /dependency_open \(mariadb has an open incident; redis came back 10 s ago\)/ });
  const start = decide(inputOf({ around: { dependencies: both } }));
  t.match(gateOf(start, 'dependency_open'), { verdict: 'pass', reason: /mariadb, redis: in trouble, which never holds up the start/ });
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

t.test('R27 humility: what disturbs needs a direct sign or two independent ones; an unknown cause has none, so a person must say yes', async (t) => {
  const unknown = (rung: Record<string, unknown>, over: Case = {}) =>
    decide(inputOf({ cause: 'unknown', confidence: 'possible', serviceState: stateOf('running', { fence: 'pid 7' }), policy: policyFor('unknown', rung), ...over }));
  for (const action of ['reload', 'restart', 'run']) t.strictSame(refusing(unknown({ do: action })), ['confidence'], action);
  t.strictSame(refusing(unknown({ do: 'restart', approval: {} })), ['approval']);
  t.match(unknown({ do: 'restart', approval: {} }, { approvals: [asked('given')] }), { kind: 'recover', step: { action: 'restart' } });
  t.strictSame(refusing(unknown({ do: 'restart' }, { policy: policyFor('unknown', { do: 'restart' }, { mode: 'approve' }) })), ['approval'], 'in mode approve a person is asked anyway');
  for (const action of ['start', 'page', 'wait']) t.equal(unknown({ do: action }).kind, 'recover', `${action} disturbs nothing`);
});

t.test('R7 blast radius: what many share raises what an action needs and never lowers it', async (t) => {
  const needs = (blast: Record<string, unknown>, rung: string, confidence: 'possible' | 'likely' | 'certain') =>
    gateOf(
      decide(inputOf({ cause: 'service.hung', confidence, policy: policyFor('service.hung', { do: rung }, { limits: { blast_radius: blast } }), serviceState: stateOf('running') })),
      'confidence',
    );
  t.match(needs({ tenants: 'all' }, 'restart', 'likely'), { verdict: 'refuse', reason: /needs certain, as it stops every site/ });
  t.match(needs({ tenants: 40, needs: 'likely' }, 'restart', 'likely'), { verdict: 'pass', reason: /as it stops 40 sites/ });
  t.match(needs({ needs: 'possible' }, 'restart', 'possible'), { verdict: 'refuse', reason: /needs likely/ });
  t.match(needs({ needs: 'possible' }, 'run', 'likely'), { verdict: 'refuse', reason: /needs certain/ });
  t.match(needs({}, 'start', 'likely'), { verdict: 'pass' }, 'a start stops no site');
});
