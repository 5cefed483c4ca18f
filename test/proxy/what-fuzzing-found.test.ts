/** Each test is a violation that `test/fuzz` found once, made small. */
import http from 'node:http';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { hostSchema } from '../../src/config/host-schema.ts';
import type { Gateway } from '../../src/proxy/gateway.ts';
import { runProxy } from '../../src/proxy/run-proxy.ts';
import { freePort } from '../support/ports.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

interface Tried {
  readonly app: Gateway;
  readonly listen: number;
  readonly server: http.Server;
}

/** A gateway, and the backend that it leads to, which answers as the test says. */
async function gateway(t: Test, answer: http.RequestListener, settings: object = {}): Promise<Tried> {
  const folder = tempFolder(t);
  const [listen, port] = [await freePort(), await freePort()];
  const server = http.createServer(answer);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const host = hostSchema.parse({
    version: 1,
    gateways: { app: { listen: `127.0.0.1:${listen}`, protocol: 'http', upstream: `127.0.0.1:${port}`, service: 'app', ...settings } },
    runtime: folder,
    state: folder,
    audit: { folder },
  });
  const proxy = await runProxy(host, 'test', { info: () => undefined, warn: () => undefined });
  t.teardown(async () => {
    await proxy.close(AbortSignal.abort());
    server.closeAllConnections();
    server.close();
  });
  return { app: proxy.gateways.get('app')!, listen, server };
}

interface Conversation {
  /** What came so far, latin-1. */
  got(): string;
  say(bytes: string): void;
  /** Resolves when it has ended: true by a reset. */
  readonly closed: Promise<boolean>;
}

function talk(t: Test, port: number): Conversation {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1');
  t.teardown(() => socket.destroy());
  let [got, reset] = ['', false];
  socket.on('data', (chunk: string) => (got += chunk)).on('error', (error: NodeJS.ErrnoException) => (reset = error.code === 'ECONNRESET'));
  return { got: () => got, say: (bytes) => void socket.write(bytes, 'latin1'), closed: new Promise((resolve) => socket.once('close', () => resolve(reset))) };
}

t.test('an answer that breaks off does not take the ones before it along', async (t) => {
  let answerFirst: (() => void) | undefined;
  const { app, listen } = await gateway(t, (request, response) => {
    if (request.url === '/first') answerFirst = () => void response.end('the first answer');
    else response.write('the first half', () => request.socket.destroy());
  });
  const client = talk(t, listen);
  client.say('GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => answerFirst !== undefined, { timeoutMs: 15_000, what: 'the first request' });
  t.equal(app.gate.inFlight, 1, 'the second is not begun before');
  answerFirst?.();
  await client.closed;
  t.equal(app.health.total.failed, 1, 'the second was cut');
  t.match(client.got(), /^HTTP\/1\.1 200 OK\r\n[^]*the first answer/);
  t.notMatch(client.got(), /the first answer[^]*\r\n0\r\n\r\n$/, 'and the second is still visibly cut');
});

t.test('what is no HTTP is never refused in the middle of an answer', async (t) => {
  const { listen } = await gateway(t, (_request, response) => void response.writeHead(200, { 'Content-Length': 100 }).write('the first half'));
  const client = talk(t, listen);
  client.say('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => client.got().includes('the first half'), { timeoutMs: 15_000, what: 'the first half' });
  client.say('junk that follows\r\n\r\n');
  await client.closed;
  t.notMatch(client.got(), / 400 /, 'the refusal would be read as a part of the answer');

  const other = talk(t, listen);
  other.say('junk that comes first\r\n\r\n');
  await other.closed;
  t.match(other.got(), /^HTTP\/1\.1 400 /, 'where no answer is under way it is said');
});

t.test('an upgrade that is declined gets the whole of a long answer, and leaves nothing behind', async (t) => {
  const long = 'x'.repeat(3_000_000);
  const { app, listen } = await gateway(t, (_request, response) => response.end(long));
  const head = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  const client = talk(t, listen);
  client.say(head);
  await client.closed;
  t.equal(client.got().length - client.got().indexOf('\r\n\r\n') - 4, long.length);

  const socket = connect(listen, '127.0.0.1', () => socket.write(head));
  await new Promise((resolve) => socket.once('readable', resolve));
  socket.end();
  socket.destroy();
  await until(() => app.gate.inFlight === 0, { timeoutMs: 15_000, what: 'the slot of a client that left' });
});

t.test('a cut answer to a declined upgrade is a cut for HTTP/1.0, too', async (t) => {
  const { listen } = await gateway(t, (request, response) => void response.write('the first half', () => request.socket.destroy()));
  const client = talk(t, listen);
  client.say('GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  t.ok(await client.closed, 'a reset');
});

t.test('a PUT that was sent, and waits to be sent again, is not called unprocessed', async (t) => {
  const { listen, server, app } = await gateway(
    t,
    (request) => {
      server.close();
      request.socket.destroy();
    },
    { hold: { for: '300ms' }, keepalive: 'none' },
  );
  const client = talk(t, listen);
  client.say('PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept: application/json\r\nContent-Length: 0\r\n\r\n');
  await client.closed;
  t.equal(app.gate.held, 0);
  t.match(client.got(), /"may_have_been_processed": ?true/);
});

t.test('a request that awaits its turn is not begun when something else ends the connection, and no place is lost', async (t) => {
  const asked: (string | undefined)[] = [];
  const { app, listen } = await gateway(t, (request) => void asked.push(request.url));
  for (const behind of ['CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n', 'no HTTP\r\n\r\n']) {
    const client = talk(t, listen);
    client.say('GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n');
    const before = asked.length;
    await until(() => asked.length > before, { timeoutMs: 15_000, what: 'the first request' });
    client.say(behind);
    await client.closed;
    await until(() => app.gate.inFlight === 0, { timeoutMs: 15_000, what: () => `no request in flight behind ${behind.slice(0, 7)}` });
  }
  t.same(asked, ['/first', '/first', '/first']);
});
