/**
 * A stranger who has the proxy in hand, with its socket to a real healer: what he can say, and what it costs. The
 * service is a real php-fpm, healthy and under traffic the whole time.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { protocolVersion } from '../../src/channel/messages.ts';
import { failureKinds } from '../../src/core/failure.ts';
import type { AuditRecord } from '../support/audit-records.ts';
import { startGoodgateway, type Goodgateway } from '../support/goodgateway.ts';
import { startLoad } from '../support/load.ts';
import { fastcgiLocation, startNginx, upstreamBlock } from '../support/nginx.ts';
import { answersHello } from '../support/php-scripts.ts';
import { startPhpFpm, type PhpFpm } from '../support/php-fpm.ts';
import { missing } from '../support/skip.ts';
import { until } from '../support/until.ts';
import { pidfileService, readyPolicy } from './site.ts';

const skip = missing('nginx', 'php-fpm8.2');
const patience = { timeoutMs: 20_000, everyMs: 50 };

interface Scene {
  readonly fpm: PhpFpm;
  readonly gateway: Goodgateway;
  readonly port: number;
}

/** `shop` is php-fpm, made to act at once; `blog` is another service beside it. */
async function scene(t: Test): Promise<Scene> {
  const fpm = await startPhpFpm(t, { scripts: { 'hello.php': answersHello } });
  const policy = readyPolicy('php-fpm.yaml', {
    mode: 'act',
    service: pidfileService(fpm),
    hung_after: '2s',
    'limits.cooldown': '0s',
    'verify.within': '2s',
    'verify.stable_for': '500ms',
    'verify.checks': [{ service: 'running' }, { connect: 'ok' }],
  });
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({
      shop: { listen: `unix:${folder}/shop.sock`, socket: { group: 'www-data' }, protocol: 'fastcgi', upstream: fpm.address, service: 'php-fpm' },
      blog: { listen: `unix:${folder}/blog.sock`, protocol: 'fastcgi', upstream: fpm.address, service: 'blog' },
    }),
    policies: [policy, { version: 1, name: 'blog', mode: 'act', service: { type: 'external' }, watch: { connect_every: '1h' } }],
  });
  const nginx = await startNginx(t, { http: upstreamBlock('php', [{ address: `unix:${gateway.folder}/shop.sock` }]), server: fastcgiLocation('php', fpm.docroot) });
  return { fpm, gateway, port: nginx.port };
}

const hello = { type: 'hello', version: protocolVersion, product: '0', gateways: ['shop'] };
const failure = { type: 'failure_reported', gateway: 'shop', upstream: 0, kind: 'connection_refused', phase: 'connect', detail: 'a lie', errno: 'ECONNREFUSED', requestId: 'r', atMs: 1 };
const summary = { type: 'traffic_summary', gateway: 'shop', atMs: 1, periodMs: 500, inFlight: 5, held: 0, completed: 0, failed: 5, status5xx: 0, fellBack: 0, noProgressMs: 60_000, gate: 'open' };
const died = { type: 'request_died', gateway: 'shop', upstream: 0, fingerprint: 'a'.repeat(32), name: 'GET /', untold: false, atMs: 1 };
const survived = { type: 'request_survived', gateway: 'shop', fingerprint: 'a'.repeat(32) };
const question = { type: 'question', id: 1, about: 'incidents' };
const line = (message: object): string => `${JSON.stringify(message)}\n`;

/** A connection that the healer has taken; refused ones are tried again. */
async function taken(gateway: Goodgateway): Promise<Socket> {
  return until(
    () =>
      new Promise<Socket | undefined>((resolve) => {
        const socket = connect(join(gateway.folder, 'runtime/healer.sock'));
        socket.setEncoding('utf8').on('error', () => undefined);
        socket.once('connect', () => socket.write(line(hello)));
        socket.once('data', () => resolve(socket));
        socket.once('close', () => resolve(undefined));
      }),
    { ...patience, what: 'a connection' },
  );
}

