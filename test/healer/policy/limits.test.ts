import t from 'tap';
import { safetySchema } from '../../../src/config/safety-schema.ts';
import type { HostHistory } from '../../../src/healer/policy/limits.ts';
import { breakerState, withFailure, withSuccess } from '../../../src/healer/policy/breaker-limits.ts';
import { decide } from '../../../src/healer/policy/decide.ts';
import { failingTogether } from '../../../src/healer/policy/failing-together.ts';
import { backoffMs } from '../../../src/healer/policy/limits.ts';
import { ago, gateOf, hour, hung, hungRule, inputOf, minute, monotonicMs, policyFor, policyOf, quiet, refusing, second, stateOf, stoodDown, wallMs, type Case } from './case.ts';

t.test('R1 cooldown: counted from the end of the verification of the incident before, per service', async (t) => {
  const ended = (ms: number, incident = 'EARLIER') => ({ verifications: [{ incident, endedAtMs: monotonicMs - ms }] });
  t.equal(decide(inputOf({ ...hung, own: ended(59_999) })).kind, 'stand_down');
  t.equal(decide(inputOf({ ...hung, own: ended(60_000) })).kind, 'recover');
  t.equal(decide(inputOf({ ...hung, own: ended(1, 'NOW') })).kind, 'recover', 'a verification of this very incident is no quiet time');
  const other = new Map([['redis', { ...quiet, ...ended(1) }]]);
  t.equal(decide(inputOf({ ...hung, history: { attempts: [], services: other, host: { failures: [] } } })).kind, 'recover', 'nor is that of another service');
});

