/** A real listener, the real probes and causes, and the whole way from a symptom to the end of its incident. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { gatewaySchema } from '../../src/config/host-schema.ts';
import { safetySchema } from '../../src/config/safety-schema.ts';
import { loadPolicyFile } from '../../src/config/load-policies.ts';
import type { Order } from '../../src/channel/messages.ts';
import type { Symptom } from '../../src/core/incident.ts';
import { systemClock } from '../../src/core/time.ts';
import { actionOptions } from '../../src/healer/action-options.ts';
import * as registeredActions from '../../src/healer/actions/registry.ts';
import { openAuditLog } from '../../src/healer/audit/log.ts';
import * as causes from '../../src/healer/causes/registry.ts';
import { createWard } from '../../src/healer/create-ward.ts';
import type { Healer, Ward } from '../../src/healer/healer.ts';
import { createIncidents } from '../../src/healer/incidents.ts';
import type { Action, Probe } from '../../src/healer/leaves.ts';
import * as probes from '../../src/healer/probes/registry.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import * as services from '../../src/healer/services/registry.ts';
import { openStateStore } from '../../src/healer/state-store.ts';
import { takeFailure, takeSummary } from '../../src/healer/take-facts.ts';
import { evidence } from '../fixtures/healer/case-file.ts';
import { readyPolicy } from '../e2e/site.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

/** An external service behind one gateway, that listens on a unix socket and is well. */
async function scene(t: Test, looks: readonly Probe[] = Object.values(probes)) {
  const folder = tempFolder(t);
  const socket = join(folder, 'app.sock');
  const server = createServer((_request, response) => void response.end('well')).listen(socket);
  await once(server, 'listening');
  const policyFile = join(folder, 'policy.yaml');
  const verify = { within: '2s', stable_for: '500ms', checks: [{ connect: 'ok' }] };
  writeFileSync(policyFile, readyPolicy('http-app.yaml', { service: { type: 'external' }, mode: 'observe', rules: [], verify }));
  const { policies, problems } = await loadPolicyFile(policyFile, { actionOptions });
  if (!policies[0]) throw new Error(JSON.stringify(problems));
  const gateways = { shop: gatewaySchema.parse({ listen: `unix:${folder}/g.sock`, protocol: 'http', upstream: `unix:${socket}`, service: policies[0].policy.name }) };
  const stop = new AbortController();
  const audit = await openAuditLog({ folder: join(folder, 'audit'), host: 'h', agent: 'a', clock: systemClock, bootId: 'b' });
  const actions = new Map(Object.values(registeredActions).map((action) => [action.name, action as Action]));
  const orders: Order[] = [];
  const wards = new Map<string, Ward>();
  const healer: Healer = {
    wards,
    audit,
    state: await openStateStore(join(folder, 'state'), systemClock),
    safety: safetySchema.parse({}),
    collectors: [],
    probes: looks,
    causes: Object.values(causes),
    actions,
    actionTable: actions,
    run: runCommand,
    clock: systemClock,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    order: (order) => void orders.push(order),
    stopping: stop.signal,
  };
  const serviceTypes = new Map(Object.values(services).map((type) => [type.name as string, type]));
  const ward = await createWard({ loaded: policies[0], gateways, stateFolder: folder, serviceTypes, order: healer.order });
  const incidents = createIncidents(healer);
  t.teardown(async () => {
    stop.abort();
    await incidents.settled();
    await audit.close();
    server.close();
    server.closeAllConnections();
  });
  /** nginx's error log, as it is read line by line. */
  const nginxWrites = (what: string): Promise<void> =>
    takeFailure(
      { type: 'failure_reported', gateway: 'shop', upstream: 0, kind: 'connection_refused', phase: 'connect', errno: what, detail: `nginx wrote ${what}`, requestId: '', atMs: systemClock.wallMs() },
      { wards: wards.set(ward.name, ward), incidents, healer },
      'nginx_log',
    );
  /** A second of traffic, as a proxy sums it up. */
  const answers = (completed: number, status5xx: number): Promise<void> =>
    takeSummary(
      { type: 'traffic_summary', gateway: 'shop', atMs: systemClock.wallMs(), periodMs: 1000, inFlight: 0, held: 0, completed, failed: 0, status5xx, fellBack: 0, noProgressMs: 0, gate: 'open' },
      { wards: wards.set(ward.name, ward), incidents, healer },
    );
  return { ward, incidents, orders, server, nginxWrites, answers };
}

