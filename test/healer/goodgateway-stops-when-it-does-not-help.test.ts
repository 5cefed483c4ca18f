/** The circuit breaker, the shared cause and the turns at the host's limits: the real memory and audit log, fake services. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { policySchema } from '../../src/config/policy-schema.ts';
import { safetySchema } from '../../src/config/safety-schema.ts';
import type { Decision, StepResult } from '../../src/core/decision.ts';
import type { CauseName } from '../../src/core/diagnosis.ts';
import { ulid } from '../../src/core/ids.ts';
import { openAuditLog } from '../../src/healer/audit/log.ts';
import { noteFailure, noteRelapse, noteSuccess } from '../../src/healer/breaker.ts';
import { createWard } from '../../src/healer/create-ward.ts';
import type { Healer, OpenCase, Ward } from '../../src/healer/healer.ts';
import type { Action } from '../../src/healer/leaves.ts';
import { recover } from '../../src/healer/recover.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import * as services from '../../src/healer/services/registry.ts';
import { sharedCause, watchSharedCause } from '../../src/healer/shared-cause.ts';
import { openStateStore } from '../../src/healer/state-store.ts';
import { auditRecords } from '../support/audit-records.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { openCase } from '../fixtures/healer/scene.ts';
import { FakeClock } from './fake-clock.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const decision: Extract<Decision, { kind: 'recover' }> = { kind: 'recover', rule: 'Crashed', step: { action: 'start', options: {}, timeoutMs: 1000, attempt: 1, rung: 0 }, gates: [] };

/** A host with services a, b, c … whose actions end as the test says. */
async function scene(
  t: Test,
  names: readonly string[] = ['a', 'b', 'c'],
  { safety = {}, needs = {}, folder = tempFolder(t) }: { safety?: Record<string, unknown>; needs?: Record<string, readonly string[]>; folder?: string } = {},
) {
  const clock = new FakeClock();
  const stop = new AbortController();
  const told: string[] = [];
  const performed: string[] = [];
  const results: { next: StepResult['result'] } = { next: 'done' };
  const audit = await openAuditLog({ folder: join(folder, 'audit'), host: 'h', agent: 'a', clock, bootId: 'b' });
  const wards = new Map<string, Ward>();
  const fake = (name: 'start' | 'restart' | 'page', limits: Partial<Action>): [Action['name'], Action] => [
    name,
    {
      name,
      reach: 'service',
      reversible: false,
      needs: 'likely',
      counts: true,
      budget: 'disruptive',
      evidence: 'none',
      configTest: false,
      options: undefined as never,
      perform: async ({ target }) => (performed.push(`${name} ${target.name}`), { result: results.next, detail: `${name} of ${target.name}`, durationMs: 1 }),
      ...limits,
    },
  ];
  const actions = new Map([fake('start', { budget: 'start' }), fake('restart', {}), fake('page', { reach: 'none', counts: false, budget: 'none', tells: 'page' })]);
  const healer: Healer = {
    wards,
    audit,
    state: await openStateStore(join(folder, 'state'), clock),
    safety: safetySchema.parse(safety),
    collectors: [],
    probes: [],
    causes: [],
    actions,
    actionTable: actions,
    run: runCommand,
    clock,
    log: { info: () => undefined, warn: () => undefined, error: (_fields, text) => void told.push(text) },
    order: () => undefined,
    stopping: stop.signal,
  };
  const serviceTypes = new Map(Object.values(services).map((type) => [type.name as string, type]));
  for (const name of names) {
    const policy = policySchema.parse({ version: 1, name, mode: 'act', service: { type: 'external' }, depends_on: needs[name] ?? [], notify: { to: [name === 'b' ? 'dev' : 'ops'] } });
    wards.set(name, await createWard({ loaded: { policy, file: 'x', sha256: 'a'.repeat(64) }, gateways: {}, stateFolder: folder, serviceTypes, order: healer.order }));
  }
  t.teardown(async () => {
    stop.abort();
    await audit.close();
  });
  const ward = (name: string): Ward => wards.get(name)!;
  const records = () => auditRecords(join(folder, 'audit'));
  const events = (of: RegExp): string[] => records().flatMap(({ event }) => (of.test(event) ? event : []));
  /** Its incident is opened now. */
  const breaks = async (name: string, cause: CauseName = 'service.crashed'): Promise<OpenCase> => {
    const incident = { id: ulid(clock.wallMs()), service: name, openedAtMs: clock.wallMs(), symptom: { seenBy: 'watch', kind: 'service_down', count: 1, text: 'down' } } as const;
    await healer.state.openIncident(incident, 10 * minute);
    return openCaseOf(incident, cause, clock);
  };
  const act = async (open: OpenCase, step = decision.step) => recover({ ...decision, step }, { open, ward: ward(open.incident.service), healer });
  const heals = async (open: OpenCase): Promise<void> => {
    await healer.state.endVerification(open.incident, 'recovered');
    await noteSuccess({ open, ward: ward(open.incident.service), healer });
    await healer.state.closeIncident(open.incident.id);
  };
  /** An attempt that does not help, and whose incident stays open. */
  const failsAt = async (name: string): Promise<void> => {
    results.next = 'failed';
    await act(await breaks(name));
    results.next = 'done';
  };
  /** Time passes in steps of a second, each to the end of what it sets going. */
  const passes = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= second) {
      clock.pass(Math.min(second, left));
      await clock.settle();
    }
  };
  return { healer, clock, ward, told, performed, results, records, events, breaks, act, heals, failsAt, passes, folder, stop };
}

