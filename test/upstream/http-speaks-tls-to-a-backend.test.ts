/** TLS to a backend: nothing is sent before the handshake is complete, and each way in which it fails has its own name. */
import type { Server, Socket } from 'node:net';
import { createServer, type TlsOptions } from 'node:tls';
import t from 'tap';
import type { Address } from '../../src/core/failure.ts';
import { backendTls } from '../../src/upstream/backend-tls.ts';
import { ConnectionPool } from '../../src/upstream/connection-pool.ts';
import { answer, failure, readBody } from '../fixtures/backends/ask.ts';
import * as does from '../fixtures/backends/behaviours.ts';
import { startBackend } from '../fixtures/backends/start-backend.ts';
import { startHttpGateway, rawExchange } from '../fixtures/proxy/http-gateway.ts';
import { makeAuthority } from '../fixtures/tls/certificates.ts';
import { withoutStandstill } from '../support/standstill.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';

const folder = tempFolder(t);
const authority = makeAuthority(folder);
const good = authority.issue('good', 'DNS:shop.example,IP:127.0.0.1');
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Counts the requests that it read; a request is what ends with an empty line. */
async function startTls(t: TestScope, options: TlsOptions, where: { path?: string } = {}) {
  const seen = { requests: 0, connections: 0, names: [] as (string | false | null)[] };
  const server: Server = createServer({ ...good, ...options }, (socket) => {
    seen.connections++;
    seen.names.push(socket.servername);
    socket
      .on('error', () => undefined)
      .on('data', () => {
        seen.requests++;
        socket.write(ok);
      });
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => (where.path === undefined ? server.listen(0, '127.0.0.1', resolve) : server.listen(where.path, resolve)));
  t.teardown(() => server.close());
  const bound = server.address();
  const address: Address = where.path === undefined ? { kind: 'tcp', host: '127.0.0.1', port: bound !== null && typeof bound === 'object' ? bound.port : 0 } : { kind: 'unix', path: where.path };
  return { address, seen };
}

t.test('a trusted backend is asked, over TCP and unix, and its connection is kept', async (t) => {
  for (const kind of ['tcp', 'unix']) {
    const tls = backendTls({ server_name: 'shop.example', ca: authority.caFile, verify: true });
    // an idle connection is given back after a second
    const seen = await withoutStandstill({ shorterThanMs: 200 }, async () => {
      const backend = await startTls(t, {}, kind === 'tcp' ? {} : { path: `${tempFolder(t)}/tls.sock` });
      const connections = new ConnectionPool({ kept: 2, served: undefined });
      t.teardown(() => connections.close());
      for (let n = 0; n < 3; n++) {
        const response = await answer(backend.address, { limits: { tls, connections } });
        t.equal((await readBody(response)).text, 'ok');
        t.ok(response.bytesWritten > 20 && response.bytesWritten < 200, `the bytes of the request: ${response.bytesWritten}`);
      }
      return backend.seen;
    });
    t.same(seen, { requests: 3, connections: 1, names: ['shop.example'] });
  }
  const { address, seen } = await startTls(t, {});
  await readBody(await answer(address, { limits: { tls: backendTls({ ca: authority.caFile, verify: true }) } }));
  t.same(seen.names, [false], 'an address is compared with the certificate, and not sent as a name');
});

t.test('a certificate that is not to be trusted ends the attempt before the request', async (t) => {
  const rows: readonly [what: string, options: TlsOptions, serverName: string, detail: RegExp, ca?: string][] = [
    ['self-signed', authority.selfSigned('self', 'DNS:shop.example'), 'shop.example', /self-signed certificate \(DEPTH_ZERO_SELF_SIGNED_CERT\)/],
    ['of an unknown authority', {}, 'shop.example', /unable to verify the first certificate/, 'none'],
    ['of another name', {}, 'other.example', /Host: other\.example\. is not in the cert's altnames.*\(ERR_TLS_CERT_ALTNAME_INVALID\)/],
    ['expired', authority.issue('old', 'DNS:shop.example', -1), 'shop.example', /certificate has expired \(CERT_HAS_EXPIRED\)/],
  ];
  for (const [what, options, serverName, detail, ca] of rows) {
    const { address, seen } = await startTls(t, options);
    const tls = backendTls({ server_name: serverName, ...(ca === undefined && { ca: authority.caFile }), verify: true });
    t.match(
      await failure(address, { method: 'POST', body: 'x', limits: { tls } }),
      { kind: 'tls_certificate_error', source: 'upstream', phase: 'connect', resend: 'always', bytesWritten: 0, bytesRead: 0, detail },
      what,
    );
    t.equal(seen.requests, 0, `${what}: nothing was sent`);
    const trusting = backendTls({ server_name: serverName, verify: false });
    t.equal((await readBody(await answer(address, { limits: { tls: trusting } }))).text, 'ok', `${what}: verify: false takes it`);
  }
});

t.test('what is no TLS, or none that both speak, has its own name', async (t) => {
  const tls = backendTls({ server_name: 'shop.example', ca: authority.caFile, verify: true });
  const plain = await startBackend(t, 'tcp', (socket) => void socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).resume());
  t.match(await failure(plain.address, { limits: { tls } }), {
    kind: 'tls_protocol_error',
    phase: 'connect',
    resend: 'always',
    bytesWritten: 0,
    detail: /speaks no TLS .*(wrong version number|packet length too long)/,
  });
  const old = await startTls(t, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA', cert: good.cert, key: good.key });
  t.match(await failure(old.address, { limits: { tls } }), { kind: 'tls_alert_received', phase: 'connect', resend: 'always', detail: /refused the TLS connection: .*alert handshake failure/ });
  const wantsCertificate = await startTls(t, { requestCert: true, rejectUnauthorized: true, ca: good.cert, maxVersion: 'TLSv1.2' });
  t.match((await failure(wantsCertificate.address, { limits: { tls } })).phase, 'connect');
  const tells13 = await startTls(t, { requestCert: true, rejectUnauthorized: true, ca: good.cert, minVersion: 'TLSv1.3' });
  const late = await failure(tells13.address, { method: 'POST', body: 'x', limits: { tls } });
  t.match(late, { source: 'upstream', kind: /^(tls_alert_received|connection_terminated)$/ });
  t.not(late.resend, 'always', 'TLS 1.3 asks for it after the handshake: the request had left');
  t.same([old.seen.requests, wantsCertificate.seen.requests, tells13.seen.requests], [0, 0, 0]);
});

t.test('a handshake that ends or never ends is a failed connect', async (t) => {
  const tls = backendTls({ server_name: 'shop.example', verify: true });
  const silent = await startBackend(t, 'tcp', does.neverAnswers);
  // the time is that for the connect before it, too
  t.match(await withoutStandstill({ shorterThanMs: 110 }, () => failure(silent.address, { limits: { tls, connectTimeoutMs: 150 } })), {
    kind: 'connection_timeout',
    phase: 'connect',
    resend: 'always',
    detail: /did not finish the TLS handshake in time/,
  });
  const ends = await startBackend(t, 'tcp', (socket) => void socket.once('data', () => socket.end()).resume());
  t.match(await failure(ends.address, { limits: { tls } }), { kind: 'connection_terminated', phase: 'connect', resend: 'always', bytesWritten: 0 });
  const resets = await startBackend(t, 'tcp', (socket) => void socket.once('data', () => socket.resetAndDestroy()).resume());
  t.match(await failure(resets.address, { limits: { tls } }), { kind: 'connection_terminated', phase: 'connect', resend: 'always' });
  const leaving = new AbortController();
  const gone = failure(silent.address, { limits: { tls }, clientGone: leaving.signal });
  leaving.abort();
  await t.rejects(gone, /client_gone/);
});

t.test('an upload that is refused early gets its answer', async (t) => {
  const server = createServer(good, (socket) => {
    socket
      .on('error', () => undefined)
      .once('data', () => {
        socket.pause();
        socket.end('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno');
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const bound = server.address();
  const tls = backendTls({ server_name: 'shop.example', ca: authority.caFile, verify: true });
  const response = await answer(
    { kind: 'tcp', host: '127.0.0.1', port: bound !== null && typeof bound === 'object' ? bound.port : 0 },
    { method: 'POST', body: 'x'.repeat(5_000_000), limits: { tls } },
  );
  t.match([response.head.status, (await readBody(response)).text], [413, 'no']);
});

t.test('through the gateway: asked by configuration; an untrusted backend is answered for at once, and nobody is held', async (t) => {
  const { address } = await startTls(t, {});
  const trusting = await startHttpGateway(t, address, { tls: { server_name: 'shop.example', ca: authority.caFile } });
  const request = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  t.match((await rawExchange(trusting.places.unix, request)).text, /200 OK[^]*ok$/);
  const doubting = await startHttpGateway(t, address, { tls: { server_name: 'shop.example' } });
  t.match((await rawExchange(doubting.places.unix, request)).text, /^HTTP\/1\.1 503 [^]*Proxy-Status: goodgateway; error=tls_certificate_error/);
  t.equal(doubting.gateway.gate.state.kind, 'open');
});

t.test('through the gateway: a backend that takes connections and fails every handshake keeps nobody longer than the hold time, and is not stormed', async (t) => {
  const request = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  const rows = [
    ['frozen', does.neverAnswers],
    ['resetting', (socket: Socket) => void socket.once('data', () => socket.resetAndDestroy()).resume()],
  ] as const;
  for (const [what, behaves] of rows) {
    const backend = await startBackend(t, 'tcp', behaves);
    const { places, log } = await startHttpGateway(t, backend.address, { tls: { verify: false }, timeouts: { connect: '200ms' }, hold: { for: '600ms' } });
    t.match((await rawExchange(places.unix, request)).text, /^HTTP\/1\.1 503 /, what);
    t.match(log, [{ method: 'GET', outcome: /^(hold_expired|failed)$/ }]);
    t.ok(Number(log[0]?.['attempts']) <= 2 + 600 / 50, `${what}: ${String(log[0]?.['attempts'])} attempts, each after a pause`);
  }
});