const backlogWasFull: Symptom = { seenBy: 'traffic', kind: 'destination_unavailable', gateway: 'shop', count: 3, errno: 'EAGAIN', text: '3 failed requests in 10 s, the last one: backlog full' };

t.test('a backlog that was full for a moment is an incident that ends', async (t) => {
  const { ward, incidents } = await scene(t);
  incidents.seen(ward, backlogWasFull);
  const incident = incidents.openFor(ward.name);
  await until(() => incident?.diagnosis?.best.cause === 'capacity.backlog_full', { timeoutMs: 15_000, what: 'the diagnosis' });
  await until(() => incidents.openFor(ward.name) === undefined, { timeoutMs: 15_000, what: 'the end of the incident' });
});

t.test('an incident of a busy machine ends when nobody waits any more, although the machine is still busy', async (t) => {
  let busy = 5;
  const busyMachine: Probe = {
    name: 'busy',
    deadlineMs: 100,
    quick: true,
    applies: () => true,
    look: async () => [
      evidence('service_state', { state: 'running' }),
      evidence('workers', { total: 5, busy, idle: 5 - busy, stopped: 0 }),
      evidence('load', { cores: 2, runnable: 9, idleShare: 0, stolenShare: 0, cpuSome: 0.9 }),
      evidence('service_load', { wantedShare: 2, waitShare: 0.8 }),
      evidence('consumer', { resource: 'cpu', share: 0.9, program: 'backup', user: 'root', unit: '', pids: ['7'], ofService: false, what: 'backup uses both processors' }),
    ],
  };
  const { ward, incidents } = await scene(t, [busyMachine]);
  incidents.seen(ward, { seenBy: 'traffic', kind: 'http_response_timeout', gateway: 'shop', count: 3, text: '3 requests were not answered in time' });
  await until(() => incidents.openFor(ward.name)?.diagnosis?.best.cause === 'load.cpu', { timeoutMs: 15_000, what: 'the diagnosis' });
  busy = 1;
  await until(() => incidents.openFor(ward.name) === undefined, { timeoutMs: 15_000, what: 'the end of the incident' });
});

t.test('a socket that nginx was refused is well a minute after its last refusal, whatever the modes say', async (t) => {
  const modes: Probe = {
    name: 'modes',
    deadlineMs: 100,
    quick: true,
    applies: () => true,
    look: async () => [
      evidence('service_state', { state: 'running' }),
      evidence('socket_access', { at: '/run/shop.sock', isSocket: true, program: 'nginx', user: 'nginx', primaryGroup: 'nginx', owner: 'root', group: 'root', mode: '0600' }),
    ],
  };
  const { ward, incidents } = await scene(t, [modes]);
  incidents.seen(ward, { seenBy: 'nginx_log', kind: 'proxy_configuration_error', gateway: 'shop', count: 1, errno: 'EACCES', text: 'nginx was refused the socket' });
  const open = incidents.openFor(ward.name);
  await until(() => open?.diagnosis?.best.cause === 'config.permission', { timeoutMs: 15_000, what: 'the diagnosis' });
  if (open) open.lastSymptomMs -= 61_000;
  await until(() => incidents.openFor(ward.name) === undefined, { timeoutMs: 15_000, what: 'the end of the incident' });
});

t.test("forged lines of a dead backend in nginx's log open nothing, and cost the backend next to nothing", async (t) => {
  const { ward, incidents, orders, server, nginxWrites } = await scene(t);
  let connects = 0;
  server.on('connection', () => (connects += 1));
  const began = performance.now();
  for (let i = 0; i < 1000; i++) await nginxWrites('ECONNREFUSED');
  t.ok(connects <= 2 + (performance.now() - began) / 250, `${connects} connects for 1000 lines`);
  t.equal(incidents.openFor(ward.name), undefined);
  t.same(orders, []);
});

t.test('a true one opens an incident at once', async (t) => {
  const { ward, incidents, server, nginxWrites } = await scene(t);
  await new Promise((resolve) => server.close(resolve));
  await nginxWrites('ECONNREFUSED');
  t.match(incidents.openFor(ward.name)?.incident.symptom, { seenBy: 'nginx_log', kind: 'destination_unavailable' });
});

