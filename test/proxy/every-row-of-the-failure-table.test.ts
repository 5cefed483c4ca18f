/**
 * What a visitor gets for each kind of failure, over HTTP and FastCGI, TCP and unix sockets: the status (`exact`), the
 * name in Proxy-Status, whether it waited for a repair, and whether a cut is visible. The names are RFC 9209's.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { hostSchema } from '../../src/config/host-schema.ts';
import { formatAddress, type Address, type FailureKind } from '../../src/core/failure.ts';
import { runProxy } from '../../src/proxy/run-proxy.ts';
import { encodeStreamEnd, recordType } from '../../src/upstream/fastcgi/record.ts';
import * as does from '../fixtures/backends/behaviours.ts';
import { fillBacklog, startBackend, startFrozenListener } from '../fixtures/backends/start-backend.ts';
import { connectClient } from '../fixtures/fastcgi/client.ts';
import { end, requestStart, stderr, stdin, stdout } from '../fixtures/fastcgi/records.ts';
import { startBackend as startFastcgi, type Behaviour } from '../fixtures/fastcgi/scripted-backend.ts';
import { freePort } from '../support/ports.ts';
import { isRoot } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

type Protocol = 'http' | 'fastcgi';
const patient = { connect: '15s', response: '15s', idle: '15s' };
const protocols: readonly Protocol[] = ['http', 'fastcgi'];
const kinds: readonly Address['kind'][] = ['tcp', 'unix'];

interface Reply {
  readonly status: number;
  /** The `error` of Proxy-Status. */
  readonly error: string | undefined;
  readonly body: string;
  /** The answer broke off, and the client can see it. */
  readonly cut: boolean;
}