function openCaseOf(incident: OpenCase['incident'], cause: CauseName, clock: FakeClock): OpenCase {
  const atMs = clock.monotonicMs();
  const best = { cause, confidence: 'certain', subject: 's', sentence: 's', because: [], against: [], remedy: '' } as const;
  return openCase({ incident, diagnosis: { best, others: [], evidence: [] }, causeSinceMs: atMs, lastSymptomMs: atMs, askedAtMs: atMs });
}

t.test('R8 circuit breaker: three attempts that did not help open it, with a record and one message; nobody acts for an hour', async (t) => {
  const { healer, clock, told, performed, records, events, breaks, act, failsAt } = await scene(t);
  await failsAt('a');
  clock.pass(10 * minute);
  await failsAt('b');
  t.strictSame(events(/breaker/), []);
  clock.pass(10 * minute);
  await failsAt('c');
  t.match(
    records().find(({ event }) => event === 'breaker.opened'),
    {
      service: 'c',
      text: /^3 attempts within 30 min did not help \(a, b, c\), so for 1 h goodgateway does nothing on this host but to look, to tell people, and to start a dead service that none of these attempts was about/,
    },
  );
  t.equal(told.length, 1);
  t.match(told[0], /circuit breaker opened: 3 attempts within 30 min did not help/);

  const open = await breaks('a');
  t.match(await act(open), { next: 'again' }, 'also a step that was decided a moment before it opened');
  t.equal(performed.length, 3);
  t.match(await act(open, { ...decision.step, action: 'page' }), { next: 'again' });
  t.equal(performed.at(-1), 'page a', 'people are told');
  clock.pass(hour);
  await act(open);
  t.equal(performed.at(-1), 'start a', 'then one try');
  t.strictSame(events(/breaker/), ['breaker.opened', 'breaker.half_open']);
  t.match(await act(await breaks('b')), { next: 'again' }, 'and only one');
  t.equal(performed.filter((what) => what === 'start b').length, 1);
  t.equal(healer.state.state().host.breaker?.tried, true);
});