const malformed: Readonly<Record<string, string | Buffer>> = {
  'JSON that is cut': '{"type":"failure_rep\n',
  'no JSON at all': 'GET / HTTP/1.1\r\n\r\n',
  'an empty line': '\n',
  'a line of 2 MiB': `${'x'.repeat(2 * 1024 ** 2)}\n`,
  'a text of 900 KiB': line({ ...failure, detail: 'x'.repeat(900 * 1024) }),
  'deep nesting': `${'['.repeat(400_000)}\n`,
  'deep nesting that ends': `{"type":${'['.repeat(200_000)}${']'.repeat(200_000)}}\n`,
  'deep nesting beside what is known': line(failure).replace('}', `,"x":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`),
  'a list': '[1,2,3]\n',
  null: 'null\n',
  'wrong types': line({ ...failure, upstream: '0' }),
  'a number as a gateway': line({ ...failure, gateway: 1 }),
  'a field too many': line({ ...failure, argv: ['/bin/sh', '-c', 'id'] }),
  'a prototype': '{"type":"failure_reported","__proto__":{"gateway":"shop"}}\n',
  'a constructor': line({ ...survived, constructor: { prototype: { polluted: true } } }),
  'an order': line({ type: 'open', gateway: 'shop', say: '' }),
  'a welcome': line({ type: 'welcome', version: protocolVersion, product: '0' }),
  'an operator': line({ ask: 'do', service: 'php-fpm', action: 'restart', reason: 'because', by: 'me' }),
  'an action': line({ type: 'execute', action: 'restart' }),
  'a number out of range': line(summary).replace('60000', '1e999'),
  'a negative count': line({ ...summary, completed: -1 }),
  'half a request': line({ ...summary, inFlight: 0.5 }),
  'an upstream that cannot be': line({ ...failure, upstream: 1001 }),
  'no number': line({ ...failure, atMs: 'NaN' }),
  'a path as a gateway': line({ ...failure, gateway: '../../etc/passwd' }),
  'a gateway of another proxy': line({ ...failure, gateway: 'blog' }),
  'a property as a gateway': line({ ...failure, gateway: '__proto__' }),
  'a second greeting': line(hello),
  'control characters in a name': line({ ...died, name: 'GET /\u0000\u001b[2J' }),
  'unicode in a name': line({ ...died, name: 'GET /\u202e' }),
  'an errno with a newline': line({ ...failure, errno: 'E\nX' }),
  'a question about a file': line({ ...question, about: '/etc/shadow' }),
  'a question with a path for a code': line({ ...question, about: 'incident', code: '../../etc/passwd' }),
  'a question with words of its own': line({ ...question, about: 'incident', code: 'ABC123', command: 'id' }),
  'NUL bytes': `${'\0'.repeat(4096)}\n`,
  'no UTF-8': Buffer.from([0xff, 0xfe, 0xc0, 0x80, 0x0a]),
};

/** The kernel's number, in MiB. */
function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

const harmless = ['page', 'notify', 'wait', 'wait_for'];

function disturbing(gateway: Goodgateway): readonly AuditRecord[] {
  return gateway.audit().filter(({ event, action }) => event === 'action.intent' && !harmless.includes(String(action)));
}

/** One for all: each attack meets the healer as the one before has left it. */
const whole = skip === false ? scene(t) : undefined;

t.test('every malformed message ends the connection, and nothing else', { skip }, async (t) => {
  const { gateway } = await whole!;
  const healer = gateway.pid('healer');
  for (const [name, bytes] of Object.entries(malformed)) {
    const socket = await taken(gateway);
    socket.resume().write(bytes);
    await until(() => socket.closed, { timeoutMs: 20_000, what: `a hang-up after ${name}` });
    t.pass(name);
  }
  // the same, cut and garbled at places that a seed decides
  let seed = 4711;
  const random = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % below;
  for (let i = 0; i < 20; i++) {
    const socket = await taken(gateway);
    const bytes = Buffer.from([failure, summary, died, survived].map(line).join(''));
    for (let j = 0; j < 3; j++) bytes[random(bytes.length)] = random(256);
    socket.resume().end(bytes.subarray(0, random(bytes.length)));
  }
  t.equal(({} as { polluted?: boolean }).polluted, undefined);
  await until(async () => (await gateway.command('status')).output.includes('php-fpm: running'), { ...patience, what: 'an answer of the healer' });
  t.equal(gateway.pid('healer'), healer, 'the healer has not died');
  t.same(disturbing(gateway), []);
});

