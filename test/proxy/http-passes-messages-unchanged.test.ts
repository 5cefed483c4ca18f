/** Through the whole gateway: what arrives at the backend, and at the client, is what the other side wrote. */
import http, { METHODS } from 'node:http';
import { connect, type Socket } from 'node:net';
import t from 'tap';
import * as does from '../fixtures/backends/behaviours.ts';
import { startBackend } from '../fixtures/backends/start-backend.ts';
import { rawExchange, startHttpGateway, type Place } from '../fixtures/proxy/http-gateway.ts';
import { withoutStandstill } from '../support/standstill.ts';
import type { TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const host = 'Host: shop.example\r\n';
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const ends = (text: string) => (got: string) => got.endsWith(text);

/** A raw client whose words are said one by one. */
function talk(t: TestScope, place: Place) {
  const socket = connect(place);
  t.teardown(() => socket.destroy());
  let text = '';
  socket
    .setEncoding('latin1')
    .on('data', (part: string) => (text += part))
    .on('error', () => undefined);
  return {
    socket,
    say: (bytes: string) => void socket.write(bytes, 'latin1'),
    heard: () => text,
    hears: (pattern: RegExp) => until(() => pattern.test(text), { timeoutMs: 15_000, what: () => `${pattern} in ${JSON.stringify(text)}` }),
  };
}

t.test('the target arrives byte for byte', async (t) => {
  const backend = await startBackend(t, 'tcp', does.answers(ok));
  const { places } = await startHttpGateway(t, backend.address);
  const targets = ['//a//b', '/caf%E9', '/100%', '/a/./b/../c', '/a/%2e%2e/b', '/?q=%2f&&x', '/|"<>{}^`\\', '/x?a=1?b=2', `/${'x'.repeat(8000)}`, '/a;b=c', '/%00'];
  for (const target of targets) {
    const seen = backend.received().length;
    t.match((await rawExchange(places.tcp, `GET ${target} HTTP/1.1\r\n${host}\r\n`, ends('ok'))).text, /200 OK/, target.slice(0, 40));
    t.equal(backend.received().slice(seen).split(' HTTP/1.1\r\n')[0], `GET ${target}`);
  }
  const seen = backend.received().length;
  await rawExchange(places.tcp, `OPTIONS * HTTP/1.1\r\n${host}\r\n`, ends('ok'));
  t.match(backend.received().slice(seen), /^OPTIONS \* HTTP\/1\.1\r\n/);
});

t.test('every method that Node can read arrives, with a body and without', async (t) => {
  const backend = await startBackend(t, 'unix', does.answers('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
  const { places } = await startHttpGateway(t, backend.address);
  for (const method of METHODS.filter((one) => one !== 'CONNECT')) {
    const seen = backend.received().length;
    await rawExchange(places.unix, `${method} /m HTTP/1.1\r\n${host}\r\n`, ends('\r\n\r\n'));
    await rawExchange(places.unix, `${method} /m HTTP/1.1\r\n${host}Content-Length: 4\r\n\r\nbody`, ends('\r\n\r\n'));
    const arrived = backend.received().slice(seen);
    t.equal(arrived.split(`${method} /m HTTP/1.1\r\n`).length, 3, method);
    t.match(arrived, /body$/, method);
  }
});

t.test('fields keep their order, their duplicates and their bytes, in both directions', async (t) => {
  const fields = 'X-B: 1\r\nSet-Cookie: a=1\r\nx-a: caf\xe9 \xff\r\nX-B: 2\r\nSet-Cookie: b=2, c\r\nVary: x\r\nX-Empty: \r\nx-b: 3\r\nVary: y\r\nDate: Thu, 26 Nov 2026 00:00:00 GMT\r\n';
  for (const [what, framing, body] of [
    ['length', 'Content-Length: 2\r\n', 'ok'],
    ['chunks', 'Transfer-Encoding: chunked\r\n', '2\r\nok\r\n0\r\n\r\n'],
  ] as const) {
    const backend = await startBackend(t, 'tcp', does.answers(`HTTP/1.1 200 OK\r\n${fields}${framing}\r\n${body}`));
    const { places } = await startHttpGateway(t, backend.address);
    const request = 'Cookie: a\r\nX-B: 1\r\nX-A: caf\xe9 \xff\r\nx-b: 2\r\nCookie: b\r\nAccept: x\r\nAccept: y\r\n';
    const { text } = await rawExchange(places.tcp, `GET / HTTP/1.1\r\n${host}${request}\r\n`, (got) => got.endsWith(body));
    t.ok(backend.received().includes(`GET / HTTP/1.1\r\n${host}${request}`), `${what}: the request\n${backend.received()}`);
    t.ok(text.startsWith(`HTTP/1.1 200 OK\r\n${fields}`), `${what}: the answer\n${text}`);
    t.ok(text.endsWith(body), what);
  }
});

t.test('answers without a body keep what they say about one', async (t) => {
  for (const [method, answer] of [
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n'],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nETag: "a"\r\n\r\n'],
    ['GET', 'HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n'],
  ] as const) {
    const backend = await startBackend(t, 'tcp', does.answers(answer));
    const { places } = await startHttpGateway(t, backend.address);
    const client = talk(t, places.tcp);
    for (let n = 1; n <= 2; n++) {
      client.say(`${method} / HTTP/1.1\r\n${host}\r\n`);
      await until(() => client.heard().split('\r\n\r\n').length === n + 1, { timeoutMs: 15_000, what: () => `answer ${n}: ${client.heard()}` });
    }
    t.equal(client.heard().includes('Content-Length: 1234'), answer.includes('1234'), answer);
    t.notMatch(client.heard(), /Transfer-Encoding/i);
  }
});

t.test('each event of a stream comes when it was sent', async (t) => {
  let stream: Socket | undefined;
  const backend = await startBackend(
    t,
    'unix',
    does.afterRequest((socket) => {
      stream = socket;
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
    }),
  );
  const { places } = await startHttpGateway(t, backend.address);
  const client = talk(t, places.tcp);
  client.say(`GET / HTTP/1.1\r\n${host}\r\n`);
  await client.hears(/text\/event-stream\r\n[^]*\r\n\r\n$/);
  stream!.write('9\r\ndata: 1\n\n\r\n');
  await client.hears(/data: 1\n\n\r\n$/);
  stream!.write('9\r\ndata: 2\n\n\r\n');
  await client.hears(/data: 2\n\n\r\n$/);
  stream!.write('0\r\n\r\n');
  await client.hears(/\r\n0\r\n\r\n$/);
});

const upload = `POST /up HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 4\r\n\r\n`;

t.test("100 Continue is the backend's to say, and opens the body", async (t) => {
  let asked: Socket | undefined;
  const backend = await startBackend(t, 'tcp', (socket) => void socket.on('data', () => (asked = socket)).resume());
  const { places } = await startHttpGateway(t, backend.address);
  const client = talk(t, places.tcp);
  const began = performance.now();
  client.say(upload);
  await until(() => /Expect: 100-continue\r\n[^]*\r\n\r\n$/.test(backend.received()), { timeoutMs: 15_000, what: 'the head alone' });
  t.ok(client.heard() === '' || performance.now() - began > 900, 'nobody has said 100 yet, unless a second is over');
  asked!.write('HTTP/1.1 100 Continue\r\n\r\n');
  await client.hears(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  client.say('body');
  await until(() => backend.received().endsWith('body'), { timeoutMs: 15_000, what: 'the body' });
  asked!.write(ok);
  await client.hears(/200 OK[^]*ok$/);
  t.equal(client.heard().split('100 Continue').length, 2, 'said once');
});

t.test('a backend that knows no expectations gets the body after a second', async (t) => {
  const backend = await startBackend(t, 'unix', (socket) => void socket.on('data', (part: Buffer) => part.includes('body') && socket.end(ok)).resume());
  const { places } = await startHttpGateway(t, backend.address);
  const client = talk(t, places.unix);
  client.say(upload);
  await client.hears(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  client.say('body');
  await client.hears(/200 OK[^]*ok$/);
});

t.test('a final answer instead of 100 is passed on without the body, and ends the connection', async (t) => {
  for (const answer of ['HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n']) {
    const backend = await startBackend(
      t,
      'tcp',
      does.afterRequest((socket) => socket.write(answer)),
    );
    const { places } = await startHttpGateway(t, backend.address);
    // after a second without an answer the gateway says 100 itself
    const { text, reset } = await withoutStandstill({ shorterThanMs: 500 }, () => rawExchange(places.tcp, upload));
    t.notMatch(text, /100 Continue/);
    t.match(text, /^HTTP\/1\.1 (413|200) [^]*\r\nConnection: close\r\n/i);
    t.match(text, /no(\r\n0\r\n\r\n)?$/);
    t.notOk(reset);
    t.notMatch(backend.received(), /body/);
  }
});

t.test('while a request is held its client keeps the body; HTTP/1.0 is never told 100', async (t) => {
  const backend = await startBackend(t, 'tcp', (socket) => void socket.on('data', (part: Buffer) => part.includes('body') && socket.end(ok)).resume());
  const { places, gateway } = await startHttpGateway(t, backend.address);
  gateway.gate.hold({ until: 'order', say: '' });
  const client = talk(t, places.tcp);
  client.say(upload);
  await until(() => gateway.gate.held === 1, { timeoutMs: 15_000, what: 'the held request' });
  t.equal(client.heard(), '');
  gateway.gate.open('');
  await client.hears(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  client.say('body');
  await client.hears(/200 OK[^]*ok$/);
  const old = await rawExchange(places.tcp, `POST / HTTP/1.0\r\n${host}Expect: 100-continue\r\nContent-Length: 4\r\n\r\nbody`);
  t.match(old.text, /^HTTP\/1\.1 200 OK/);
  t.notMatch(old.text, /100 Continue/);
});

t.test('interim answers are passed on where that is asked for, and never to HTTP/1.0 or before a POST is answered', async (t) => {
  const hint = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>\r\n\r\n';
  const backend = await startBackend(t, 'tcp', does.answers(`${hint}HTTP/1.1 102 Processing\r\n\r\n${ok}`));
  const passing = await startHttpGateway(t, backend.address, { early_hints: true });
  t.match((await rawExchange(passing.places.tcp, `GET / HTTP/1.1\r\n${host}\r\n`, ends('ok'))).text, new RegExp(`^${hint}HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200`));
  t.match((await rawExchange(passing.places.tcp, `GET / HTTP/1.0\r\n${host}\r\n`)).text, /^HTTP\/1\.1 200/);
  t.match((await rawExchange(passing.places.tcp, `POST / HTTP/1.1\r\n${host}\r\n`, ends('ok'))).text, /^HTTP\/1\.1 200/);
  const silent = await startHttpGateway(t, backend.address);
  t.match((await rawExchange(silent.places.tcp, `GET / HTTP/1.1\r\n${host}\r\n`, ends('ok'))).text, /^HTTP\/1\.1 200/, 'not by default: old nginx waits for ever after one');
});

t.test('trailers pass to who asks for them, without those that frame, route or authenticate', async (t) => {
  const trailers = 'X-Sum: 1\r\nContent-Length: 7\r\nHost: evil\r\nSet-Cookie: a\r\nContent-Digest: sha\r\nX-Sum: 2\r\n';
  const backend = await startBackend(t, 'tcp', does.answers(`HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${trailers}\r\n`));
  const { places } = await startHttpGateway(t, backend.address);
  const client = talk(t, places.unix);
  client.say(`GET / HTTP/1.1\r\n${host}TE: gzip, trailers\r\nConnection: TE\r\n\r\n`);
  await client.hears(/2\r\nok\r\n0\r\nX-Sum: 1\r\nContent-Digest: sha\r\nX-Sum: 2\r\n\r\n$/);
  t.match(backend.received(), /\r\nTE: trailers\r\nConnection: TE\r\n\r\n/);
  const unasked = talk(t, places.unix);
  unasked.say(`GET / HTTP/1.1\r\n${host}\r\n`);
  await unasked.hears(/2\r\nok\r\n0\r\n\r\n$/);
  const old = await rawExchange(places.tcp, `GET / HTTP/1.0\r\n${host}TE: trailers\r\n\r\n`);
  t.match(old.text, /\r\n\r\nok$/, 'HTTP/1.0 has none');
});

t.test('HTTP/1.0 is answered without chunks, and a cut is a reset', async (t) => {
  for (const answer of ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', 'HTTP/1.1 200 OK\r\n\r\nok']) {
    const backend = await startBackend(t, 'tcp', does.answers(answer));
    const { places } = await startHttpGateway(t, backend.address);
    const { text, reset } = await rawExchange(places.tcp, 'GET / HTTP/1.0\r\n\r\n');
    t.match(text, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n\r\nok$/i);
    t.notMatch(text, /Transfer-Encoding/i);
    t.notOk(reset);
  }
  const cutting = await startBackend(t, 'tcp', does.leavesOutTheLastChunk);
  const { places } = await startHttpGateway(t, cutting.address);
  t.ok((await rawExchange(places.tcp, `GET / HTTP/1.0\r\n${host}TE: chunked\r\n\r\n`)).reset);
});

t.test('a POST never goes out on a kept connection, a GET does', async (t) => {
  const server = http.createServer((request, response) => void request.resume().on('end', () => response.end(String(request.socket.remotePort))));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => [server.closeAllConnections(), server.close()]);
  const bound = server.address();
  const { places } = await startHttpGateway(t, { kind: 'tcp', host: '127.0.0.1', port: bound !== null && typeof bound === 'object' ? bound.port : 0 });
  const client = talk(t, places.unix);
  const ask = async (method: string): Promise<string> => {
    const before = client.heard().length;
    client.say(`${method} / HTTP/1.1\r\n${host}\r\n`);
    await until(() => /\r\n\r\n(?:5\r\n)?\d{4,5}(?:\r\n0\r\n\r\n)?$/.test(client.heard().slice(before)), { timeoutMs: 15_000, what: 'the answer' });
    return /\r\n\r\n(\d+)/.exec(client.heard().slice(before))![1]!;
  };
  const [first, again] = await withoutStandstill({ shorterThanMs: 500 }, async () => [await ask('GET'), await ask('GET')] as const);
  t.equal(again, first);
  const posts = [await ask('POST'), await ask('PATCH')];
  t.notOk(posts.includes(first));
  t.not(posts[0], posts[1]);
});

t.test('an upgrade whose client leaves while it is held is forgotten', async (t) => {
  const backend = await startBackend(t, 'tcp', does.neverAnswers);
  const { places, gateway } = await startHttpGateway(t, backend.address, { hold: { for: '10m' } });
  gateway.gate.hold({ until: 'order', say: '' });
  for (const early of ['', 'early bytes']) {
    const client = talk(t, places.tcp);
    client.say(`GET /chat HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n${early}`);
    await until(() => gateway.gate.held === 1, { timeoutMs: 15_000, what: 'the held upgrade' });
    client.socket.end();
    await until(() => gateway.gate.held === 0, { timeoutMs: 15_000, what: 'it to be forgotten' });
  }
  gateway.gate.open('');
  t.equal(backend.accepted(), 0);
});

t.test('an upload whose client left while it was held is never complete at the backend, and no failure', async (t) => {
  const backend = await startBackend(t, 'tcp', does.neverAnswers);
  const { places, gateway } = await startHttpGateway(t, backend.address, { hold: { for: '10m' } });
  for (const leave of [(socket: Socket) => void socket.destroy(), (socket: Socket) => void socket.resetAndDestroy()]) {
    gateway.gate.hold({ until: 'order', say: '' });
    const client = talk(t, places.tcp);
    client.say(`PUT /up HTTP/1.1\r\n${host}Content-Length: 500000\r\n\r\n${'x'.repeat(300_000)}`);
    await until(() => gateway.gate.held === 1, { timeoutMs: 15_000, what: 'the held upload' });
    leave(client.socket);
    gateway.gate.open('');
    await until(() => gateway.gate.held + gateway.gate.inFlight === 0, { timeoutMs: 15_000, what: 'it to be forgotten' });
  }
  t.equal(gateway.health.total.failed, 0);
});

t.test('a backend that is content before it has read all leaves the connection usable', async (t) => {
  const backend = await startBackend(
    t,
    'tcp',
    does.afterRequest((socket, head) => setImmediate(() => socket.write(head.startsWith('GET') ? ok : 'HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n'))),
  );
  const { places } = await startHttpGateway(t, backend.address);
  const client = talk(t, places.unix);
  client.say(`PUT /up HTTP/1.1\r\n${host}Content-Length: 400000\r\n\r\n${'x'.repeat(100_000)}`);
  await client.hears(/^HTTP\/1\.1 201 Created/);
  client.say(`${'x'.repeat(300_000)}GET / HTTP/1.1\r\n${host}\r\n`);
  await client.hears(/200 OK[^]*ok$/);
});