t.test('R1 cooldown: a service that died again is started after the growing back-off, never later than the cooldown ends', async (t) => {
  const policy = policyOf({ limits: { max_attempts: { times: 100, within: '1h' } } });
  /** How long after the end of the last verification the start is allowed, by how many attempts there were lately. */
  const waitsFor = (attempts: number, over: Case = {}) => {
    const own = { verifications: [{ incident: 'EARLIER', endedAtMs: monotonicMs - 100 }], backoff: { attempts, draw: 0.5 } };
    const decision = decide(inputOf({ policy, own, attempts: [ago(20 * second)], ...over }));
    return decision.kind === 'recover' ? 0 : (decision.retryAtMs ?? NaN) - wallMs + 100;
  };
  t.strictSame(
    [1, 2, 3, 4, 5, 6, 7, 8].map((attempts) => waitsFor(attempts)),
    [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000],
  );
  t.equal(waitsFor(1, { ...hung, policy: policyFor('service.hung', { do: 'restart' }) }), 60_000, 'what lives is left alone for the whole cooldown');
  t.equal(waitsFor(5, { policy: policyOf({ limits: { cooldown: '0s' } }) }), 0, 'who wants no cooldown has none');
  const crashLoop = [ago(50 * second), ago(30 * second), ago(10 * second)];
  const fourth = decide(inputOf({ own: { verifications: [{ incident: 'EARLIER', endedAtMs: monotonicMs - 8 * second }], backoff: { attempts: 3, draw: 0.5 } }, attempts: crashLoop }));
  t.strictSame(refusing(fourth), ['max_attempts'], 'and a crash loop is ended by max_attempts');
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

t.test('R6 host budget: what systemd would still start is kept for people', async (t) => {
  const left = (startsLeft: number, rung: string, keep = 1) =>
    gateOf(
      decide(inputOf({ policy: policyFor('service.crashed', { do: rung }), serviceState: stateOf('failed', { startsLeft }), safety: safetySchema.parse({ host_budget: { keep_for_humans: keep } }) })),
      'host_budget',
    ).verdict;
  for (const action of ['start', 'restart', 'terminate_orphans'])
    t.strictSame(
      [2, 1, 0].map((n) => left(n, action)),
      ['pass', 'refuse', 'refuse'],
      action,
    );
  t.strictSame(
    [4, 3].map((n) => left(n, 'start', 3)),
    ['pass', 'refuse'],
  );
  t.equal(left(0, 'reset_failed_and_start'), 'pass', 'a reset gives all of them back before it uses one');
  t.equal(left(0, 'reload'), 'pass', 'a reload starts nothing');
  t.equal(left(1, 'start', 0), 'pass', 'whoever keeps none may use the last');
});

t.test('R8 circuit breaker: 3 failures in 30 min open it for 1 h; then one try closes it, or opens it anew', async (t) => {
  const config = safetySchema.parse({}).breaker;
  const at = (...ms: number[]) => ms.map((one, i) => ({ ...ago(0, { incident: `I${i}`, action: 'restart', service: `s${i}` }), atMs: one }));
  /** Attempts at these minutes, each of which is known to have failed a second later. */
  const failed = (...minutes: number[]): HostHistory => {
    const attempts = at(...minutes.map((one) => one * minute));
    return attempts.reduce<HostHistory>(
      (host, { incident, service, atMs }, i) => withFailure({ host, attempts: attempts.slice(0, i + 1), services: new Map() }, { id: incident, service }, { config, nowMs: atMs + second }),
      { failures: [] },
    );
  };
  t.equal(failed(0, 10).breaker, undefined);
  t.match(failed(0, 10, 20).breaker, { openedAtMs: 20 * minute + second, tried: false, reason: /3 attempts within 30 min did not help \(s0, s1, s2\)/ });
  t.equal(failed(0, 15, 30).breaker, undefined, 'the first is forgotten after 30 min');
  t.match(failed(0, 15, 30, 31).breaker, { openedAtMs: 31 * minute + second });

  const opened = failed(0, 10, 20);
  const openedAtMs = 20 * minute + second;
  const stateAt = (nowMs: number, host = opened, attempts = at(20 * minute)) => breakerState({ host, attempts, services: new Map() }, config, nowMs);
  t.match(stateAt(openedAtMs + hour - 1), { kind: 'open', untilMs: openedAtMs + hour });
  t.match(stateAt(openedAtMs + hour), { kind: 'one_try' });
  const tried: HostHistory = { ...opened, breaker: { ...opened.breaker!, tried: true } };
  const theTry = at(openedAtMs + hour + 5 * second).map((attempt) => ({ ...attempt, incident: 'TRY' }));
  const later = openedAtMs + hour + minute;
  t.match(stateAt(later, tried, theTry), { kind: 'trying', untilMs: openedAtMs + 2 * hour + 5 * second }, 'nobody else tries meanwhile');
  t.match(stateAt(openedAtMs + 2 * hour + 5 * second, tried, theTry), { kind: 'one_try' }, 'a try of which nothing was heard does not shut it for ever');
  const anew = withFailure({ host: tried, attempts: theTry, services: new Map() }, { id: 'TRY', service: 's0' }, { config, nowMs: later });
  t.match(anew.breaker, { openedAtMs: later, tried: false, reason: /the one try, restart of s0, did not help/ });
  t.strictSame(withSuccess({ host: tried, attempts: theTry, services: new Map() }, { id: 'TRY' }), { failures: [] }, 'it helped: all is forgotten');
  t.equal(withSuccess({ host: tried, attempts: theTry, services: new Map() }, { id: 'OTHER' }), tried, 'what came back without the try proves nothing');
  const named: HostHistory = { ...tried, breaker: { ...tried.breaker!, triedBy: 'TRY' } };
  const beside = [...theTry, { ...ago(0, { incident: 'DEAD', service: 's9' }), atMs: later }];
  t.equal(withSuccess({ host: named, attempts: beside, services: new Map() }, { id: 'DEAD' }), named, 'nor does the start of another dead service, which goes on meanwhile');
  const reopened = withFailure({ host: named, attempts: beside, services: new Map() }, { id: 'TRY', service: 's0' }, { config, nowMs: later });
  t.match(reopened.breaker, { openedAtMs: later, tried: false }, 'nor does it hide that the try failed');
  t.match(stateAt(later, named, beside), { kind: 'trying', untilMs: openedAtMs + 2 * hour + 5 * second });
  t.equal(withSuccess({ host: opened, attempts: theTry, services: new Map() }, { id: 'TRY' }), opened);
});

t.test('R8 circuit breaker: an attempt fails once, whatever says so, and one that ends late decides nothing', async (t) => {
  const config = safetySchema.parse({}).breaker;
  const attempts = [ago(10 * second, { incident: 'A' })];
  const fail = (host: HostHistory, over = attempts, nowMs = monotonicMs) => withFailure({ host, attempts: over, services: new Map() }, { id: 'A', service: 'php-fpm' }, { config, nowMs });
  const once = fail({ failures: [] });
  t.equal(once.failures.length, 1);
  t.equal(fail(once), once, 'the same attempt');
  t.equal(fail(once, [...attempts, ago(-second, { incident: 'A' })], monotonicMs + 2 * second).failures.length, 2, 'the next attempt');
  t.equal(fail({ failures: [] }, [ago(1, { incident: 'B' })]).failures.length, 0, 'no attempt, no failure');
  const open: HostHistory = { failures: [], breaker: { openedAtMs: monotonicMs - minute, reason: 'r', tried: false } };
  t.equal(fail(open).breaker, open.breaker, 'begun before it opened');
  const many = Array.from({ length: 300 }, (_, i) => i).reduce<HostHistory>(
    (host, i) => withFailure({ host, attempts: [ago(0, { incident: `${i}` })], services: new Map() }, { id: `${i}`, service: 's' }, { config, nowMs: monotonicMs + i }),
    { failures: [] },
  );
  t.equal(many.failures.length, 100, 'the list has an end');
});

t.test('R8 circuit breaker: the one try passes the gate, and says that it is the one', async (t) => {
  const half = { host: { failures: [{ service: 'php-fpm', incident: 'EARLIER', atMs: monotonicMs - 20 * minute }], breaker: { openedAtMs: monotonicMs - hour, reason: 'r', tried: false } } };
  t.match(decide(inputOf(half)), { kind: 'recover' });
  t.match(gateOf(decide(inputOf(half)), 'breaker'), { verdict: 'pass', reason: /opened 1 h ago: r; this is the one try that decides/ });
  const tried = { host: { ...half.host, breaker: { ...half.host.breaker, tried: true } }, attempts: [ago(5 * minute, { service: 'redis' })] };
  t.match(gateOf(decide(inputOf(tried)), 'breaker'), { verdict: 'refuse', reason: /the one try is made and decides; allowed in 55 min/ });
});

t.test('R8 shared cause: at least 3 services and 30 % of all, within 60 s, dependents not counted', async (t) => {
  const config = safetySchema.parse({}).shared_cause;
  const services = (n: number, needs: Record<string, readonly string[]> = {}) => new Map(Array.from({ length: n }, (_, i) => [`s${i}`, needs[`s${i}`] ?? []] as const));
  const openings = (...seconds: number[]) => seconds.map((one, i) => ({ service: `s${i}`, incident: `I${i}`, atMs: one * second }));
  t.strictSame(failingTogether(openings(0, 30, 59.999), services(9), config), ['s0', 's1', 's2']);
  t.strictSame(failingTogether(openings(0, 30, 60), services(9), config), [], '60 s apart is apart');
  t.strictSame(failingTogether(openings(0, 1), services(2), config), [], 'two are never enough');
  t.strictSame(failingTogether(openings(0, 1, 2), services(10), config), ['s0', 's1', 's2'], '3 of 10 are 30 %');
  t.strictSame(failingTogether(openings(0, 1, 2), services(11), config), [], '3 of 11 are fewer');
  t.equal(failingTogether(openings(...Array(7).keys()), services(100), { ...config, services: 0.07 }).length, 7, '7 of 100 are 7 %');
  t.strictSame(failingTogether(openings(0, 100, 101, 102), services(9), config), ['s1', 's2', 's3'], 'any 60 s');
  const fpmNeedsDb = { s1: ['s0'], s2: ['s1'] };
  t.strictSame(failingTogether(openings(0, 1, 2, 3), services(9, fpmNeedsDb), config), [], 's1 and s2 need s0, directly or not: two causes at most');
  t.strictSame(failingTogether(openings(0, 1, 2, 3, 4), services(9, fpmNeedsDb), config), ['s0', 's3', 's4']);
  t.strictSame(failingTogether(openings(0, 1, 2), services(9, { s0: ['s1'], s1: ['s0'] }), config), ['s0', 's1', 's2'], 'two that need each other explain nothing');
});

t.test('R9 fleet: the draws of 500 hosts spread, so that they do not act in step', async (t) => {
  const config = policyOf().limits.backoff;
  let state = 7;
  const random = () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647;
  const waits = Array.from({ length: 500 }, () => backoffMs(config, 5, random()));
  t.ok(
    waits.every((ms) => ms >= 12_800 && ms <= 19_200),
    '16 s, 20 % more or less',
  );
  const perSecond = Map.groupBy(waits, (ms) => Math.floor(ms / second));
  const busiest = Math.max(...[...perSecond.values()].map((hosts) => hosts.length));
  t.ok(busiest < 125, `the busiest second has ${busiest} of 500`);
  t.ok(perSecond.size >= 7, `${perSecond.size} seconds`);
});