interface Question {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

interface Scene {
  ask(question?: Question): Promise<Reply>;
  /** The lines of the access record. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  readonly address: string;
  readonly gate: { readonly held: number; fallBack(order: { until: 'order'; say: string }): void };
  readonly failed: () => number;
}

async function gatewayTo(t: Test, protocol: Protocol, upstream: Address, settings: object = {}): Promise<Scene> {
  const folder = tempFolder(t);
  const log: Record<string, unknown>[] = [];
  const path = join(folder, 'gateway.sock');
  const gateway = {
    listen: `unix:${path}`,
    protocol,
    upstream: formatAddress(upstream),
    service: 'app',
    // what a row is about is made short in the row: another limit must not end it first, however slow the machine is
    timeouts: patient,
    hold: { for: '250ms', fetch_for: '250ms' },
    fallback: { status: 'exact' },
    ...settings,
  };
  const host = hostSchema.parse({ version: 1, gateways: { app: gateway }, runtime: folder, state: folder, audit: { folder } });
  const proxy = await runProxy(host, 'test', { info: (fields, message) => void (message === 'request' && log.push(fields as Record<string, unknown>)), warn: () => undefined });
  t.teardown(() => proxy.close(AbortSignal.abort()));
  const app = proxy.gateways.get('app')!;
  return { log, address: path, gate: app.gate, failed: () => app.health.total.failed, ask: (question = {}) => (protocol === 'http' ? askHttp(path, question) : askFastcgi(t, path, question)) };
}

function askHttp(socketPath: string, { method = 'GET', headers = {}, body }: Question): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, agent: false, method, headers: { ...headers, ...(body && { 'content-length': body.length }) } }, (response) => {
      let text = '';
      response.setEncoding('latin1').on('data', (piece: string) => (text += piece));
      response.on('error', () => undefined);
      response.on('close', () => resolve({ status: response.statusCode ?? 0, error: errorOf(response.headers['proxy-status']), body: text, cut: !response.complete }));
    });
    request.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EPIPE' ? undefined : error.code === 'ECONNRESET' ? resolve({ status: 0, error: undefined, body: '', cut: true }) : reject(error),
    );
    request.end(body);
  });
}

async function askFastcgi(t: Test, path: string, { method = 'GET', headers = {}, body }: Question): Promise<Reply> {
  const client = await connectClient(t, { kind: 'unix', path });
  const fields = Object.entries(headers).map(([name, value]) => [`HTTP_${name.toUpperCase().replaceAll('-', '_')}`, value]);
  client.socket.write(requestStart({ REQUEST_METHOD: method, ...Object.fromEntries(fields), ...(body && { CONTENT_LENGTH: String(body.length) }) }, { hasBody: body !== undefined }));
  if (body) {
    for (let at = 0; at < body.length; at += 32_768) client.socket.write(stdin(body.subarray(at, at + 32_768)));
    client.socket.write(encodeStreamEnd(recordType.stdin, 1));
  }
  const complete = await client.answered().then(
    () => true,
    () => false,
  );
  const [head = '', ...rest] = client.seen.text(recordType.stdout).split('\r\n\r\n');
  const header = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1];
  return { status: Number(header('Status')?.slice(0, 3) ?? 0), error: errorOf(header('Proxy-Status')), body: rest.join('\r\n\r\n'), cut: !complete };
}

function errorOf(proxyStatus: string | readonly string[] | undefined): string | undefined {
  return /^goodgateway; error=([a-z_]+)/.exec(String(proxyStatus ?? ''))?.[1];
}

// ---- nobody takes the connection: the request has not been sent, whatever its method

interface ConnectRow {
  readonly name: string;
  readonly address: (t: Test) => Promise<Address>;
  readonly status: number;
  readonly error: FailureKind;
  /** It waits for a repair; else it is answered at once. */
  readonly held: boolean;
  readonly skip?: string | false;
  readonly settings?: object;
}

const connectRows: readonly ConnectRow[] = [
  { name: 'unix socket path missing', address: async (t) => ({ kind: 'unix', path: join(tempFolder(t), 'none.sock') }), status: 503, error: 'destination_unavailable', held: true },
  { name: 'nobody listens on the port', address: async () => ({ kind: 'tcp', host: '127.0.0.1', port: await freePort() }), status: 502, error: 'connection_refused', held: true },
  { name: 'nobody listens on a stale socket', address: staleSocket, status: 502, error: 'connection_refused', held: true },
  { name: 'a regular file at the path', address: regularFile, status: 502, error: 'connection_refused', held: true },
  { name: 'unix backlog full', address: (t) => fullBacklog(t, 'unix'), status: 503, error: 'destination_unavailable', held: true },
  {
    name: 'TCP backlog full, or a firewall that drops',
    address: (t) => fullBacklog(t, 'tcp'),
    status: 504,
    error: 'connection_timeout',
    held: true,
    settings: { timeouts: { ...patient, connect: '150ms' } },
  },
  {
    name: 'no permission on the socket',
    address: forbiddenSocket,
    status: 500,
    error: 'proxy_configuration_error',
    held: false,
    settings: { hold: { for: '10m' } },
    skip: isRoot ? false : 'needs root, to become another user',
  },
  { name: 'no route', address: async () => ({ kind: 'tcp', host: '255.255.255.255', port: 80 }), status: 502, error: 'destination_ip_unroutable', held: false, settings: { hold: { for: '10m' } } },
];

for (const row of connectRows) {
  t.test(`${row.name}: ${row.error}, ${row.held ? 'held' : 'answered at once'}`, { skip: row.skip ?? false }, async (t) => {
    for (const protocol of protocols) {
      const address = await row.address(t);
      const { ask, log } = await gatewayTo(t, protocol, address, row.settings);
      for (const question of [{}, { method: 'POST', body: Buffer.from('order=1') }]) {
        const reply = await asNobody(row.error === 'proxy_configuration_error', () => ask(question));
        t.match(reply, { status: row.status, error: row.error, cut: false }, `${protocol} ${question.method ?? 'GET'}`);
      }
      if (row.held)
        t.ok(
          log.every((line) => Number(line['held_ms']) >= 200),
          `${protocol}: it waited (${JSON.stringify(log.map((line) => line['held_ms']))})`,
        );
      else t.match(log, Array(2).fill({ outcome: 'failed', attempts: 1, resend: 'waiting does not cure this' }), `${protocol}: nobody waits for what waiting does not cure`);
    }
  });
}

t.test('DNS: no such name: dns_error or, without a name server, dns_timeout; held', async (t) => {
  const { ask, log } = await gatewayTo(t, 'http', { kind: 'tcp', host: 'no-such-host.invalid', port: 80 }, { timeouts: { ...patient, connect: '150ms' } });
  const reply = await ask();
  t.ok([502, 504].includes(reply.status));
  t.equal(reply.error, reply.status === 502 ? 'dns_error' : 'dns_timeout');
  t.ok(Number(log[0]?.['held_ms']) >= 200);
});

// ---- the connection stands, and no usable answer comes

interface AnswerRow {
  readonly name: string;
  readonly http?: does.Behaviour;
  readonly fastcgi?: Behaviour;
  readonly status: number;
  readonly error: FailureKind;
  /** How often a GET is sent. A POST is sent once in every row. */
  readonly gets: 1 | 2;
  /** A reset exists on TCP only. */
  readonly only?: Address['kind'];
  readonly settings?: object;
}

const ok = 'HTTP/1.1 200 OK\r\n';
const fcgiHead = 'Content-Type: text/plain\r\n\r\n';
const sends =
  (...records: readonly Buffer[]): Behaviour =>
  (socket) =>
    void socket.end(Buffer.concat(records));

const answerRows: readonly AnswerRow[] = [
  { name: 'FIN, no byte after the request was sent', http: does.closesAfterRequest, fastcgi: (socket) => void socket.end(), status: 502, error: 'connection_terminated', gets: 2 },
  { name: 'RST, no byte', http: does.resetsAfterRequest, fastcgi: (socket) => void socket.resetAndDestroy(), status: 502, error: 'connection_terminated', gets: 2, only: 'tcp' },
  { name: 'head cut', http: does.cutsTheHead, fastcgi: sends(stdout('Status: 200 O')), status: 502, error: 'http_response_incomplete', gets: 2 },
  { name: 'nothing but STDERR, then the end', fastcgi: sends(stderr('PHP Fatal error'), end(255)), status: 502, error: 'http_response_incomplete', gets: 2 },
  { name: 'junk, or a wrong protocol', http: does.greetsLikeSsh, fastcgi: (socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), status: 502, error: 'http_protocol_error', gets: 1 },
  { name: 'UNKNOWN_ROLE', fastcgi: sends(end(0, 3)), status: 502, error: 'http_protocol_error', gets: 1 },
  {
    name: 'conflicting lengths',
    http: does.answers(`${ok}Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc`),
    fastcgi: sends(stdout('Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc'), end()),
    status: 502,
    error: 'http_protocol_error',
    gets: 1,
  },
  {
    name: 'Content-Length with Transfer-Encoding',
    http: does.answers(`${ok}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
    status: 502,
    error: 'http_response_transfer_coding',
    gets: 1,
  },
  {
    name: 'head too big',
    http: does.answers(`${ok}${`X-Some: ${'x'.repeat(990)}\r\n`.repeat(140)}\r\n`),
    fastcgi: sends(...Array.from({ length: 140 }, () => stdout(`X-Some: ${'x'.repeat(990)}\r\n`)), end()),
    status: 502,
    error: 'http_response_header_section_size',
    gets: 1,
  },
  { name: 'one header too big', http: does.answers(`${ok}X-Big: ${'x'.repeat(70_000)}\r\n\r\n`), status: 502, error: 'http_response_header_size', gets: 1 },
  {
    name: 'no head within the limit',
    http: does.neverAnswers,
    fastcgi: () => undefined,
    status: 504,
    error: 'http_response_timeout',
    gets: 1,
    settings: { timeouts: { ...patient, response: '300ms' } },
  },
];

for (const row of answerRows) {
  t.test(`${row.name}: ${row.error}, a GET is sent ${row.gets === 1 ? 'once' : 'twice'}, a POST once`, async (t) => {
    for (const protocol of protocols) {
      for (const kind of kinds) {
        if (row[protocol] === undefined || (row.only !== undefined && row.only !== kind)) continue;
        const { address, hits } = await backendOf(t, row, protocol, kind);
        const { ask, failed } = await gatewayTo(t, protocol, address, row.settings);
        t.match(await ask({ method: 'POST', body: Buffer.from('order=1') }), { status: row.status, error: row.error, cut: false }, `${protocol} ${kind} POST`);
        t.equal(hits(), 1, `${protocol} ${kind}: the POST was sent once`);
        t.match(await ask(), { status: row.status, error: row.error, cut: false }, `${protocol} ${kind} GET`);
        t.equal(hits(), 1 + row.gets, `${protocol} ${kind}: the GET was sent ${row.gets} times`);
        t.equal(failed(), 1 + row.gets, `${protocol} ${kind}: each counts against the backend`);
      }
    }
  });
}

async function backendOf(t: Test, row: AnswerRow, protocol: Protocol, kind: Address['kind']): Promise<{ readonly address: Address; readonly hits: () => number }> {
  if (protocol === 'http') {
    const { address, accepted } = await startBackend(t, kind, row.http!);
    return { address, hits: accepted };
  }
  const { address, seen } = await startFastcgi(t, { kind, behave: row.fastcgi! });
  return { address, hits: () => seen.length };
}

t.test('the backend says itself that it did not take the request (OVERLOADED): any method again, until the hold time is over', async (t) => {
  const { address, seen } = await startFastcgi(t, {
    kind: 'unix',
    behave: (socket) => void socket.end(seen.length < 3 ? end(0, 2) : Buffer.concat([stdout(`${fcgiHead}ok`), encodeStreamEnd(recordType.stdout, 1), end()])),
  });
  const { ask, log } = await gatewayTo(t, 'fastcgi', address, { hold: { for: '10s' } });
  t.match(await ask({ method: 'POST', body: Buffer.from('order=1') }), { status: 200, body: 'ok' });
  t.equal(seen.length, 3);
  t.match(log, [{ replays: 0, resend: 'it was not sent' }]);
});

t.test('the backend takes no more of the request: connection_write_timeout', async (t) => {
  const { address } = await startBackend(t, 'unix', does.neverReads);
  const { ask, log } = await gatewayTo(t, 'http', address, { timeouts: { ...patient, idle: '300ms' } });
  t.match(await ask({ method: 'POST', body: Buffer.alloc(4_000_000, 0x78) }), { status: 504, error: 'connection_write_timeout' });
  t.match(log, [{ failure: 'connection_write_timeout', phase: 'send', replays: 0 }]);
});

// ---- the head was passed on: only a visible cut is honest

const cutRows: readonly { readonly name: string; readonly http?: does.Behaviour; readonly fastcgi?: Behaviour; readonly error: FailureKind; readonly settings?: object }[] = [
  { name: 'body cut, length known', http: does.cutsTheBody, fastcgi: sends(stdout(`Content-Length: 100\r\n\r\nseven b`), end()), error: 'http_response_incomplete' },
  { name: 'body cut, length unknown', http: does.cutsTheChunkedBody, fastcgi: sends(stdout(`${fcgiHead}seven b`)), error: 'http_response_incomplete' },
  {
    name: 'no new byte of the body within the limit',
    http: does.stallsInsideTheBody,
    fastcgi: (socket) => void socket.write(stdout(`${fcgiHead}seven b`)),
    error: 'connection_read_timeout',
    settings: { timeouts: { ...patient, idle: '300ms' } },
  },
  {
    name: 'one trailer too big',
    http: does.answersInPieces([Buffer.from(`${ok}Transfer-Encoding: chunked\r\n\r\n7\r\nseven b\r\n`), Buffer.from(`0\r\nX-A: ${'x'.repeat(20_000)}\r\n\r\n`)]),
    error: 'http_response_trailer_size',
  },
  {
    name: 'trailers too big',
    http: does.answersInPieces([Buffer.from(`${ok}Transfer-Encoding: chunked\r\n\r\n7\r\nseven b\r\n`), Buffer.from(`0\r\n${`X-A: ${'x'.repeat(990)}\r\n`.repeat(20)}\r\n`)]),
    error: 'http_response_trailer_section_size',
  },
  { name: 'a record of another version inside the answer', fastcgi: sends(stdout(`${fcgiHead}seven b`), Buffer.alloc(8)), error: 'http_protocol_error' },
];

for (const row of cutRows) {
  t.test(`${row.name}: a visible cut, ${row.error}, counted although the head was passed on`, async (t) => {
    for (const protocol of protocols) {
      for (const kind of kinds) {
        if (row[protocol] === undefined) continue;
        const { address, hits } = await backendOf(t, { ...row, status: 200, gets: 1 }, protocol, kind);
        const { ask, log, failed } = await gatewayTo(t, protocol, address, row.settings);
        t.match(await ask(), { error: undefined, cut: true }, `${protocol} ${kind}`);
        await until(() => log.length === 1, { timeoutMs: 15_000, what: 'the access record' });
        t.match(log, [{ outcome: 'cut', failure: row.error }], `${protocol} ${kind}`);
        t.equal(failed(), 1, `${protocol} ${kind}: counted`);
        t.equal(hits(), 1, `${protocol} ${kind}: never sent again`);
      }
    }
  });
}

// ---- what the backend has nothing to do with

t.test('upgrade refused badly: http_upgrade_failed', async (t) => {
  const { address } = await startBackend(t, 'tcp', does.answers('HTTP/1.1 101 Switching Protocols\r\n\r\n'));
  const { ask } = await gatewayTo(t, 'http', address);
  t.match(await ask({ headers: { Connection: 'Upgrade', Upgrade: 'websocket' } }), { status: 502, error: 'http_upgrade_failed' });
});

t.test('hold queue full: connection_limit_reached, at once', async (t) => {
  for (const protocol of protocols) {
    const { ask, gate, log } = await gatewayTo(t, protocol, { kind: 'tcp', host: '127.0.0.1', port: await freePort() }, { hold: { for: '10m', requests: 1 } });
    const waiting = ask();
    await until(() => gate.held === 1, { timeoutMs: 15_000, what: 'a held request' });
    t.match(await ask(), { status: 503, error: 'connection_limit_reached' }, protocol);
    t.match(log, [{ outcome: 'queue_full', attempts: 0 }], 'it did not wait');
    gate.fallBack({ until: 'order', say: '' });
    await waiting;
  }
});

t.test('the healer says that nothing will heal: destination_unavailable, at once', async (t) => {
  for (const protocol of protocols) {
    const { ask, gate, log } = await gatewayTo(t, protocol, { kind: 'tcp', host: '127.0.0.1', port: await freePort() }, { hold: { for: '10m' } });
    gate.fallBack({ until: 'order', say: 'it was stopped on purpose' });
    t.match(await ask(), { status: 503, error: 'destination_unavailable' }, protocol);
    t.match(log, [{ outcome: 'upstream_down', attempts: 0 }], 'it did not wait');
  }
});

t.test('client went away: no answer, and no failure of the backend', async (t) => {
  for (const protocol of protocols) {
    const { address, hits } = await backendOf(t, { name: '', http: does.neverAnswers, fastcgi: () => undefined, status: 0, error: 'proxy_internal_error', gets: 1 }, protocol, 'unix');
    const { address: path, log, failed } = await gatewayTo(t, protocol, address, { timeouts: { response: '30s' } });
    const client = connect(path);
    client.write(protocol === 'http' ? 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' : requestStart({}));
    await until(() => hits() === 1, { timeoutMs: 15_000, what: 'the request at the backend' });
    client.destroy();
    await until(() => log.length === 1, { timeoutMs: 15_000, what: 'the access record' });
    t.match(log, [{ outcome: 'client_gone' }], protocol);
    t.equal(failed(), 0, protocol);
  }
});

// ---- addresses that fail for real

async function staleSocket(t: Test): Promise<Address> {
  const path = join(tempFolder(t), 'stale.sock');
  spawnSync(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`]);
  return { kind: 'unix', path };
}

async function regularFile(t: Test): Promise<Address> {
  const path = join(tempFolder(t), 'file');
  writeFileSync(path, '');
  return { kind: 'unix', path };
}

async function fullBacklog(t: Test, kind: Address['kind']): Promise<Address> {
  const address = await startFrozenListener(t, kind);
  await fillBacklog(t, address);
  return address;
}

async function forbiddenSocket(t: Test): Promise<Address> {
  const { address } = await startBackend(t, 'unix', does.neverAnswers);
  chmodSync(address.kind === 'unix' ? address.path : '', 0o600);
  return address;
}

/** Root may connect anywhere: for one request this process is nobody. The client's own socket is made before. */
async function asNobody<T>(needed: boolean, act: () => Promise<T>): Promise<T> {
  if (!needed) return act();
  process.seteuid!(65534);
  try {
    return await act();
  } finally {
    process.seteuid!(0);
  }
}
