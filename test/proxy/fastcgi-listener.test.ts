import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t from 'tap';
import type { Address } from '../../src/core/failure.ts';
import { listenFastcgi } from '../../src/proxy/fastcgi-listener.ts';
import type { Answer, GatewayRequest, HandleRequest, Listener } from '../../src/proxy/gateway-request.ts';
import { decodeParams, encodeParams } from '../../src/upstream/fastcgi/params.ts';
import { encodeRecord, encodeStreamEnd, recordType } from '../../src/upstream/fastcgi/record.ts';
import { connectClient } from '../fixtures/fastcgi/client.ts';
import { requestStart, stdin } from '../fixtures/fastcgi/records.ts';
import { seeded } from '../fixtures/fastcgi/seeded.ts';
import { freePort } from '../support/ports.ts';
import { start } from '../support/program.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

interface Standing {
  readonly address: Address;
  readonly listener: Listener;
}

async function listen(t: TestScope, kind: 'unix' | 'tcp', handle: HandleRequest): Promise<Standing> {
  const address: Address = kind === 'unix' ? { kind, path: join(tempFolder(t), 'gw.sock') } : { kind, host: '127.0.0.1', port: await freePort() };
  const listener = await listenFastcgi({ address, socket: { mode: '0600' }, handle });
  t.teardown(() => listener.close(AbortSignal.abort()));
  return { address, listener };
}

function page(text: string, more: Partial<Answer> = {}): Answer {
  return { from: 'upstream', head: { status: 200, rawHeaders: ['Content-Type', 'text/plain'], contentLength: undefined }, body: Readable.from([Buffer.from(text)]), ...more };
}

