import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { gatewaySchema } from '../../src/config/host-schema.ts';
import { safetySchema } from '../../src/config/safety-schema.ts';
import { loadPolicyFile } from '../../src/config/load-policies.ts';
import type { Order } from '../../src/channel/messages.ts';
import { systemClock } from '../../src/core/time.ts';
import { actionOptions } from '../../src/healer/action-options.ts';
import * as registeredActions from '../../src/healer/actions/registry.ts';
import { openAuditLog } from '../../src/healer/audit/log.ts';
import * as causes from '../../src/healer/causes/registry.ts';
import { createWard } from '../../src/healer/create-ward.ts';
import type { Healer, Ward } from '../../src/healer/healer.ts';
import { createIncidents } from '../../src/healer/incidents.ts';
import type { Action, ServiceState, ServiceType } from '../../src/healer/leaves.ts';
import type { CommandResult } from '../../src/healer/commands.ts';
import type { DeathReport } from '../../src/healer/proxy-link.ts';
import { createRequestDeaths } from '../../src/healer/request-deaths.ts';
import { openStateStore } from '../../src/healer/state-store.ts';
import { readyPolicy } from '../e2e/site.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import { FakeClock, filesAreRead } from './fake-clock.ts';

const fingerprint = (letter: string): string => letter.repeat(32);

