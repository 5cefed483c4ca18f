/** Steps that only wait: for how long, what ends them early, and that nothing heavier follows before their time. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { gatewaySchema } from '../../src/config/host-schema.ts';
import { loadPolicyFile } from '../../src/config/load-policies.ts';
import { safetySchema } from '../../src/config/safety-schema.ts';
import { systemClock } from '../../src/core/time.ts';
import { actionOptions } from '../../src/healer/action-options.ts';
import { readProgress } from '../../src/healer/actions/read-progress.ts';
import * as registered from '../../src/healer/actions/registry.ts';
import { openAuditLog } from '../../src/healer/audit/log.ts';
import * as causes from '../../src/healer/causes/registry.ts';
import { createWard } from '../../src/healer/create-ward.ts';
import type { Healer } from '../../src/healer/healer.ts';
import { waitLeftMs } from '../../src/healer/end-wait.ts';
import { createIncidents } from '../../src/healer/incidents.ts';
import type { Action, ServiceState, ServiceType } from '../../src/healer/leaves.ts';
import { withOwnStop } from '../../src/healer/own-stop.ts';
import * as probes from '../../src/healer/probes/registry.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import * as services from '../../src/healer/services/registry.ts';
import { openStateStore } from '../../src/healer/state-store.ts';
import { readyPolicy } from '../e2e/site.ts';
import { openCase } from '../fixtures/healer/scene.ts';
import { smallHealer } from '../fixtures/healer/small-healer.ts';
import { serviceTarget } from '../fixtures/services/target.ts';
import { auditRecords } from '../support/audit-records.ts';
import { contextOf } from '../support/action-context.ts';
import { start } from '../support/program.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import { FakeClock } from './fake-clock.ts';

const never = new AbortController().signal;
const external = serviceTarget({ type: 'external' }, { stateFolder: '/nowhere' });

t.test('waiting takes its time, and ends well when it is cut short', async (t) => {
  const clock = new FakeClock();
  const options = registered.wait.options.parse({ at_most: '5m' });
  t.match(await clock.runUntil(registered.wait.perform(contextOf(external, { clock, signal: never }), options)), { result: 'done', detail: 'waited 5 min', durationMs: 300_000 });
  t.match(await clock.runUntil(registered.wait.perform(contextOf(external, { clock, signal: never, timeoutMs: 60_000 }), options)), { detail: 'waited 1 min' }, 'what is left of it');
  t.match(await registered.wait.perform(contextOf(external, { clock, signal: AbortSignal.abort() }), options), { result: 'done', detail: 'waited 0 ms' });
  t.equal(registered.wait.timeoutMs?.(registered.wait.options.parse({ at_most: '24h' })), 86_400_000);
  t.equal(registered.wait.options.safeParse({ at_most: '25h' }).success, false);
});

t.test('a wait for other services ends when all are well, and fails when its time is over before', async (t) => {
  const clock = new FakeClock();
  const began = clock.monotonicMs();
  const wellAfter: Readonly<Record<string, number>> = { mariadb: 3000, redis: 61_000 };
  const isWell = (service: string) => (wellAfter[service] === undefined ? undefined : clock.monotonicMs() - began >= wellAfter[service]);
  const wait = (options: object) => clock.runUntil(registered.waitFor.perform(contextOf(external, { clock, signal: never, isWell, timeoutMs: 600_000 }), registered.waitFor.options.parse(options)));
  t.match(await wait({ services: 'mariadb', at_most: '1s' }), { result: 'failed', detail: 'mariadb is still down after 1 s' });
  t.match(await wait({ services: ['mariadb', 'redis'], at_most: '10s' }), { result: 'failed', detail: 'redis is still down after 10 s' });
  t.match(await wait({ services: ['mariadb', 'redis'] }), { result: 'done', detail: /^mariadb, redis are well after 50 s$/ });
  t.match(await wait({ services: ['mariadb', 'elsewhere'] }), { result: 'failed', detail: 'there is no service elsewhere to wait for' });
  const gone = contextOf(external, { signal: AbortSignal.abort(), isWell: () => false });
  t.match(await registered.waitFor.perform(gone, registered.waitFor.options.parse({ services: 'redis' })), { result: 'done', detail: /there is nothing left to wait for/ });
});

t.test('a wait while there is progress lasts as long as the log grows, and a minute longer', async (t) => {
  const log = join(tempFolder(t), 'log');
  writeFileSync(log, '');
  const clock = new FakeClock();
  const began = clock.monotonicMs();
  let state: ServiceState['state'] = 'starting';
  const serviceType: ServiceType = {
    ...services.external,
    async state() {
      if (clock.monotonicMs() - began <= 20 * 60_000) appendFileSync(log, 'recovered one more page\n');
      return { state, text: `it is ${state}`, pids: [], fence: '' };
    },
  };
  const target = serviceTarget({ type: 'external', log }, { stateFolder: '/nowhere' });
  const wait = (atMost: string) =>
    clock.runUntil(registered.wait.perform(contextOf(target, { clock, signal: never, serviceType }), registered.wait.options.parse({ while: 'progress', at_most: atMost })));
  t.match(await wait('10m'), { result: 'done', detail: 'waited 10 min' }, 'longer than it may is never waited');
  t.match(await wait('60m'), { result: 'failed', detail: 'waited 11 min: no progress for 1 min' });
  state = 'failed';
  t.match(await wait('60m'), { result: 'failed', detail: 'waited 0 ms: it does not start any more: it is failed' });
});

t.test('what is left of a wait is in whole milliseconds, whatever fractions the clock has: timers throw at others', async (t) => {
  const { healer, clock } = await smallHealer(t, { policies: { shop: {} } });
  const open = openCase({ incident: { id: '01JDDDDDDDDDDDDDDDDDDDDDDD', service: 'shop', openedAtMs: 0, symptom: { seenBy: 'watch', kind: 'service_down', count: 1, text: 'it is down' } } });
  const decision = { kind: 'recover', rule: 'wait', gates: [], step: { action: 'wait', options: {}, rung: 0, attempt: 1, timeoutMs: 15_000 } } as const;
  clock.pass(1 / 3);
  t.equal(waitLeftMs(decision, { open, healer }), 15_000);
  clock.pass(1000.1);
  t.equal(waitLeftMs(decision, { open, healer }), 14_000, 'rounded up');
  clock.pass(20_000.7);
  t.equal(waitLeftMs(decision, { open, healer }), 1);
});

t.test('R19 supervisor first: a wait while there is progress outlasts the pause before the own restart of the supervisor', async (t) => {
  const clock = new FakeClock();
  const began = clock.monotonicMs();
  const serviceType: ServiceType = {
    ...services.external,
    async state() {
      const leftMs = began + 5 * 60_000 - clock.monotonicMs();
      return { state: 'failed', text: 'it is failed', pids: [], fence: '', ...(leftMs > 0 ? { supervisorActsInMs: leftMs } : {}) };
    },
  };
  const options = registered.wait.options.parse({ while: 'progress', at_most: '1h' });
  t.match(await clock.runUntil(registered.wait.perform(contextOf(external, { clock, signal: never, serviceType }), options)), {
    result: 'failed',
    detail: /^waited 5 min: it does not start any more/,
  });
});

t.test('progress is what the kernel counted for the processes, more than an idle daemon uses', async (t) => {
  const idle = start(['/bin/sleep', '1000']);
  const busy = start(['/bin/sh', '-c', 'while :; do :; done']);
  t.teardown(async () => {
    for (const { pid, ended } of [idle, busy]) {
      process.kill(pid, 'SIGKILL');
      await ended;
    }
  });
  await until(() => readFileSync(`/proc/${idle.pid}/wchan`, 'utf8').includes('nanosleep'), { timeoutMs: 15_000, what: 'the idle one to be idle' });
  const before = { idle: readProgress([idle.pid], [], undefined), busy: readProgress([busy.pid], [], undefined) };
  // on a full machine it is some time until it has got as much of a processor
  await until(() => readProgress([busy.pid], [], before.busy).moved, { timeoutMs: 20_000, what: 'what the busy one has used' });
  t.equal(readProgress([idle.pid], [], before.idle).moved, false);
  t.equal(readProgress([busy.pid], [], readProgress([], [], undefined)).moved, true, 'a new process is a movement once it works');
});

/** A service behind one gateway whose address nobody listens at, and the policy's rule for that. */
async function scene(t: Test, tries: readonly object[], within = '2s') {
  const folder = tempFolder(t);
  const socket = join(folder, 'app.sock');
  const policyFile = join(folder, 'policy.yaml');
  const rules = [{ name: 'Wait, then tell', when: { cause: ['unknown', 'service.crashed', 'config.socket_mismatch'], confidence: 'possible' }, try: tries }];
  const verify = { within, stable_for: '100ms', checks: [{ connect: 'ok' }] };
  writeFileSync(policyFile, readyPolicy('http-app.yaml', { service: { type: 'external' }, mode: 'act', rules, verify }));
  const { policies, problems } = await loadPolicyFile(policyFile, { actionOptions });
  if (!policies[0]) throw new Error(JSON.stringify(problems));
  const gateways = { shop: gatewaySchema.parse({ listen: `unix:${folder}/g.sock`, protocol: 'http', upstream: `unix:${socket}`, service: policies[0].policy.name }) };
  const stop = new AbortController();
  const audit = await openAuditLog({ folder: join(folder, 'audit'), host: 'h', agent: 'a', clock: systemClock, bootId: 'b' });
  const actions = new Map(Object.values(registered).map((action) => [action.name, action as Action]));
  const state = await openStateStore(join(folder, 'state'), systemClock);
  const healer: Healer = {
    wards: new Map(),
    audit,
    state,
    safety: safetySchema.parse({}),
    collectors: [],
    probes: Object.values(probes),
    causes: Object.values(causes),
    actions,
    actionTable: actions,
    run: runCommand,
    clock: systemClock,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    order: () => undefined,
    stopping: stop.signal,
  };
  const serviceTypes = new Map(Object.values(services).map((type) => [type.name as string, type]));
  const ward = await createWard({ loaded: policies[0], gateways, stateFolder: folder, serviceTypes, order: healer.order });
  const incidents = createIncidents(healer);
  const listening: Server[] = [];
  t.teardown(async () => {
    stop.abort();
    await incidents.settled();
    await audit.close();
    for (const server of listening) server.close();
  });
  incidents.seen(ward, { seenBy: 'traffic', kind: 'connection_refused', gateway: 'shop', count: 3, errno: 'ECONNREFUSED', text: '3 failed requests' });
  const records = () => auditRecords(join(folder, 'audit'));
  return {
    ward,
    incidents,
    healer,
    stop,
    records,
    ladder: () => state.state().incidents[0]?.ladder,
    intents: () => records().filter(({ event }) => event === 'action.intent'),
    comesBack: async () => {
      const server = createServer().listen(socket);
      listening.push(server);
      await once(server, 'listening');
    },
  };
}

