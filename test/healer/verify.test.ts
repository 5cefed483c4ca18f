import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { policySchema, type CheckConfig, type ServiceConfig } from '../../src/config/policy-schema.ts';
import { parseAddress, type Address } from '../../src/core/failure.ts';
import { createChecks, type ChecksContext, type TrafficSummary } from '../../src/healer/checks.ts';
import type { ServiceState, ServiceTarget } from '../../src/healer/leaves.ts';
import { verify, type CheckResult, type RunCheck } from '../../src/healer/verify.ts';
import { startPhpFpm } from '../support/php-fpm.ts';
import { missing } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';
import { FakeClock } from './fake-clock.ts';

const connect: CheckConfig = { connect: 'ok' };
const running: CheckConfig = { service: 'running' };
const ping: CheckConfig = { fpm_ping: 'pong' };
const second = 1000;

/** Verifies for 30 s and 20 s on a fake clock; `look` says what a check sees so many milliseconds after the beginning. */
async function verifying(look: (check: CheckConfig, afterMs: number) => CheckResult, over: { readonly checks?: readonly CheckConfig[]; readonly stableFor?: number } = {}) {
  const clock = new FakeClock();
  const startedMs = clock.monotonicMs();
  const looksAt: number[] = [];
  const passedAt: number[] = [];
  const runCheck: RunCheck = async (check) => {
    const afterMs = clock.monotonicMs() - startedMs;
    looksAt.push(afterMs);
    return look(check, afterMs);
  };
  const onFirstPass = (): void => void passedAt.push(clock.monotonicMs() - startedMs);
  const options = { checks: [connect], within: 30 * second, stableFor: 20 * second, runCheck, clock, signal: new AbortController().signal, onFirstPass };
  const verification = await clock.runUntil(verify({ ...options, ...over }));
  return { verification, looksAt, passedAt };
}

const good: CheckResult = { passed: true, text: 'fine' };
const refused: CheckResult = { passed: false, text: 'nobody listens' };
const skipped: CheckResult = { passed: 'skipped', text: 'not configured here' };

t.test('R12 verify: recovered; waiting requests are let go at the first pass, the end comes after stable_for', async (t) => {
  const { verification, looksAt, passedAt } = await verifying((_, afterMs) => (afterMs < 700 ? refused : good));
  t.match(verification, { outcome: 'recovered', text: /stayed so for 20 s/, checks: [{ check: 'connect: ok', passed: true }] });
  t.equal(passedAt.length, 1, 'let go once');
  t.equal(passedAt[0], verification.firstPassMs);
  t.ok(verification.firstPassMs! >= 700 && verification.firstPassMs! <= 950, `seen ${verification.firstPassMs} ms after the beginning`);
  t.ok(verification.tookMs >= verification.firstPassMs! + 20 * second && verification.tookMs <= verification.firstPassMs! + 20.3 * second);
  t.same(looksAt.slice(0, 3), [0, 50, 125], 'quick at first');
  t.equal(Math.max(...looksAt.slice(1).map((at, i) => at - looksAt[i]!)), 250, 'and never slower than every 250 ms');
});

t.test('not recovered: not well within the time, and the text says what failed', async (t) => {
  const { verification, passedAt } = await verifying((check) => ('connect' in check ? refused : good), { checks: [running, connect] });
  t.match(verification, { outcome: 'not_recovered', tookMs: 30 * second, text: 'not well within 30 s: connect: ok (nobody listens)' });
  t.equal(verification.firstPassMs, undefined);
  t.same(passedAt, [], 'nobody was let go');
  t.match(verification.checks, [
    { check: 'service: running', passed: true },
    { check: 'connect: ok', passed: false },
  ]);
});

t.test('R12 verify: not recovered; a failure while it has to stay well, and the text says which and when', async (t) => {
  const { verification, passedAt } = await verifying((check, afterMs) => ('service' in check && afterMs > 5000 ? { passed: false, text: 'php-fpm ended with signal 11' } : good), {
    checks: [connect, running],
  });
  t.match(verification, { outcome: 'not_recovered', text: /^well at first, but failed again after 5\.?\d* s: service: running \(php-fpm ended with signal 11\)$/ });
  t.same(passedAt, [0]);
});