t.test('a flood of other trouble is looked into now and then, not all the time, and ends', async (t) => {
  const { ward, incidents } = await scene(t);
  incidents.seen(ward, { ...backlogWasFull, kind: 'connection_refused', errno: 'ECONNREFUSED' });
  const incident = incidents.openFor(ward.name);
  const began = performance.now();
  for (let passed = 0; passed < 2000; passed = performance.now() - began) {
    for (let i = 0; i < 10; i++) incidents.seen(ward, { ...backlogWasFull, seenBy: 'nginx_log', kind: 'http_protocol_error' });
    await systemClock.sleep(5);
  }
  const mostRounds = 4 + (2 * (performance.now() - began)) / 500;
  t.equal(incidents.openFor(ward.name), incident, 'it is one incident');
  t.ok(incident && incident.rounds <= mostRounds, `${incident?.rounds} rounds`);
  await until(() => incidents.openFor(ward.name) === undefined, { timeoutMs: 15_000, what: 'the end of the incident' });
});

t.test('a service that takes connections and cuts off every request is not well, until it answers', async (t) => {
  const { ward, incidents, server } = await scene(t);
  let cuts = true;
  server.on('connection', (socket) => void (cuts && socket.destroy()));
  incidents.seen(ward, { seenBy: 'traffic', kind: 'connection_terminated', gateway: 'shop', count: 3, text: '3 failed requests in 10 s, the last one was reset' });
  const incident = incidents.openFor(ward.name);
  await until(() => incident?.diagnosis?.best.cause === 'app.bad_response', { timeoutMs: 15_000, what: 'the diagnosis' });
  await until(() => (incident?.rounds ?? 0) >= 3, { timeoutMs: 15_000, what: 'two more looks' });
  t.equal(incidents.openFor(ward.name), incident, 'a connect that is taken is no proof');
  cuts = false;
  await until(() => incidents.openFor(ward.name) === undefined, { timeoutMs: 15_000, what: 'the end of the incident' });
});

const dead: Probe = {
  name: 'dead',
  deadlineMs: 100,
  quick: true,
  applies: () => true,
  look: async () => [evidence('service_state', { state: 'failed' }), evidence('listener', { address: 'x', current: true, state: 'nobody' })],
};
const lateDisk = (look: Probe['look']): Probe => ({ name: 'disk-space', deadlineMs: 20, quick: true, applies: () => true, look });
const refused: Symptom = { ...backlogWasFull, kind: 'connection_refused', errno: 'ECONNREFUSED' };

t.test('nothing is started before its disk was looked at, though that is late on a busy machine', async (t) => {
  let looks = 0;
  const disk = lateDisk(async () => {
    // the first is late beyond any deadline
    if (looks++ === 0) await new Promise(() => {});
    return [evidence('disk_full', { path: '/var/log', use: 'sure', freeBytes: 0, totalBytes: 1e9, inodes: false, spent: true })];
  });
  const { ward, incidents } = await scene(t, [dead, disk]);
  incidents.seen(ward, refused);
  const incident = incidents.openFor(ward.name);
  await until(() => incident?.diagnosis, { timeoutMs: 15_000, what: 'the diagnosis' });
  t.match(incident?.diagnosis?.best, { cause: 'disk.full', confidence: 'certain' }, 'the first that is decided on');
});

t.test('a file system that never answers does not keep a dead service from its start', async (t) => {
  const { ward, incidents } = await scene(t, [dead, lateDisk(() => new Promise(() => {}))]);
  incidents.seen(ward, refused);
  const incident = incidents.openFor(ward.name);
  await until(() => incident?.diagnosis, { timeoutMs: 15_000, what: 'the diagnosis' });
  t.match(incident, { rounds: 1, diagnosis: { best: { cause: 'service.crashed', confidence: 'certain' }, evidence: [{}, {}, { missing: 'not finished after 1000 ms' }] } });
});

t.test('an application that answers with errors is an incident of the application, and one that ends', async (t) => {
  const { ward, incidents, answers } = await scene(t);
  await answers(9, 2);
  t.equal(incidents.openFor(ward.name), undefined, 'two of nine are every day');
  await answers(20, 18);
  t.match(incidents.openFor(ward.name)?.incident.symptom, { kind: 'status_5xx', count: 20, text: '20 of 29 answers in 30 s were errors of the application itself (status 5xx)' });
  const open = incidents.openFor(ward.name);
  // a look that was late has seen no answer
  await until(() => open?.diagnosis?.best.against.length, { timeoutMs: 15_000, what: 'the diagnosis' });
  t.match(open?.diagnosis?.best, { cause: 'app.error', confidence: 'possible', against: ['GET / is answered with status 200.'] });
  if (open) open.lastSymptomMs -= 20_000;
  await until(() => incidents.openFor(ward.name) === undefined, { timeoutMs: 15_000, what: 'the end of the incident, long after the last error' });
});
