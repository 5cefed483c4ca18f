import { createServer as createHttpServer } from 'node:http';
import { createServer, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { openChannel } from '../../src/channel/frame.ts';
import { factSchema, fromHealerSchema, orderSchema, protocolVersion, type Fact, type FromHealer, type Order } from '../../src/channel/messages.ts';
import { systemClock } from '../../src/core/time.ts';
import { createHealerLink } from '../../src/proxy/healer-link.ts';
import { hostSchema } from '../../src/config/host-schema.ts';
import { runProxy } from '../../src/proxy/run-proxy.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/until.ts';
import { listenAsHealer } from '../support/listen-as-healer.ts';
import { tempFolder } from '../support/temp-folder.ts';

async function pair(t: Test): Promise<[Socket, Socket]> {
  const path = join(await tempFolder(t), 'channel.sock');
  const server = createServer().listen(path);
  await once(server, 'listening');
  const [[there], here] = await Promise.all([once(server, 'connection') as Promise<[Socket]>, Promise.resolve(connect(path))]);
  t.teardown(() => [here.destroy(), there.destroy(), server.close()]);
  return [here, there];
}

/** What the healer of these tests goes by. */
const inForce = { gateways: new Set(['shop']), sha256: 'a'.repeat(64) };
const nothingToReload = { sha256: () => inForce.sha256, prepare: () => Promise.resolve([]), swap: () => true, abandon: () => Promise.resolve() };

const fact: Fact = { type: 'failure_reported', gateway: 'shop', upstream: 0, kind: 'connection_refused', phase: 'connect', detail: 'nobody listens', requestId: 'r1', atMs: 1 };

t.test('messages arrive whole and in order, however the bytes are split', async (t) => {
  const [here, there] = await pair(t);
  const got: Fact[] = [];
  const all = new Promise<void>((resolve) => openChannel<Fact, Order>(there, factSchema, { onMessage: (message) => got.push(message) === 3 && resolve(), onEnd: () => undefined }));
  const text = [1, 2, 3].map((n) => `${JSON.stringify({ ...fact, requestId: `r${n}`, detail: 'ä€' })}\n`).join('');
  for (const byte of Buffer.from(text)) here.write(Buffer.from([byte]));
  await all;
  t.same(
    got.map((one) => one.type === 'failure_reported' && one.requestId),
    ['r1', 'r2', 'r3'],
  );
});

for (const [name, line] of [
  ['no JSON', 'hello'],
  ['an unknown message', '{"type":"execute","argv":["/bin/sh"]}'],
  ['a message with a field too many', JSON.stringify({ ...fact, argv: ['x'] })],
  ['a failure kind that does not exist', JSON.stringify({ ...fact, kind: 'oops' })],
  ['a text beyond its bound', JSON.stringify({ ...fact, detail: 'x'.repeat(301) })],
  ['a name that could end a line', JSON.stringify({ type: 'request_died', gateway: 'shop', upstream: 0, fingerprint: '0'.repeat(32), name: 'GET /\n', untold: false, atMs: 1 })],
  ['a line that never ends', 'x'.repeat(1100 * 1024)],
] as const) {
  t.test(`${name} ends the connection with the reason`, async (t) => {
    const [here, there] = await pair(t);
    const ended = new Promise<string>((resolve) => openChannel<Fact, Order>(there, factSchema, { onMessage: () => t.fail('nothing may be believed'), onEnd: resolve }));
    here.on('error', () => undefined); // what it has not read when it hangs up is a reset
    const closed = new Promise((resolve) => here.resume().once('close', resolve));
    here.write(`${line}\n`);
    t.ok((await ended).length > 10);
    await closed;
  });
}

t.test('the healer believes facts about its own gateways only, and tells a proxy that comes back what stands', async (t) => {
  const path = join(await tempFolder(t), 'healer.sock');
  const failures: string[] = [];
  const quarantine: Order = { type: 'quarantine', gateway: 'shop', incident: '01J00000000000000000000000', fingerprint: '0'.repeat(32), forMs: 60_000 };
  const link = await listenAsHealer(t, {
    path,
    inForce,
    onFailure: (one) => failures.push(one.requestId),
    onDeath: (one) => failures.push(one.name),
    onSurvival: (one) => failures.push(`survived ${one.fingerprint.slice(0, 1)}`),
    quarantines: () => [quarantine],
    restraint: () => ({ off: true, servicesOff: ['shop'], breakerOpen: false }),
  });
  link.order({ type: 'use_upstream', gateway: 'shop', upstream: 1 });
  link.order({ type: 'hold', gateway: 'shop', incident: '01J00000000000000000000000', until: 'connect', estimateMs: 1, say: '' });
  link.order({ type: 'open', gateway: 'shop', say: 'back' });
  link.order({ ...quarantine, fingerprint: 'f'.repeat(32) });

  const orders: Order[] = [];
  const socket = connect(path);
  const standing = new Promise<void>((resolve) => {
    const channel = openChannel<Order, Fact>(socket, orderSchema, { onMessage: (order) => orders.push(order) === 3 && resolve(), onEnd: () => undefined });
    socket.once('connect', () => channel.send({ type: 'hello', version: protocolVersion, product: '0', gateways: ['shop'], config: inForce.sha256 }));
  });
  await standing;
  t.same(
    orders.map((order) => order.type),
    ['welcome', 'use_upstream', 'quarantine'],
    'an open gate needs no order, and of quarantines only those that still stand are told',
  );
  t.match(orders[0], { restraint: { off: true, servicesOff: ['shop'], breakerOpen: false } }, 'the first word says what keeps it from acting');
  t.same(orders.at(-1), quarantine);
  const died: Fact = { type: 'request_died', gateway: 'shop', upstream: 0, fingerprint: '0'.repeat(32), name: 'GET /', untold: false, atMs: 1 };
  const survived: Fact = { type: 'request_survived', gateway: 'shop', fingerprint: '0'.repeat(32) };
  socket.write(`${JSON.stringify(fact)}\n${JSON.stringify(died)}\n${JSON.stringify(survived)}\n${JSON.stringify({ ...fact, gateway: 'strange' })}\n`);
  await once(socket, 'close');
  t.same(failures, ['r1', 'GET /', 'survived 0'], 'a gateway that it does not know drops the peer');
});

t.test('a proxy of another version, or with other gateways, is refused politely', async (t) => {
  const path = join(await tempFolder(t), 'healer.sock');
  const said: string[] = [];
  await listenAsHealer(t, { path, inForce, log: { info: () => undefined, warn: (_fields, message) => void said.push(message) } });
  for (const hello of [
    { version: 99, gateways: ['shop'], newer: 'what this version does not know' },
    { version: 99, gateways: ['shop'] },
    { version: protocolVersion, gateways: ['other'] },
  ]) {
    const socket = connect(path);
    const channel = openChannel<FromHealer, Fact>(socket, fromHealerSchema, {
      onMessage: (message) => message.type === 'prepare' && channel.send({ type: 'prepared', id: message.id, problems: ['goodgateway.yaml:3:1: another file'] }),
      onEnd: () => undefined,
    });
    socket.once('connect', () => channel.send({ type: 'hello', product: '1.2.3', ...hello }));
    await once(socket, 'close');
  }
  t.equal(said.length, 3, 'the same is said once a minute');
  t.match(said, [/a proxy was refused: it is goodgateway 1\.2\.3 and speaks version 99; this healer .* restart the healer, which is the older one/, /another goodgateway\.yaml/, /gone/]);
});

t.test('the longest greeting is understood', async (t) => {
  const [here, there] = await pair(t);
  const gateways = Array.from({ length: 10_000 }, (_, index) => String(index).padStart(64, 'g'));
  const heard = new Promise<Fact | string>((resolve) => openChannel<Fact, Order>(there, factSchema, { onMessage: resolve, onEnd: resolve }));
  openChannel<Order, Fact>(here, orderSchema, { onMessage: () => undefined, onEnd: () => undefined }).send({ type: 'hello', version: protocolVersion, product: '0', gateways });
  t.match(await heard, { type: 'hello', gateways: { length: 10_000 } });
});

t.test('a proxy that is refused comes back less and less often', async (t) => {
  const path = join(await tempFolder(t), 'healer.sock');
  const older = createServer((socket) => socket.resume().end(`${JSON.stringify({ type: 'welcome', version: protocolVersion - 1, product: '0' })}\n`)).listen(path);
  t.teardown(() => older.close());
  await once(older, 'listening');
  const stop = new AbortController();
  const [pauses, said]: [number[], string[]] = [[], []];
  const summaryMs = 500;
  const pause = (ms: number, signal?: AbortSignal): Promise<void> => {
    if (ms === summaryMs) return systemClock.sleep(60_000, signal);
    if (pauses.push(ms) === 6) stop.abort();
    return Promise.resolve();
  };
  const link = createHealerLink({
    path,
    product: '0',
    clock: { ...systemClock, sleep: pause },
    onRecord: () => undefined,
    onRestraint: () => undefined,
    log: { info: () => undefined, warn: (_fields, message) => void said.push(message) },
  });
  await link.run({ gateways: new Map(), reload: nothingToReload }, stop.signal);
  t.same(pauses, [100, 200, 400, 800, 1600, 2000]);
  t.match(said, [/the healer is goodgateway 0, which speaks version \d+; .*restart the healer, which is the older one/], 'it is said once');
});

t.test('beside a healer of another version requests are served, and the proxy goes on trying', async (t) => {
  const folder = tempFolder(t);
  let greetings = 0;
  const newer = createServer((socket) => {
    greetings += 1;
    // a newer one may say more, and need not hang up
    socket
      .on('error', () => undefined)
      .resume()
      .write(`${JSON.stringify({ type: 'welcome', version: protocolVersion + 1, product: '9.9.9', motto: 'x' })}\n`);
  }).listen(join(folder, 'healer.sock'));
  const backend = createHttpServer((_request, answer) => answer.end('hello')).listen(0, '127.0.0.1');
  await Promise.all([once(newer, 'listening'), once(backend, 'listening')]);
  t.teardown(() => [newer.close(), backend.close()]);
  const { port } = backend.address() as { port: number };
  const listen = await freePort();
  const shop = { listen: `127.0.0.1:${listen}`, protocol: 'http', upstream: `127.0.0.1:${port}`, service: 'shop', keepalive: 'none' };
  const host = hostSchema.parse({ version: 1, gateways: { shop }, runtime: folder, state: folder, audit: { folder } });
  const said: string[] = [];
  const proxy = await runProxy(host, '1.2.3', { info: () => undefined, warn: (_fields, message) => void said.push(message) });
  t.teardown(() => proxy.close(AbortSignal.abort()));
  await until(() => greetings >= 3, { timeoutMs: 10_000, what: 'the third attempt' });
  t.equal(await (await fetch(`http://127.0.0.1:${listen}/`, { headers: { connection: 'close' } })).text(), 'hello');
  t.match(said, [/^the healer is goodgateway 9\.9\.9, which speaks version \d+; this proxy is goodgateway 1\.2\.3 .* restart the proxy, which is the older one/]);
  t.equal(said.length, 1);
});