const intentSoon = { timeoutMs: 30_000, what: 'the first step' };

t.test('a wait ends when the service is well again, and is no attempt', async (t) => {
  const { ward, incidents, intents, comesBack, records } = await scene(t, [{ do: 'wait', with: { at_most: '10m' }, timeout: '1s' }, { do: 'page' }], '20s');
  await until(() => intents().length === 1, intentSoon);
  t.match(intents()[0], { action: 'wait', limits: { timeout_ms: 600_000 } }, "the step's timeout does not shorten it");
  await comesBack();
  await until(() => incidents.openFor(ward.name) === undefined, { timeoutMs: 30_000, what: 'the end of the incident, long before the rest of the 10 min is over' });
  t.same(
    intents().map(({ action }) => action),
    ['wait'],
  );
  t.match(records().find(({ event }) => event === 'action.finished')?.text, /^waited/);
});

t.test('R22: neither other trouble nor the end of the healer makes the next step come before the time of the wait', async (t) => {
  const { ward, incidents, intents, ladder, stop } = await scene(t, [{ do: 'wait', with: { at_most: '1h' } }, { do: 'page' }]);
  await until(() => intents().length === 1, intentSoon);
  incidents.seen(ward, { seenBy: 'traffic', kind: 'http_response_timeout', gateway: 'shop', count: 3, text: '3 requests were not answered' });
  const began = performance.now();
  await until(() => performance.now() - began > 1500, { timeoutMs: 15_000, what: 'the news to be looked into' });
  t.equal(intents().length, 1, 'the cause is the same, so the wait goes on');
  stop.abort();
  await incidents.settled();
  t.same(ladder(), [], 'the healer of tomorrow waits on');
});