t.test('R8 circuit breaker: the one try that helps closes it; the one that does not opens it anew', async (t) => {
  for (const helps of [true, false]) {
    const { healer, clock, ward, events, breaks, act, heals, failsAt } = await scene(t);
    for (const name of ['a', 'b', 'c']) await failsAt(name);
    clock.pass(hour);
    const open = await breaks('a');
    await act(open);
    clock.pass(20 * second);
    if (helps) await heals(open);
    else await noteFailure({ open, ward: ward('a'), healer });
    t.strictSame(events(/breaker/), ['breaker.opened', 'breaker.half_open', helps ? 'breaker.closed' : 'breaker.opened']);
    if (helps) t.strictSame(healer.state.state().host, { failures: [] });
    else t.match(healer.state.state().host.breaker, { openedAtMs: clock.monotonicMs(), tried: false, reason: /the one try, start of a, did not help/ });
  }
});

t.test('R8 circuit breaker: it stays open over a restart of the healer', async (t) => {
  const { clock, failsAt, folder } = await scene(t);
  for (const name of ['a', 'b', 'c']) await failsAt(name);
  clock.pass(minute);
  const later = await openStateStore(join(folder, 'state'), clock);
  t.match(later.state().host, { breaker: { openedAtMs: clock.monotonicMs() - minute, tried: false, reason: /3 attempts/ } });
  t.equal(later.state().host.failures.length, 3);
});

t.test('R12 relapse: what breaks again within 10 minutes of its recovery had not been healed, and counts as a failure, once', async (t) => {
  const { healer, clock, ward, records, breaks, act, heals } = await scene(t);
  const first = await breaks('a');
  await act(first);
  clock.pass(20 * second);
  await heals(first);
  clock.pass(9 * minute);
  const again = await breaks('a');
  for (let round = 0; round < 3; round++) await noteRelapse(decision, { open: again, ward: ward('a'), healer });
  const relapsed = records().filter(({ event }) => event === 'incident.relapsed');
  t.equal(relapsed.length, 1);
  t.match(relapsed[0], { incident: first.incident.id, outcome: { result: 'relapsed' }, text: /broken again 9 min after start seemed to have helped/ });
  t.match(healer.state.state().host.failures, [{ service: 'a', incident: first.incident.id }]);
});

t.test('R12 relapse: not what is only busy or what a person stopped, not what breaks much later, not what came back without us', async (t) => {
  const { healer, clock, ward, events, breaks, act, heals } = await scene(t);
  const first = await breaks('a');
  await act(first);
  await heals(first);
  clock.pass(minute);
  const busy = { ...decision, step: { ...decision.step, action: 'page' as const } };
  await noteRelapse(busy, { open: await breaks('a', 'capacity.workers_exhausted'), ward: ward('a'), healer });
  await noteRelapse(decision, { open: await breaks('a', 'service.stopped_by_operator'), ward: ward('a'), healer });
  clock.pass(9 * minute);
  await noteRelapse(decision, { open: await breaks('a'), ward: ward('a'), healer });
  await heals(await breaks('b'));
  await noteRelapse(decision, { open: await breaks('b'), ward: ward('b'), healer });
  t.strictSame(events(/relapsed/), []);
  t.strictSame(healer.state.state().host.failures, []);
});