/** A php-fpm by its log and its state, two gateways in front of it, and the whole way from a fact to an order. Time is the test's. */
async function scene(t: Test, options: { readonly journal?: boolean; readonly off?: boolean } = {}) {
  const folder = tempFolder(t);
  const [log, policyFile] = [join(folder, 'fpm.log'), join(folder, 'policy.yaml')];
  writeFileSync(log, '');
  const pool = join(folder, 'fpm.conf');
  writeFileSync(pool, '[shared]\nlisten = 9002\npm.max_children = 5\n[www]\nlisten = 9000\npm.max_children = 5\n');
  const service = { type: 'systemd', unit: 'php8.2-fpm.service', pool, ...(options.journal ? { log: join(folder, 'none.log') } : { log }) };
  writeFileSync(policyFile, readyPolicy('php-fpm.yaml', { service, mode: 'act' }));
  const { policies } = await loadPolicyFile(policyFile, { actionOptions });
  const gateway = (more: object = {}) =>
    gatewaySchema.parse({ listen: `unix:${folder}/x.sock`, protocol: 'fastcgi', upstream: '127.0.0.1:9000', also_allowed: ['127.0.0.1:9001'], service: 'php-fpm', ...more });
  const bold = gateway({ quarantine: { for: '0s' } });
  const gateways = { shop: options.off ? bold : gateway(), blog: options.off ? bold : gateway({ quarantine: { for: '1m' } }), bold };

  const clock = new FakeClock(Date.parse('2026-11-26T13:36:00'));
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  const [orders, errors, journal, seen]: [Order[], string[], string[], { looks: number; journal: number; fence: string }] = [[], [], [], { looks: 0, journal: 0, fence: 'run 1' }];
  const state = async (): Promise<ServiceState> => ((seen.looks += 1), { state: 'running', text: 'it runs', pids: [], fence: seen.fence });
  const serviceType: ServiceType = { name: 'systemd', state, can: () => false, control: async () => ({ result: 'failed', detail: 'never', durationMs: 0 }), configTest: () => undefined };
  const answer = (argv: readonly string[]): CommandResult => ({ argv, exitCode: 0, signal: undefined, timedOut: false, durationMs: 1, output: journal.join('\n') });
  const audit = await openAuditLog({ folder: join(folder, 'audit'), host: 'h', agent: 'a', clock: systemClock, bootId: 'b' });
  const actions = new Map(Object.values(registeredActions).map((action) => [action.name, action as Action]));
  t.teardown(() => audit.close());
  const wards = new Map<string, Ward>();
  const healer: Healer = {
    wards,
    audit,
    state: await openStateStore(join(folder, 'state'), systemClock),
    safety: safetySchema.parse({}),
    collectors: [],
    probes: [],
    causes: Object.values(causes),
    actions,
    actionTable: actions,
    run: { run: async (argv) => ((seen.journal += 1), answer(argv)), startDetached: async () => ({ startError: 'never' }) },
    clock,
    log: { info: () => undefined, warn: () => undefined, error: (_fields, message) => void errors.push(message) },
    order: (order) => void orders.push(order),
    stopping: stop.signal,
  };
  const ward = await createWard({ loaded: policies[0]!, gateways, stateFolder: folder, serviceTypes: new Map([['systemd', serviceType]]), order: healer.order });
  wards.set(ward.name, ward);
  // an incident lives by the machine's clock; only the deaths live by the test's
  const incidents = createIncidents({ ...healer, clock: systemClock });
  const deaths = createRequestDeaths({ wards, incidents, healer });
  await deaths.begin();

  /** A request was cut off, as the proxy tells it. */
  const died = (letter: string, more: Partial<DeathReport> = {}): void =>
    deaths.took({ type: 'request_died', gateway: 'shop', upstream: 0, fingerprint: fingerprint(letter), name: `GET /${letter}`, untold: false, atMs: 0, ...more });
  /** The line that php-fpm writes when a worker ends. */
  const line = (pid: number, end = 'on signal 11 (SIGSEGV)', pool = 'www'): string => {
    const [, month, day, year, time] = new Date(clock.wallMs()).toString().split(' ');
    return `[${day}-${month}-${year} ${time}] WARNING: [pool ${pool}] child ${pid} exited ${end} after 1.000000 seconds from start\n`;
  };
  const workerEnds = (pid: number, end?: string, pool?: string): void => appendFileSync(log, line(pid, end, pool));
  /** Time passes; what is read from disk meanwhile gets its turns. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 20) {
      clock.pass(20);
      await filesAreRead();
    }
  };
  return { line, workerEnds, clock, orders, errors, journal, seen, audit, ward, deaths, incidents, died, pass };
}

const quarantines = (orders: readonly Order[]) => orders.filter((order) => order.type === 'quarantine');

t.test('two deaths of one request: every gateway that wants it is told, each for its own time', async (t) => {
  const { workerEnds, orders, deaths, died, pass, ward } = await scene(t);
  for (const pid of [1, 2]) {
    died('a');
    workerEnds(pid);
    await pass(100);
    if (pid === 1) t.same(quarantines(orders), [], 'once is no rule');
  }
  await until(() => quarantines(orders).length > 0, { timeoutMs: 15_000, what: 'the orders' });
  t.match(quarantines(orders), [
    { gateway: 'shop', fingerprint: fingerprint('a'), forMs: 600_000 },
    { gateway: 'blog', fingerprint: fingerprint('a'), forMs: 60_000 },
  ]);
  await pass(40_000);
  t.match(deaths.quarantines(), [{ gateway: 'shop' }, { gateway: 'blog' }], 'a proxy that comes back gets what is left');
  t.ok(deaths.quarantines().every(({ forMs }) => forMs < 600_000 - 40_000 + 1));
  await pass(20_000);
  t.match(deaths.quarantines(), [{ gateway: 'shop' }]);
  t.equal(ward.deaths.quarantined(Infinity).length, 0, 'and in the end none');
});

t.test('the line may come a second after the request was cut off, or before it is told', async (t) => {
  const { workerEnds, orders, died, pass } = await scene(t);
  died('a');
  await pass(1000);
  // of both: the second one's request is told later
  workerEnds(1);
  workerEnds(2);
  await pass(400);
  t.same(quarantines(orders), []);
  died('a');
  await pass(100);
  await until(() => quarantines(orders).length === 2, { timeoutMs: 15_000, what: 'the orders' });
});

t.test('the line may look older than its request: logs write the second only, and a busy machine tells late', async (t) => {
  const { workerEnds, orders, died, pass } = await scene(t);
  for (const pid of [1, 2]) {
    await pass(980);
    workerEnds(pid);
    await pass(700);
    died('a');
    await pass(100);
  }
  await until(() => quarantines(orders).length === 2, { timeoutMs: 15_000, what: 'the orders' });
});

t.test('a storm of the same request is quarantined although there is never a quiet moment', async (t) => {
  const { workerEnds, orders, died, pass } = await scene(t);
  for (let pid = 1; pid < 40 && quarantines(orders).length === 0; pid++) {
    died('a');
    workerEnds(pid);
    await pass(20);
  }
  await until(() => quarantines(orders).length === 2, { timeoutMs: 15_000, what: 'the orders' });
});

t.test('a unit without a file is read from the journal, and each worker counts once', async (t) => {
  const { line, journal, orders, died, pass } = await scene(t, { journal: true });
  died('a');
  journal.push(line(1).trimEnd());
  await pass(1600);
  died('a');
  await pass(1600);
  t.same(quarantines(orders), [], 'the journal says the same once more');
  journal.push(line(2).trimEnd());
  died('a');
  await pass(1600);
  await until(() => quarantines(orders).length === 2, { timeoutMs: 15_000, what: 'the orders' });
});

t.test('an application that cuts its answers off all the time does not have the journal read all the time', async (t) => {
  const { line, journal, seen, orders, died, pass } = await scene(t, { journal: true });
  for (let i = 0; i < 40; i++) {
    died('b');
    await pass(1600);
  }
  t.ok(seen.journal < 12 + 64_000 / 5000 + 2, `${seen.journal} looks in a minute`);
  for (const pid of [1, 2, 3, 4]) {
    journal.push(line(pid).trimEnd());
    died('a');
    await pass(5000);
  }
  await until(() => quarantines(orders).length === 2, { timeoutMs: 15_000, what: 'a request of death is still found out' });
});

t.test('nobody is blamed where the service was started anew, the request went elsewhere, or workers were killed', async (t) => {
  const { workerEnds, clock, orders, seen, died, pass, ward } = await scene(t);
  for (const pid of [1, 2]) {
    died('a');
    seen.fence = `run ${pid + 1}`;
    workerEnds(pid);
    await pass(100);
  }
  for (const pid of [3, 4]) {
    died('b', { upstream: 1 });
    workerEnds(pid);
    await pass(600);
  }
  await pass(3000);
  for (const pid of [5, 6, 7, 8]) {
    died('c');
    workerEnds(pid, pid % 2 === 0 ? 'on signal 9 (SIGKILL)' : 'on signal 15 (SIGTERM)');
    await pass(100);
  }
  await pass(3000);
  for (const pid of [9, 11]) {
    died('d');
    died('e');
    workerEnds(pid);
    workerEnds(pid + 1);
    await pass(100);
  }
  t.same(quarantines(orders), []);
  t.equal(ward.deaths.unblamed(clock.monotonicMs()).length, 4, 'the last four were faults, and nobody knows whose');
});

t.test('where the same is answered, too, nobody is blamed: its URL alone is not what kills', async (t) => {
  const { workerEnds, clock, orders, died, deaths, pass, ward } = await scene(t);
  for (const pid of [1, 2, 3, 4]) {
    died('a');
    workerEnds(pid);
    await pass(100);
    deaths.spared({ type: 'request_survived', gateway: 'shop', fingerprint: fingerprint('a') });
    await pass(500);
  }
  t.same(quarantines(orders), []);
  t.equal(ward.deaths.unblamed(clock.monotonicMs()).length, 4, 'but the deaths are known');
  await pass(600_000);
  for (const pid of [5, 6]) {
    died('a');
    workerEnds(pid);
    await pass(100);
  }
  await until(() => quarantines(orders).length === 2, { timeoutMs: 15_000, what: 'the orders, where it only kills from some day on' });
});

t.test('a flood of different requests costs one moment, and nobody is blamed', async (t) => {
  const { workerEnds, orders, died, pass } = await scene(t);
  for (let i = 0; i < 100_000; i++) died('a', { fingerprint: i.toString(16).padStart(32, '0') });
  workerEnds(1);
  await pass(1600);
  t.same(quarantines(orders), []);
});

t.test('where no gateway wants a quarantine, nothing is ordered, and workers that go on dying are an incident', async (t) => {
  const { workerEnds, orders, died, pass, incidents } = await scene(t, { off: true });
  for (const pid of [1, 2, 3]) {
    died('a');
    workerEnds(pid);
    await pass(100);
  }
  await until(() => incidents.openFor('php-fpm'), { timeoutMs: 15_000, what: 'an incident' });
  t.match(incidents.openFor('php-fpm')?.incident.symptom, { kind: 'worker_died', count: 3 });
  t.same(quarantines(orders), []);
});

t.test('what cannot be recorded is not ordered, and somebody is told', async (t) => {
  const { workerEnds, orders, errors, audit, died, pass, deaths } = await scene(t);
  await audit.close();
  for (const pid of [1, 2]) {
    died('a');
    workerEnds(pid);
    await pass(100);
  }
  const told = () => errors.filter((text) => text.includes('a quarantine could not be recorded')).length;
  await until(() => told() > 0, { timeoutMs: 15_000, what: 'the word to people' });
  for (const pid of [3, 4, 5, 6]) {
    died('a');
    workerEnds(pid);
    await pass(100);
  }
  t.equal(told(), 1, 'once, although it goes on');
  t.same(quarantines(orders), []);
  t.same(deaths.quarantines(), []);
});

t.test("the workers of another pool, whose ends stand in the same log, say nothing about this one's requests", async (t) => {
  const { workerEnds, orders, died, pass, ward, clock } = await scene(t);
  for (const pid of [1, 2, 3]) {
    died('a');
    workerEnds(pid, undefined, 'shared');
    await pass(1600);
  }
  t.same(quarantines(orders), []);
  t.equal(ward.deaths.unblamed(clock.monotonicMs()).length, 0);
});