t.test('a skipped check is no failure; when nothing is left, a connect decides', async (t) => {
  const some = await verifying((check) => ('connect' in check ? good : skipped), { checks: [ping, connect] });
  t.match(some.verification, { outcome: 'recovered', checks: [{ check: 'fpm_ping: pong', passed: 'skipped', text: 'not configured here' }, { passed: true }] });
  const none = await verifying((check) => ('connect' in check ? refused : skipped), { checks: [ping] });
  t.match(none.verification, { outcome: 'not_recovered', checks: [{ check: 'fpm_ping: pong' }, { check: 'connect: ok', passed: false }] });
  const blind = await verifying(() => skipped, { checks: [ping, connect] });
  t.match(blind.verification, { outcome: 'unknown', text: /nothing could be checked: fpm_ping/ });
  t.same(blind.passedAt, []);
});

t.test('a check that never answers is a failure at the deadline, and its signal aborts', async (t) => {
  const clock = new FakeClock();
  let aborted = 0;
  const runCheck: RunCheck = (_, { signal }) => new Promise(() => signal.addEventListener('abort', () => void aborted++, { once: true }));
  const options = { checks: [connect], within: 3 * second, stableFor: 0, runCheck, clock, signal: new AbortController().signal, onFirstPass: () => t.fail('nothing passed') };
  t.match(await clock.runUntil(verify(options)), { outcome: 'not_recovered', tookMs: 3 * second, checks: [{ text: 'no result within 3 s' }] });
  t.equal(aborted, 1);
});

t.test('broken off by its signal it is unknown, at any stage', async (t) => {
  for (const result of [refused, good]) {
    const clock = new FakeClock();
    const stop = new AbortController();
    let looks = 0;
    const runCheck: RunCheck = async () => (++looks === 5 && stop.abort(), result);
    const options = { checks: [connect], within: 30 * second, stableFor: 20 * second, runCheck, clock, signal: stop.signal, onFirstPass: () => {} };
    t.match(await clock.runUntil(verify(options)), { outcome: 'unknown', text: 'the verification was broken off' });
    t.equal(looks, 5);
  }
});

// The real checks, on real sockets and a real php-fpm.

const neverRuns: ChecksContext['run'] = {
  run: () => Promise.reject(new Error('no check starts a program')),
  startDetached: () => Promise.reject(new Error('no check starts a program')),
};

function checksOf(over: { readonly upstream?: Address; readonly config?: Record<string, unknown>; readonly state?: ServiceState['state']; readonly traffic?: readonly TrafficSummary[] } = {}) {
  const state: ServiceState = { state: over.state ?? 'running', text: `it is ${over.state ?? 'running'}`, pids: [], fence: '' };
  const { service } = policySchema.parse({ version: 1, name: 'php-fpm', mode: 'act', service: { type: 'external', ...over.config } });
  const config = service.type === 'docker' ? undefined : (service satisfies ServiceConfig);
  if (!config) throw new Error('expected a service that is built');
  const target: ServiceTarget = { name: 'php-fpm', config, upstreams: over.upstream ? [over.upstream] : [], current: 0, protocol: 'fastcgi', stateFolder: '/nonexistent' };
  const serviceType: ChecksContext['serviceType'] = {
    name: 'external',
    state: async () => state,
    can: () => false,
    configTest: () => undefined,
    control: async () => ({ result: 'failed', detail: 'not controlled', durationMs: 0 }),
  };
  const runCheck = createChecks({ target: () => target, serviceType, run: neverRuns, traffic: () => over.traffic ?? [] });
  return (check: CheckConfig, firstPassWallMs?: number) => runCheck(check, { signal: new AbortController().signal, firstPassWallMs });
}

