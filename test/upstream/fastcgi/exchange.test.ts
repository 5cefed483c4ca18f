import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import t from 'tap';
import type { Address, UpstreamFailure } from '../../../src/core/failure.ts';
import { UpstreamFailureError, type AttemptResult, type UpstreamResponse } from '../../../src/upstream/exchange.ts';
import { fastcgi } from '../../../src/upstream/fastcgi/exchange.ts';
import { encodeParams } from '../../../src/upstream/fastcgi/params.ts';
import { encodeRecord, recordType } from '../../../src/upstream/fastcgi/record.ts';
import { liveBytes } from '../../fixtures/fastcgi/live-bytes.ts';
import { completeAnswer, end, endOf, stderr, stdout } from '../../fixtures/fastcgi/records.ts';
import { seeded } from '../../fixtures/fastcgi/seeded.ts';
import { startBackend, type Behaviour } from '../../fixtures/fastcgi/scripted-backend.ts';
import { freePort } from '../../support/ports.ts';
import { withoutStandstill } from '../../support/standstill.ts';
import { tempFolder } from '../../support/temp-folder.ts';

interface Sending {
  readonly method?: string;
  readonly body?: Readable;
  readonly length?: number;
  readonly limits?: Partial<Record<'connectTimeoutMs' | 'responseTimeoutMs' | 'idleTimeoutMs', number>>;
  readonly clientGone?: AbortSignal;
  readonly onStderr?: (text: Buffer) => void;
  readonly params?: Buffer;
}

function attempt(target: Address, sending: Sending = {}): Promise<AttemptResult> {
  const { method = 'GET', body } = sending;
  const params =
    sending.params ??
    encodeParams([
      ['REQUEST_METHOD', method],
      ['SCRIPT_FILENAME', '/srv/x.php'],
      ['HTTP_PROXY', 'http://evil/'],
    ]);
  return fastcgi.attempt(
    {
      method,
      target: '/x.php',
      wire: { protocol: 'fastcgi', params, role: 1 },
      body: { length: body ? sending.length : 0, open: () => body ?? Readable.from([]) },
      clientGone: sending.clientGone ?? new AbortController().signal,
    },
    target,
    { connectTimeoutMs: 15_000, responseTimeoutMs: 15_000, idleTimeoutMs: 15_000, ...sending.limits, ...(sending.onStderr && { interim: { onStderr: sending.onStderr } }) },
  );
}

function failureOf(result: AttemptResult): UpstreamFailure {
  if (result.kind !== 'failure') throw new Error(`expected a failure, got ${result.kind}`);
  return result.failure;
}

function responseOf(result: AttemptResult): UpstreamResponse {
  if (result.kind !== 'response') throw new Error(`expected a response, got ${JSON.stringify(result)}`);
  return result;
}

/** The whole body as text, or the failure that cut it. */
async function read(body: Readable): Promise<{ text: string; failure?: UpstreamFailure }> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of body) pieces.push(piece as Buffer);
  } catch (error) {
    if (!(error instanceof UpstreamFailureError)) throw error;
    return { text: Buffer.concat(pieces).toString(), failure: error.failure };
  }
  return { text: Buffer.concat(pieces).toString() };
}

const head = 'Content-Type: text/plain\r\n\r\n';
const answers =
  (...records: readonly Buffer[]): Behaviour =>
  (socket) =>
    void socket.end(Buffer.concat(records));
const stays =
  (...records: readonly Buffer[]): Behaviour =>
  (socket) =>
    void socket.write(Buffer.concat(records));
/** Reset on TCP. A unix socket has none, except where unread bytes are left. */
const resets: Behaviour = (socket) => void socket.resetAndDestroy();

interface Row {
  readonly name: string;
  readonly behave: Behaviour;
  readonly expect: Partial<Record<keyof UpstreamFailure, unknown>>;
  readonly limits?: Sending['limits'];
  readonly tcpOnly?: true;
}

const idempotent = { source: 'upstream', resend: 'if_idempotent' };
const never = { source: 'upstream', resend: 'never' };