t.test('after the time of the wait the next step comes', async (t) => {
  const { intents, ladder } = await scene(t, [{ do: 'wait', with: { at_most: '300ms' } }, { do: 'notify', with: { text: 'It is still down.' } }, { do: 'page' }]);
  await until(() => intents().length === 3, intentSoon);
  t.same(
    intents().map(({ action }) => action),
    ['wait', 'notify', 'page'],
  );
  await until(() => ladder()?.[0]?.rung === 2, { timeoutMs: 15_000, what: 'the last rung to be remembered' });
});

t.test('a service that goodgateway stopped says so, and only in the incident in which it did', async (t) => {
  const { ward, incidents, healer } = await scene(t, [{ do: 'wait', with: { at_most: '1h' } }]);
  const open = await until(() => incidents.openFor(ward.name), { timeoutMs: 15_000, what: 'the incident' });
  const best = { ...contextOf(external).suspect, cause: 'service.stopped_by_operator' as const, sentence: 'it was stopped on purpose.' };
  const diagnosis = { best, others: [], evidence: [] };
  t.equal(withOwnStop(diagnosis, open, healer), diagnosis, 'somebody else did');
  const step = { action: 'stop' as const, options: {}, timeoutMs: 1000, attempt: 1, rung: 0 };
  await healer.state.startStep({ incident: { ...open.incident, id: 'ANOTHER' }, rule: 'r', step, counts: true });
  t.equal(withOwnStop(diagnosis, open, healer), diagnosis, 'it was in another incident');
  await healer.state.startStep({ incident: open.incident, rule: 'r', step, counts: true });
  t.match(withOwnStop(diagnosis, open, healer).best.sentence, /was stopped by goodgateway itself, as its policy says, and stays so until a person starts it/);
});