async function readAll(body: Readable): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** Resolves when the count has not changed over many turns of the event loop: nothing flows any more. */
async function standsStill(count: () => number): Promise<void> {
  for (let same = 0, last = -1; same < 200; last = count()) {
    same = last === count() ? same + 1 : 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const stdinEnd = encodeStreamEnd(recordType.stdin, 1);

t.test('a request is described as nginx described it', async (t) => {
  const requests: GatewayRequest[] = [];
  const { address } = await listen(t, 'unix', async (request) => (requests.push(request), page('ok')));
  const client = await connectClient(t, address);
  client.socket.write(requestStart({ REQUEST_URI: '/a//b%E9?x=1', HTTP_X_REQUEST_ID: 'abc-1', HTTP_SEC_FETCH_MODE: 'navigate', CONTENT_TYPE: 'text/x', SCRIPT_NAME: '/index.php' }, { keep: true }));
  await client.answered();
  client.socket.write(requestStart({ REQUEST_METHOD: 'HEAD', HTTP_X_REQUEST_ID: 'not plain' }, { keep: true }));
  await client.answered(1, 2);
  const [first, second] = requests;
  t.match(first, { method: 'GET', target: '/a//b%E9?x=1', id: 'abc-1', clientAddress: '192.0.2.7', body: { length: 0 } });
  t.same(
    ['sec-fetch-mode', 'content-type', 'content-length', 'accept'].map((name) => first!.header(name)),
    ['navigate', 'text/x', undefined, undefined],
  );
  t.match(second, { method: 'HEAD', id: /^[0-9A-Z]{26}$/ });
  t.equal(first!.wire.protocol === 'fastcgi' && decodeParams(first!.wire.params)?.find(([name]) => name === 'SCRIPT_NAME')?.[1], '/index.php');
  t.equal(client.seen.text(recordType.stdout), 'Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nok'.repeat(2));
});

t.test('without the flag the connection ends after the answer; with it the next request comes on the same one', async (t) => {
  for (const kind of ['unix', 'tcp'] as const) {
    const { address } = await listen(t, kind, async (request) => (request.interim.onStderr?.(Buffer.from('PHP Warning')), page(request.target)));
    const single = await connectClient(t, address);
    single.socket.write(requestStart({ REQUEST_URI: '/once' }));
    await single.answered();
    t.equal(await single.ended, 'end');
    t.equal(single.seen.text(recordType.stderr), 'PHP Warning');
    t.same(
      single.seen.records.slice(-2).map(({ type, content }) => [type, content.length]),
      [
        [recordType.stdout, 0],
        [recordType.endRequest, 8],
      ],
    );

    const kept = await connectClient(t, address);
    for (let i = 1; i <= 20; i++) {
      kept.socket.write(requestStart({ REQUEST_URI: `/${i}` }, { keep: true }));
      await kept.answered(1, i);
    }
    t.match(kept.seen.text(recordType.stdout), /\r\n\r\n\/20$/);
  }
});

t.test('a body arrives whole, with its length, however it is cut into records', async (t) => {
  const got: [number | undefined, number][] = [];
  const { address } = await listen(t, 'tcp', async (request) => {
    got.push([request.body.length, (await readAll(request.body.open())).length]);
    return page('ok');
  });
  const client = await connectClient(t, address);
  for (const [index, [announced, total]] of [
    ['300000', 300_000],
    ['', 70_000],
    ['0', 0],
    ['', 0],
  ].entries() as Iterable<[number, [string, number]]>) {
    client.socket.write(requestStart({ REQUEST_METHOD: 'POST', CONTENT_LENGTH: announced }, { keep: true, hasBody: true }));
    for (let sent = 0; sent < total; sent += 10_000) client.socket.write(stdin(Buffer.alloc(Math.min(10_000, total - sent))));
    client.socket.write(stdinEnd);
    await client.answered(1, index + 1);
  }
  t.same(got, [
    [300_000, 300_000],
    [undefined, 70_000],
    [0, 0],
    [0, 0],
  ]);
});

t.test('a held upload stays with its sender until the body is opened', async (t) => {
  const release = Promise.withResolvers<void>();
  const { address } = await listen(t, 'unix', async (request) => {
    await release.promise;
    return page(String((await readAll(request.body.open())).length));
  });
  const client = await connectClient(t, address);
  const total = 64 * 2 ** 20;
  const piece = stdin(Buffer.alloc(65_528));
  client.socket.write(requestStart({ REQUEST_METHOD: 'POST', CONTENT_LENGTH: String(Math.floor(total / 65_528) * 65_528) }, { hasBody: true }));
  let sent = 0;
  const send = (): void => {
    while (sent < Math.floor(total / 65_528)) {
      sent += 1;
      if (!client.socket.write(piece)) return void client.socket.once('drain', send);
    }
    client.socket.write(stdinEnd);
  };
  send();
  await standsStill(() => client.socket.bytesWritten - client.socket.writableLength);
  const taken = client.socket.bytesWritten - client.socket.writableLength;
  t.ok(taken < 512 * 1024, `${Math.round(taken / 1024)} KiB left the sender, most of it in the kernel`);
  release.resolve();
  await client.answered();
  t.match(client.seen.text(recordType.stdout), new RegExp(`\r\n\r\n${Math.floor(total / 65_528) * 65_528}$`));
});

t.test('a visitor who does not read holds back the backend', async (t) => {
  for (const kind of ['unix', 'tcp'] as const) {
    let produced = 0;
    const body = new Readable({ highWaterMark: 65_536, read: () => void body.push(Buffer.alloc(65_536, (produced += 1))) });
    const { address } = await listen(t, kind, async () => page('', { body }));
    const client = await connectClient(t, address);
    client.socket.pause();
    client.socket.write(requestStart({}));
    await standsStill(() => produced);
    t.ok(produced > 0 && produced < 128, `${produced * 64} KiB, most of it in the kernel`);
    client.socket.destroy();
    await once(body, 'close');
  }
});

t.test('an answer arrives although its body was never read', async (t) => {
  for (const kind of ['unix', 'tcp'] as const) {
    for (const from of ['goodgateway', 'upstream'] as const) {
      const { address } = await listen(t, kind, async () => page('sorry', { from }));
      const client = await connectClient(t, address);
      client.socket.write(requestStart({ REQUEST_METHOD: 'POST', CONTENT_LENGTH: '20000000' }, { hasBody: true, keep: from === 'upstream' }));
      for (let i = 0; i < 200; i++) client.socket.write(stdin(Buffer.alloc(50_000)));
      await client.answered();
      t.match(client.seen.text(recordType.stdout), /sorry$/, `${from} over ${kind}`);
    }
  }
});

t.test('a cut answer is a reset on TCP and a record that nobody can read on a unix socket', async (t) => {
  const cut = (): Answer => {
    const body = new Readable({ read: () => undefined });
    body.push('partial');
    setImmediate(() => setImmediate(() => body.destroy(new Error('the worker died'))));
    return page('', { body });
  };
  for (const keep of [false, true]) {
    const tcp = await listen(t, 'tcp', async () => cut());
    const reset = await connectClient(t, tcp.address);
    reset.socket.write(requestStart({}, { keep }));
    t.equal(await reset.ended, 'ECONNRESET');
    t.notOk(reset.seen.has(recordType.endRequest));

    const unix = await listen(t, 'unix', async () => cut());
    const broken = await connectClient(t, unix.address);
    broken.socket.write(requestStart({}, { keep }));
    await broken.ended;
    t.match(broken.seen.text(recordType.stdout), /partial$/);
    t.ok(broken.seen.parser.broken, 'a record of a version that does not exist');
    t.notOk(broken.seen.has(recordType.endRequest));
  }
});

t.test('a client that leaves, or aborts, is told to the request under way', async (t) => {
  for (const leave of ['close', 'reset', 'abort record'] as const) {
    const gone: Promise<unknown>[] = [];
    const arrived = Promise.withResolvers<void>();
    const { address } = await listen(t, 'tcp', async (request) => {
      gone.push(once(request.clientGone, 'abort'));
      arrived.resolve();
      await gone[0];
      return undefined;
    });
    const client = await connectClient(t, address);
    client.socket.write(requestStart({ REQUEST_METHOD: 'POST', CONTENT_LENGTH: '9' }, { hasBody: true }));
    client.socket.write(Buffer.concat([stdin('123456789'), stdinEnd]));
    await arrived.promise;
    if (leave === 'close') client.socket.end();
    else if (leave === 'reset') client.socket.resetAndDestroy();
    else client.socket.write(encodeRecord(recordType.abortRequest, 1, Buffer.alloc(0)));
    await Promise.all(gone);
    if (leave === 'abort record') await client.answered();
    t.pass(leave);
  }
});

t.test('what is no proper request is answered or refused, and the listener goes on', async (t) => {
  let handled = 0;
  const { address } = await listen(t, 'unix', async () => ((handled += 1), page('ok')));
  const answers = async (bytes: Buffer, id = 1): Promise<string> => {
    const client = await connectClient(t, address);
    client.socket.write(bytes);
    await client.answered(id);
    return client.seen.text(recordType.stdout, id) || `status ${client.seen.records.at(-1)!.content[4]}`;
  };
  t.match(await answers(requestStart({ COOKIE: 'x'.repeat(1_100_000) })), /^Status: 431 [^]*Proxy-Status: goodgateway; error=http_request_error/);
  t.match(await answers(requestStart({ REQUEST_METHOD: '' })), /^Status: 400 [^]*REQUEST_METHOD is missing/);
  t.match(await answers(requestStart({ CONTENT_LENGTH: '-1' })), /^Status: 400 [^]*CONTENT_LENGTH/);
  const begin = requestStart({}).subarray(0, 16);
  t.match(await answers(Buffer.concat([begin, encodeRecord(recordType.params, 1, Buffer.from([9, 9, 1])), encodeStreamEnd(recordType.params, 1)])), /^Status: 400 [^]*not well formed/);
  t.equal(await answers(requestStart({}, { role: 3 })), 'status 3', 'UNKNOWN_ROLE');

  const closes = [
    Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    Buffer.alloc(100),
    encodeRecord(recordType.beginRequest, 1, Buffer.alloc(2)),
    Buffer.concat([begin, begin]),
    Buffer.concat([begin, stdin('early')]),
    Buffer.concat([begin, encodeRecord(77, 1, Buffer.from('what'))]),
  ];
  for (const junk of closes) {
    const client = await connectClient(t, address);
    client.socket.write(junk);
    t.match(await client.ended, /end|ECONNRESET|EPIPE/);
  }
  t.equal(handled, 0);
  t.match(await answers(requestStart({})), /ok$/);
});

t.test("no bytes of a client can end the process or another client's connection", async (t) => {
  const random = seeded(4711);
  const { address } = await listen(t, 'unix', async (request) => page(String((await readAll(request.body.open()).catch(() => '')).length)));
  const witness = await connectClient(t, address);
  const whole = Buffer.concat([requestStart({ REQUEST_METHOD: 'POST', CONTENT_LENGTH: '5' }, { keep: true, hasBody: true }), stdin('12345'), stdinEnd]);
  for (let round = 1; round <= 300; round++) {
    const bytes = Buffer.concat([whole, whole]).subarray(0, 1 + random(2 * whole.length));
    for (let flips = random(4); flips > 0; flips--) bytes[random(bytes.length)] = random(256);
    const client = await connectClient(t, address);
    client.socket.end(bytes);
    await client.ended;
    if (round % 50 > 0) continue;
    witness.socket.write(whole);
    await witness.answered(1, round / 50);
  }
  t.equal(witness.seen.text(recordType.stdout).split('\r\n\r\n5').length, 7);
});

t.test('a second request beside the first is refused, and questions about the connection are answered', async (t) => {
  const release = Promise.withResolvers<void>();
  const { address } = await listen(t, 'tcp', async () => (await release.promise, page('first')));
  const client = await connectClient(t, address);
  client.socket.write(
    encodeRecord(
      recordType.getValues,
      0,
      encodeParams([
        ['FCGI_MPXS_CONNS', ''],
        ['FCGI_OTHER', ''],
      ]),
    ),
  );
  client.socket.write(encodeRecord(99, 0, Buffer.from('?')));
  client.socket.write(requestStart({}, { id: 1, keep: true }));
  client.socket.write(requestStart({}, { id: 2, keep: true }));
  await client.answered(2);
  t.equal(client.seen.records.at(-1)!.content[4], 1, 'CANT_MPX_CONN');
  t.same(decodeParams(client.seen.records[0]!.content), [['FCGI_MPXS_CONNS', '0']]);
  t.match(client.seen.records[1], { type: recordType.unknownType, content: Buffer.from([99, 0, 0, 0, 0, 0, 0, 0]) });
  release.resolve();
  await client.answered(1);
  t.match(client.seen.text(recordType.stdout), /first$/);
});

t.test('a socket file that a dead owner left is replaced; a living owner keeps it; the mode is the configured one', async (t) => {
  const path = join(tempFolder(t), 'gw.sock');
  const address = { kind: 'unix', path } as const;
  // A process that is killed leaves its socket behind.
  const dead = start([process.execPath, '-e', `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`]);
  await until(() => dead.output().includes('up'), { timeoutMs: 15_000, what: 'the first owner' });
  await t.rejects(listenFastcgi({ address, socket: { mode: '0660' }, handle: async () => page('x') }), /another process listens there/);
  process.kill(dead.pid, 'SIGKILL');
  await dead.ended;
  t.ok(existsSync(path));
  const listener = await listenFastcgi({ address, socket: { mode: '0620' }, handle: async () => page('alive') });
  t.equal(statSync(path).mode & 0o777, 0o620);
  const client = await connectClient(t, address);
  client.socket.write(requestStart({}));
  await client.answered();
  await listener.close(AbortSignal.abort());
  t.notOk(existsSync(path), 'removed at the end');
  writeFileSync(path, 'a file');
  await t.rejects(listenFastcgi({ address, socket: { mode: '0660' }, handle: async () => page('x') }), /no socket is in the way/);
});

t.test('closing lets answers under way finish, ends idle connections, and cuts at the deadline', async (t) => {
  const [arrived, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { address, listener } = await listen(t, 'unix', async (request) => {
    if (request.target === '/slow') await release.promise;
    else if (request.target === '/never') {
      arrived.resolve();
      await once(request.clientGone, 'abort');
    }
    return page('done');
  });
  const [idle, slow, never] = [await connectClient(t, address), await connectClient(t, address), await connectClient(t, address)];
  idle.socket.write(requestStart({}, { keep: true }));
  await idle.answered();
  slow.socket.write(requestStart({ REQUEST_URI: '/slow' }, { keep: true }));
  never.socket.write(requestStart({ REQUEST_URI: '/never' }, { keep: true }));
  await arrived.promise;
  const deadline = new AbortController();
  const closed = listener.close(deadline.signal);
  t.equal(await idle.ended, 'end');
  release.resolve();
  await slow.answered();
  t.equal(await slow.ended, 'end');
  t.same(
    [idle, slow].map(({ seen }) => seen.records.at(-1)?.type),
    [recordType.endRequest, recordType.unknownType],
    'nginx keeps no connection on which something follows the end',
  );
  deadline.abort();
  t.match(await never.ended, /end|ECONNRESET/);
  await closed;
});