const rows: readonly Row[] = [
  { name: 'closes without a byte', behave: (socket) => void socket.end(), expect: { ...idempotent, kind: 'connection_terminated', phase: 'await_head', bytesRead: 0 } },
  { name: 'resets without a byte', behave: resets, tcpOnly: true, expect: { ...idempotent, kind: 'connection_terminated', phase: 'await_head', bytesRead: 0, errno: 'ECONNRESET' } },
  { name: 'ends the request without output', behave: answers(end()), expect: { ...idempotent, kind: 'http_response_incomplete', phase: 'read_head' } },
  { name: 'writes STDERR only', behave: answers(stderr('PHP Fatal error: boom'), end(255)), expect: { ...idempotent, kind: 'http_response_incomplete', detail: /it wrote: "PHP Fatal error: boom"/ } },
  { name: 'is overloaded', behave: answers(end(0, 2)), expect: { source: 'upstream', resend: 'always', kind: 'destination_unavailable', detail: /OVERLOADED/ } },
  { name: 'cannot multiplex', behave: answers(end(0, 1)), expect: { source: 'upstream', resend: 'always', kind: 'destination_unavailable', detail: /CANT_MPX_CONN/ } },
  { name: 'knows no such role', behave: answers(end(0, 3)), expect: { ...never, kind: 'http_protocol_error', detail: /UNKNOWN_ROLE/ } },
  { name: 'cuts the head', behave: answers(stdout('Status: 200 O')), expect: { ...idempotent, kind: 'http_response_incomplete', phase: 'read_head' } },
  { name: 'ends the request inside the head', behave: answers(stdout('Status: 200 OK\r\n'), end()), expect: { ...idempotent, kind: 'http_response_incomplete', phase: 'read_head' } },
  { name: 'speaks HTTP', behave: (socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), expect: { ...never, kind: 'http_protocol_error', detail: /HTTP text on a FastCGI port/ } },
  { name: 'is an SSH server', behave: (socket) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n'), expect: { ...never, kind: 'http_protocol_error', detail: /SSH/ } },
  { name: 'sends a TLS alert', behave: (socket) => void socket.end(Buffer.from([0x15, 3, 1, 0, 2, 2, 70])), expect: { ...never, kind: 'http_protocol_error', detail: /TLS/ } },
  { name: 'sends an unknown record type', behave: stays(encodeRecord(42, 1, Buffer.from('x'))), expect: { ...never, kind: 'http_protocol_error', detail: /type 42/ } },
  { name: 'answers another request', behave: stays(stdout(head, 9)), expect: { ...never, kind: 'http_protocol_error', detail: /request 9/ } },
  { name: 'sends an END_REQUEST that is too short', behave: stays(encodeRecord(recordType.endRequest, 1, Buffer.alloc(3))), expect: { ...never, kind: 'http_protocol_error' } },
  {
    name: 'sends a head of 200 kB',
    behave: stays(stdout(`X: ${'x'.repeat(65_000)}`), stdout('x'.repeat(65_000)), stdout('x'.repeat(65_000))),
    expect: { ...never, kind: 'http_response_header_section_size' },
  },
  { name: 'gives two lengths', behave: stays(stdout('Content-Length: 2\r\nContent-Length: 3\r\n\r\n')), expect: { ...never, kind: 'http_protocol_error' } },
  { name: 'never answers', behave: () => undefined, limits: { responseTimeoutMs: 150 }, expect: { ...never, kind: 'http_response_timeout', phase: 'await_head' } },
  { name: 'stalls inside the head', behave: stays(stdout('Status: 200 O')), limits: { responseTimeoutMs: 150 }, expect: { ...never, kind: 'http_response_timeout', phase: 'read_head' } },
];

for (const kind of ['unix', 'tcp'] as const) {
  t.test(`each failure before the head has its name over ${kind}`, async (t) => {
    for (const row of rows.filter((row) => kind === 'tcp' || !row.tcpOnly)) {
      await t.test(`a backend that ${row.name}`, async (t) => {
        const { address } = await startBackend(t, { kind, behave: row.behave });
        // what came while this process stood still is read after the timers
        const result = row.limits ? withoutStandstill({ shorterThanMs: 110 }, () => attempt(address, { limits: row.limits! })) : attempt(address);
        const failure = failureOf(await result);
        t.match(failure, row.expect);
        t.ok(failure.bytesWritten > 0);
      });
    }
  });

  t.test(`an answer that is cut never ends cleanly over ${kind}`, async (t) => {
    const cuts: readonly { name: string; behave: Behaviour; limits?: Sending['limits']; expect: object }[] = [
      { name: 'a FIN without END_REQUEST', behave: answers(stdout(`${head}partial`)), expect: { kind: 'http_response_incomplete' } },
      { name: 'an END_REQUEST that says overloaded', behave: stays(stdout(`${head}partial`), end(0, 2)), expect: { kind: 'http_response_incomplete' } },
      { name: 'less than Content-Length', behave: stays(stdout('Content-Length: 100\r\n\r\npartial'), end()), expect: { kind: 'http_response_incomplete' } },
      { name: 'a record of another version', behave: stays(stdout(`${head}partial`), Buffer.alloc(8)), expect: { kind: 'http_protocol_error' } },
      { name: 'silence', behave: stays(stdout(`${head}partial`)), limits: { idleTimeoutMs: 60 }, expect: { kind: 'connection_read_timeout' } },
    ];
    for (const { name, behave, limits, expect } of cuts) {
      await t.test(name, async (t) => {
        const { address } = await startBackend(t, { kind, behave });
        const response = responseOf(await attempt(address, limits ? { limits } : {}));
        t.equal(response.head.status, 200);
        const { text, failure } = await read(response.body);
        t.match(failure, { ...expect, phase: 'read_body', resend: 'never' });
        t.equal(text, 'partial');
      });
    }
  });

  t.test(`a complete answer over ${kind} is passed with status, fields and body; STDERR on the side`, async (t) => {
    const errors: string[] = [];
    const { address, seen } = await startBackend(t, {
      kind,
      behave: answers(stderr('notice'), stdout('Status: 404 Gone\nX-'), stdout('A: b\nContent-Length: 5\n\nhe'), stdout('llo'), end(255)),
    });
    const response = responseOf(await attempt(address, { onStderr: (text) => errors.push(text.toString()) }));
    t.same(response.head, { status: 404, rawHeaders: ['X-A', 'b', 'Content-Length', '5'], contentLength: 5 });
    t.same(await read(response.body), { text: 'hello' });
    t.same(errors, ['notice']);
    t.notMatch(seen[0]!.text(recordType.params), /HTTP_PROXY/, 'the Proxy header of a client does not become a variable');
    t.match(seen[0]!.text(recordType.params), /SCRIPT_FILENAME\/srv\/x\.php/);
  });
}

t.test('HEAD and 304 have no body whatever Content-Length says', async (t) => {
  const { address } = await startBackend(t, { kind: 'unix', behave: answers(stdout('Content-Length: 100\r\n\r\n'), end()) });
  t.same(await read(responseOf(await attempt(address, { method: 'HEAD' })).body), { text: '' });
  const other = await startBackend(t, { kind: 'unix', behave: answers(stdout('Status: 304 Not Modified\r\nContent-Length: 100\r\n\r\n'), end()) });
  t.same(await read(responseOf(await attempt(other.address)).body), { text: '' });
});

t.test('nothing was sent when the connection could not be made', async (t) => {
  const missing = { kind: 'unix', path: `${tempFolder(t)}/none.sock` } as const;
  t.match(failureOf(await attempt(missing)), { kind: 'destination_unavailable', phase: 'connect', errno: 'ENOENT', resend: 'always', bytesWritten: 0 });
  const closed = { kind: 'tcp', host: '127.0.0.1', port: await freePort() } as const;
  t.match(failureOf(await attempt(closed)), { kind: 'connection_refused', phase: 'connect', errno: 'ECONNREFUSED', resend: 'always', bytesWritten: 0 });
});

t.test('a request whose params were not all taken is unsent, whatever its method', async (t) => {
  // A megabyte does not fit into the socket of a backend that does not read: the closing record stays with us.
  const params = encodeParams([['X', 'x'.repeat(1_000_000)]]);
  for (const [behave, kind, limits] of [
    [() => undefined, 'connection_write_timeout', { responseTimeoutMs: 60 }],
    [(socket: Socket) => void socket.destroy(), 'connection_terminated', {}],
  ] as const) {
    const { address } = await startBackend(t, { kind: 'unix', when: 'accepted', behave: (socket) => (socket.pause(), behave(socket)) });
    const failure = failureOf(await attempt(address, { method: 'POST', params, limits }));
    t.match(failure, { kind, phase: 'send', resend: 'always' });
  }
});

t.test('a POST that breaks off after its params may have been executed', async (t) => {
  const { address, seen } = await startBackend(t, { kind: 'unix', when: 'params', behave: (socket) => void socket.destroy() });
  const body = new Readable({ read: () => undefined });
  t.match(failureOf(await attempt(address, { method: 'POST', body, length: 10 })), { kind: 'connection_terminated', phase: 'send', resend: 'if_idempotent' });
  t.equal(seen.length, 1);
  t.notOk(body.destroyed, 'the body is left to its owner');
});

t.test('an early answer arrives although the body is still being sent, and sending stops', async (t) => {
  for (const kind of ['unix', 'tcp'] as const) {
    const answer = completeAnswer('Status: 413 Content Too Large\r\n\r\ntoo much');
    const { address } = await startBackend(t, { kind, when: 'stdin', behave: (socket) => (socket.pause(), void socket.end(answer)) });
    const body = new Readable({ read: () => void setImmediate(() => body.push(Buffer.alloc(65_536))) });
    const response = responseOf(await attempt(address, { method: 'POST', body, length: 2 ** 40 }));
    t.equal(response.head.status, 413);
    t.same(await read(response.body), { text: 'too much' });
    t.ok(body.isPaused() && !body.destroyed, 'the rest of the body is left to its owner');
  }
});

t.test('a client that leaves ends the attempt, and it is no failure of the backend', async (t) => {
  const gone = new AbortController();
  const closed: Promise<unknown>[] = [];
  const { address } = await startBackend(t, { kind: 'unix', behave: (socket) => (closed.push(endOf(socket)), gone.abort()) });
  t.same(await attempt(address, { clientGone: gone.signal }), { kind: 'client_gone' });
  await Promise.all(closed);
  t.same(await attempt(address, { clientGone: gone.signal }), { kind: 'client_gone' }, 'nothing is begun for a client that has gone');

  const later = new AbortController();
  const stalled = await startBackend(t, { kind: 'unix', behave: stays(stdout(`${head}partial`)) });
  const { body } = responseOf(await attempt(stalled.address, { clientGone: later.signal }));
  later.abort();
  await once(body, 'close');
  t.equal(body.errored, null);
});

t.test("a client that sends no more of its body is not the backend's fault", async (t) => {
  const { address } = await startBackend(t, { kind: 'unix', behave: () => undefined });
  const silent = new Readable({ read: () => undefined });
  t.match(failureOf(await attempt(address, { method: 'POST', body: silent, length: 9, limits: { responseTimeoutMs: 60 } })), { kind: 'http_request_error', source: 'downstream', resend: 'never' });
  const broken = new Readable({ read: () => broken.destroy(new Error('lost')) });
  t.match(failureOf(await attempt(address, { method: 'POST', body: broken, length: 9 })), { kind: 'http_request_error', source: 'downstream', detail: /lost/ });
});

t.test('an upload and an answer of 200 MB flow at the pace of the slower side, in bounded memory', async (t) => {
  const total = 200 * 2 ** 20;
  const piece = Buffer.alloc(65_536, 'u');
  let received = 0;
  const server = createServer((socket) => {
    // Counts bytes only: what a record means is tested elsewhere.
    socket
      .on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (received >= total && !answering) void answer(socket);
      })
      .on('error', () => undefined);
    let answering = false;
    async function answer(to: Socket): Promise<void> {
      answering = true;
      to.write(stdout(head));
      const record = encodeRecord(recordType.stdout, 1, piece.subarray(0, 65_528));
      for (let sent = 0; sent < total; sent += 65_528) if (!to.write(record)) await once(to, 'drain');
      to.end(end());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('a TCP listener has a port');

  let left = total;
  const before = liveBytes();
  let largest = 0;
  let turns = 0;
  const watch = (): void => {
    turns += 1;
    if (turns % 128 === 0) largest = Math.max(largest, liveBytes());
  };
  const body = new Readable({
    read: () => {
      watch();
      body.push(left > 0 ? piece : null);
      left -= piece.length;
    },
  });
  const response = responseOf(await attempt({ kind: 'tcp', host: '127.0.0.1', port: bound.port }, { method: 'POST', body, length: total }));
  let got = 0;
  for await (const chunk of response.body) {
    got += (chunk as Buffer).length;
    watch();
  }
  t.ok(received >= total);
  t.ok(got >= total);
  t.ok(largest - before < 32 * 2 ** 20, `grew by ${Math.round((largest - before) / 2 ** 20)} MiB`);
});

t.test('whatever a backend answers, the attempt ends, and never as a complete page that it was not', async (t) => {
  const random = seeded(42);
  const whole = Buffer.concat([stderr('note'), stdout('Content-Length: 9\r\nX-A: b\r\n\r\nfour'), stdout('fivee'), end()]);
  let answer = whole;
  const { address } = await startBackend(t, { kind: 'unix', behave: (socket) => void socket.end(answer) });
  const ends = new Map<string, number>();
  for (let round = 0; round < 600; round++) {
    answer = Buffer.from(whole.subarray(0, round % 3 === 0 ? random(whole.length) : whole.length));
    for (let flips = random(4); flips > 0 && answer.length > 0; flips--) answer[random(answer.length)] = random(256);
    const result = await attempt(address, { limits: { responseTimeoutMs: 15_000 } });
    const got = result.kind === 'response' ? await read(result.body) : undefined;
    const endedAs = result.kind === 'failure' ? result.failure.kind : (got?.failure?.kind ?? result.kind);
    ends.set(endedAs, (ends.get(endedAs) ?? 0) + 1);
    const announced = result.kind === 'response' ? result.head.contentLength : undefined;
    if (got && !got.failure && announced !== undefined && got.text.length < announced) t.fail(`round ${round}: a cut page ended cleanly`);
    if (endedAs === 'response' && answer.length < whole.length) t.fail(`round ${round}: ended cleanly without END_REQUEST`);
  }
  t.ok(ends.get('response')! > 50 && ends.get('http_protocol_error')! > 50 && ends.get('http_response_incomplete')! > 50, JSON.stringify([...ends]));
});