t.test('R6 host budget: of thirty services that crash in one moment no more are started than the budget allows', async (t) => {
  const names = Array.from({ length: 30 }, (_, i) => `s${i}`);
  const { healer, performed, records, breaks, act } = await scene(t, names);
  const open = await Promise.all(names.map((name) => breaks(name)));
  const ended = await Promise.all(open.map((one) => act(one)));
  t.equal(performed.length, 12);
  t.equal(ended.filter(({ next }) => next === 'verify').length, 12);
  t.equal(healer.state.state().attempts.length, 12);
  const spent = records().filter(({ event }) => event === 'budget.spent');
  t.match(spent, [{ text: /^12 of 12 starts of dead services on this host within 1 h are used \(s\d+ start .*; the next is allowed at \d{4}-/ }], 'the last one is on record, once');
  t.equal(spent.length, 1);
});

t.test('R29 step aside: "off" and "pause" hold up what was decided a moment before', async (t) => {
  const { healer, clock, performed, breaks, act } = await scene(t);
  const open = await breaks('a');
  await healer.state.updateHost((host) => ({ ...host, off: { sinceMs: clock.monotonicMs(), reason: 'migration', by: 'eva' } }));
  t.match(await act(open), { next: 'again' });
  await healer.state.updateHost(({ off: _on, ...host }) => host);
  await healer.state.pause('a', { forMs: minute, reason: 'deploy' });
  t.match(await act(open), { next: 'again' });
  clock.pass(minute);
  t.match(await act(open), { next: 'verify' });
  t.strictSame(performed, ['start a']);
});

t.test('R8 shared cause: three services that fail together are one cause; it ends 5 min after they do, with one message', async (t) => {
  const { healer, clock, told, records, events, breaks, heals, passes, stop } = await scene(t, ['a', 'b', 'c', 'd', 'e'], { needs: { d: ['a'] } });
  const watching = watchSharedCause(healer);
  const a = await breaks('a');
  await passes(20 * second);
  const d = await breaks('d');
  const b = await breaks('b');
  await passes(20 * second);
  t.equal(sharedCause(healer), undefined, 'a, b, and d that needs a: two causes at most');
  const c = await breaks('c');
  t.match(sharedCause(healer), { text: /^3 of 5 services began to fail within 1 min \(a, b, c\), which is one cause$/, untilMs: undefined }, 'at once, before any watch has seen it');
  await passes(2 * second);
  t.match(
    records().filter(({ event }) => /shared_cause/.test(String(event))),
    [{ event: 'shared_cause.opened', text: /3 of 5 services .* \(a, b, c\).*nothing is disturbed until that is over, dead services are still started/ }],
  );
  await passes(10 * minute);
  t.ok(sharedCause(healer), 'as long as they are in trouble');
  await heals(a);
  await passes(2 * second);
  const calmMs = clock.monotonicMs();
  const left = sharedCause(healer);
  t.match(left?.text, /they are no longer in trouble together/);
  t.ok(Math.abs((left?.untilMs ?? 0) - calmMs - 5 * minute) <= 2 * second, 'and 5 min longer');
  for (const one of [b, c, d]) await heals(one);
  await passes(5 * minute - 4 * second);
  t.ok(sharedCause(healer));
  await passes(6 * second);
  t.equal(sharedCause(healer), undefined);
  t.strictSame(events(/shared_cause/), ['shared_cause.opened', 'shared_cause.closed']);
  t.equal(told.length, 1);
  stop.abort();
  await watching;
});

t.test('R8 shared cause: one that recovered quickly counts, and a restart of the healer neither ends it nor tells twice', async (t) => {
  const { healer, clock, told, events, breaks, heals, passes, stop, folder } = await scene(t);
  const watching = watchSharedCause(healer);
  const a = await breaks('a');
  await passes(2 * second);
  await heals(a);
  await passes(40 * second);
  await breaks('b');
  await breaks('c');
  await passes(2 * second);
  t.ok(sharedCause(healer), 'a recovered, but it began to fail within the minute');
  await passes(60 * second);
  stop.abort();
  await watching;
  const restarted: Healer = { ...healer, state: await openStateStore(join(folder, 'state'), clock), stopping: AbortSignal.timeout(60_000) };
  t.match(sharedCause(restarted), { text: /3 of 3 .*no longer in trouble together/ });
  const again = new AbortController();
  const watchingAgain = watchSharedCause({ ...restarted, stopping: again.signal });
  await passes(10 * second);
  again.abort();
  await watchingAgain;
  t.strictSame(events(/shared_cause/), ['shared_cause.opened']);
  t.equal(told.length, 1);
});