t.test('lies about a healthy service under traffic: nothing is done to it', { skip }, async (t) => {
  const { fpm, gateway, port } = await whole!;
  const healer = gateway.pid('healer')!;
  const before = { master: fpm.masterPid(), workers: fpm.workers().map(({ pid }) => pid), memory: memoryOf(healer) };
  const load = startLoad(t, { port, rate: 40, path: () => '/hello.php' });
  const liar = await taken(gateway);
  liar.resume();
  let told = 0;
  const phases = ['resolve', 'connect', 'send', 'await_head', 'read_head', 'read_body'];
  const lie = (): void => {
    const atMs = [Date.now(), 0, -1e300, 1e300, Date.now() + 1e9][told % 5]!;
    const phase = phases[told % phases.length];
    const fingerprint = (told % 7).toString(16).repeat(32);
    for (const message of [
      { ...failure, atMs },
      { ...failure, atMs, kind: failureKinds[told % failureKinds.length], phase },
      { ...failure, upstream: 1000, atMs },
      { ...summary, atMs },
      { ...summary, atMs, completed: Number.MAX_SAFE_INTEGER, noProgressMs: Number.MAX_SAFE_INTEGER, inFlight: Number.MAX_SAFE_INTEGER },
      { ...died, fingerprint, atMs },
      { ...died, fingerprint, untold: true, atMs },
      told % 50 === 0 ? { ...survived, fingerprint } : { ...died, fingerprint, upstream: 1000, atMs },
      { ...question, id: told, about: (['incidents', 'incident', 'services', 'policies', 'audit', 'doctor'] as const)[told % 6], code: 'ABC123' },
    ])
      liar.write(line(message));
    told += 1;
  };
  const timer = setInterval(lie, 10);
  t.teardown(() => clearInterval(timer));
  // long enough for several incidents, their verifications, and what a silence needs to be believed
  const began = Date.now();
  await until(() => Date.now() - began > 8000 && load.results.length > 200, { ...patience, timeoutMs: 60_000, what: 'some seconds of lies' });
  clearInterval(timer);
  t.notOk(liar.destroyed, 'what he said was in order');
  const results = await load.stop();
  t.same(disturbing(gateway), [], 'the healer looks for itself, and finds a service that is well');
  t.ok(
    gateway.audit().some(({ event }) => event === 'incident.opened'),
    'although it was believed that far: an incident was opened',
  );
  t.equal(fpm.masterPid(), before.master);
  t.same(
    fpm.workers().map(({ pid }) => pid),
    before.workers,
  );
  t.same(
    results.filter(({ status }) => status !== 200),
    [],
    'every visitor was served',
  );
  t.equal(gateway.pid('healer'), healer);
  t.ok(memoryOf(healer) < before.memory + 80, `memory: ${before.memory} MiB before, ${memoryOf(healer)} MiB after`);
  t.same(
    gateway.audit().filter(({ service, event }) => service === 'blog' && event !== 'policy.loaded'),
    [],
    'the other service was not touched',
  );
  t.match(await gateway.state('blog'), { gate: 'open' });
  t.match(await gateway.command('audit', 'verify'), { code: 0 });
});

t.test('floods of messages and of connections cost little, and the real proxy stays', { skip }, async (t) => {
  const { gateway } = await whole!;
  const healer = gateway.pid('healer')!;
  const before = memoryOf(healer);
  const flood = await taken(gateway);
  flood.resume();
  const many = Buffer.from(line({ ...failure, phase: 'read_body' }).repeat(2000));
  for (let i = 0; i < 50; i++) await new Promise((resolve) => flood.write(many, resolve));
  // it is asked in the middle of it
  t.match(await gateway.command('status'), { output: /healing is on/ });
  const half = Array.from({ length: 400 }, () => connect(join(gateway.folder, 'runtime/healer.sock')).on('error', () => undefined));
  t.teardown(() => half.forEach((socket) => socket.destroy()));
  await until(() => half.every(({ destroyed }) => destroyed), { ...patience, what: 'those who say nothing to be hung up on' });
  const operators = Array.from({ length: 200 }, () => connect(join(gateway.folder, 'runtime/control.sock')).on('error', () => undefined));
  t.teardown(() => operators.forEach((socket) => socket.destroy()));
  await until(async () => (await gateway.command('status')).output.includes('healing is on'), { ...patience, what: 'operators to be answered again' });
  t.equal(gateway.pid('healer'), healer);
  t.ok(memoryOf(healer) < before + 80, `memory: ${before} MiB before, ${memoryOf(healer)} MiB after`);
  const killed = await gateway.kill('proxy');
  await until(() => gateway.pid('proxy') !== undefined && gateway.pid('proxy') !== killed, { ...patience, what: 'a new proxy' });
  await until(async () => ((await (await fetch(`${gateway.adminUrl}/state`)).json()) as { healer: string }).healer === 'connected', { ...patience, what: 'the new proxy to be taken' });
});