async function listening(t: TestScope, server: Server): Promise<Address> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { kind: 'tcp', host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

t.test('service and unit: the state of the service type decides; what is not controlled is skipped', async (t) => {
  t.match(await checksOf()(running), { passed: true, text: 'it is running' });
  t.match(await checksOf({ state: 'frozen' })(running), { passed: false, text: 'it is frozen' });
  t.match(await checksOf({ state: 'unknown' })(running), { passed: 'skipped' });
  t.match(await checksOf()({ unit: 'active' }), { passed: 'skipped', text: /no systemd unit/ });
  const unit = { type: 'systemd', unit: 'php8.2-fpm.service' };
  t.match(await checksOf({ config: unit, state: 'failed' })({ unit: 'active' }), { passed: false });
});

t.test('connect and listening: a taken connection, or who refused', async (t) => {
  const upstream = await listening(
    t,
    createServer((socket) => socket.destroy()),
  );
  t.match(await checksOf({ upstream })(connect), { passed: true, text: /connected to 127.0.0.1:/ });
  t.match(await checksOf()({ listening: upstream }), { passed: true });
  t.match(await checksOf({ upstream: { kind: 'unix', path: join(tempFolder(t), 'none.sock') } })(connect), { passed: false, text: /none\.sock/ });
  t.match(await checksOf()(connect), { passed: 'skipped', text: /no gateway leads/ });
});

t.test('http: the status has to be in the range, for the host that was asked', async (t) => {
  const address = await listening(
    t,
    createHttpServer((request, response) => response.writeHead(request.headers.host === 'shop.example' && request.url === '/up?deep' ? 204 : 503).end()),
  );
  const check = (status: string, host?: string): CheckConfig => ({ http: { url: `http://127.0.0.1:${address.kind === 'tcp' ? address.port : 0}/up?deep`, status, ...(host ? { host } : {}) } });
  t.match(await checksOf()(check('200-299', 'shop.example')), { passed: true, text: 'answered 204, expected 200-299' });
  t.match(await checksOf()(check('204', 'shop.example')), { passed: true });
  t.match(await checksOf()(check('200-299')), { passed: false, text: 'answered 503, expected 200-299' });
  t.match(await checksOf()({ http: { url: 'http://127.0.0.1:1/', status: '200' } }), { passed: false, text: /127\.0\.0\.1:1/ });
});

t.test('fpm_ping: a stock php-fpm has none and is skipped; a configured one is asked', { skip: missing('php-fpm8.2') }, async (t) => {
  const fpm = await startPhpFpm(t, { maxChildren: 1, pool: ['ping.path = /fpm-ping'] });
  const upstream = parseAddress(fpm.address)!;
  t.match(await checksOf({ upstream, config: { pool: fpm.config } })(ping), { passed: true, text: '/fpm-ping answered 200' });
  t.match(await checksOf({ upstream })(ping), { passed: 'skipped', text: /names no pool file/ });
  t.match(await checksOf({ config: { pool: fpm.config } })(ping), { passed: 'skipped', text: /no FastCGI address/ });
  const stock = await startPhpFpm(t, { maxChildren: 1 });
  t.match(await checksOf({ upstream, config: { pool: stock.config } })(ping), { passed: 'skipped', text: /sets no ping\.path/ });
  t.match(await checksOf({ upstream, config: { pool: '/nonexistent/pool.conf' } })(ping), { passed: 'skipped', text: /cannot be read: .*ENOENT/ });
  await fpm.stop();
  t.match(await checksOf({ upstream, config: { pool: fpm.config } })(ping), { passed: false });
});

t.test('traffic: only what was let through since the first pass counts, and few requests say nothing', async (t) => {
  const firstPassWallMs = 1_000_000;
  const summary = (atMs: number, over: Partial<TrafficSummary>): TrafficSummary => ({
    type: 'traffic_summary',
    gateway: 'shop',
    atMs,
    periodMs: 1000,
    inFlight: 0,
    held: 0,
    completed: 0,
    failed: 0,
    status5xx: 0,
    fellBack: 0,
    noProgressMs: 0,
    gate: 'open',
    ...over,
  });
  const check: CheckConfig = { traffic: { errors_below: 0.1, min_requests: 5 } };
  const outage = summary(firstPassWallMs + 500, { completed: 1, failed: 40 });
  const judge = (...traffic: TrafficSummary[]) => checksOf({ traffic: [outage, ...traffic] })(check, firstPassWallMs);
  t.match(await checksOf({ traffic: [outage] })(check), { passed: 'skipped', text: /no traffic is let through yet/ });
  t.match(await judge(), { passed: 'skipped', text: /0 of 0 .* fewer than 5/ });
  t.match(await judge(summary(firstPassWallMs + 1000, { completed: 99, failed: 1, status5xx: 8, fellBack: 50 })), { passed: true, text: /9 of 100 requests failed/ });
  t.match(await judge(summary(firstPassWallMs + 1000, { completed: 99, failed: 1, status5xx: 9 })), { passed: false, text: /10 of 100 requests failed, expected less than 10%/ });
});
