/**
 * Request smuggling (RFC 9112 section 11.2): each row is one raw request that two servers could read differently. It is
 * refused by our own answer, or goes on in one reading only; the backend never gets a complete request out of it.
 */
import { connect } from 'node:net';
import t from 'tap';
import * as does from '../fixtures/backends/behaviours.ts';
import { startBackend, type Backend } from '../fixtures/backends/start-backend.ts';
import { rawExchange, startHttpGateway } from '../fixtures/proxy/http-gateway.ts';
import { listenHttp } from '../../src/proxy/http-listener.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/until.ts';

const host = 'Host: shop.example\r\n';
const get = `GET / HTTP/1.1\r\n${host}`;
const post = `POST / HTTP/1.1\r\n${host}`;
const chunked = `${post}Transfer-Encoding: chunked\r\n\r\n`;

const refused: readonly [what: string, bytes: string, status: number][] = [
  ['CL + TE: chunked', `${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['TE: chunked, identity', `${post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`, 400],
  ['TE: identity, chunked', `${post}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n`, 501],
  ['TE: gzip, chunked', `${post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 501],
  ['TE: xchunked', `${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 501],
  ['TE: VT chunked', `${post}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`, 400],
  ['TE twice', `${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['TE in HTTP/1.0', `POST / HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['CL twice, the same', `${post}Content-Length: 2\r\nContent-Length: 2\r\n\r\nab`, 400],
  ['CL twice, different', `${post}Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc`, 400],
  ['CL: 2, 2', `${post}Content-Length: 2, 2\r\n\r\nab`, 400],
  ['CL: +2', `${post}Content-Length: +2\r\n\r\nab`, 400],
  ['CL: 0x2', `${post}Content-Length: 0x2\r\n\r\nab`, 400],
  ['CL: 2 a', `${post}Content-Length: 2 a\r\n\r\nab`, 400],
  ['CL empty', `${post}Content-Length:\r\n\r\nab`, 400],
  ['CL: -1', `${post}Content-Length: -1\r\n\r\nab`, 400],
  ['space before the colon', `${post}Content-Length : 2\r\n\r\nab`, 400],
  ['leading space in the first header', `GET / HTTP/1.1\r\n ${host}\r\n`, 400],
  ['obs-fold', `${get}X-A: 1\r\n 2\r\n\r\n`, 400],
  ['bare LF line ends', 'GET / HTTP/1.1\nHost: shop.example\n\n', 400],
  ['bare LF after one header', `${get}X-A: 1\nX-B: 2\r\n\r\n`, 400],
  ['bare CR in a value', `${get}X-A: 1\rX-B: 2\r\n\r\n`, 400],
  ['NUL in a value', `${get}X-A: a\0b\r\n\r\n`, 400],
  ['ESC in a value', `${get}X-A: a\x1bb\r\n\r\n`, 400],
  ['chunk extension with a bare LF', `${chunked}2;a\nab\r\n0\r\n\r\n`, 400],
  ['chunk size with a bare LF', `${chunked}2\nab\r\n0\r\n\r\n`, 400],
  ['chunk data without CRLF', `${chunked}2\r\nab0\r\n\r\n`, 400],
  ['chunk size 0x2', `${chunked}0x2\r\nab\r\n0\r\n\r\n`, 400],
  ['chunk size +2', `${chunked}+2\r\nab\r\n0\r\n\r\n`, 400],
  ['chunk size overflow', `${chunked}ffffffffffffffff2\r\nab\r\n0\r\n\r\n`, 400],
  ['last chunk with a bare LF', `${chunked}0\n\n`, 400],
  ['Content-Length in a trailer', `${chunked}2\r\nab\r\n0\r\nContent-Length: 5\r\n\r\n`, 400],
  ['two Host lines', `${get}Host: other.example\r\n\r\n`, 400],
  ['two equal Host lines', `${get}${host}\r\n`, 400],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
  ['Host with user information', 'GET / HTTP/1.1\r\nHost: a@shop.example\r\n\r\n', 400],
  ['Host with a path', 'GET / HTTP/1.1\r\nHost: shop.example/x\r\n\r\n', 400],
  ['Host with a blank inside', 'GET / HTTP/1.1\r\nHost: shop example\r\n\r\n', 400],
  ['Host with a port that is none', 'GET / HTTP/1.1\r\nHost: shop.example:http\r\n\r\n', 400],
  ['absolute-form without a host', `GET http:///x HTTP/1.1\r\n${host}\r\n`, 400],
  ['absolute-form with user information', `GET http://a@shop.example/x HTTP/1.1\r\n${host}\r\n`, 400],
  ['absolute-form of another scheme', `GET ftp://shop.example/x HTTP/1.1\r\n${host}\r\n`, 400],
  ['GET *', `GET * HTTP/1.1\r\n${host}\r\n`, 400],
  ['HTTP/0.9', 'GET /\r\n\r\n', 400],
  ['HTTP/1.2', `GET / HTTP/1.2\r\n${host}\r\n`, 505],
  ['HTTP/2.0 in the request line', `GET / HTTP/2.0\r\n${host}\r\n`, 505],
  ['tab between method and target', `GET\t/ HTTP/1.1\r\n${host}\r\n`, 400],
  ['a raw byte above 0x7F in the target', `GET /caf\xe9 HTTP/1.1\r\n${host}\r\n`, 400],
  ['an unknown expectation', `${post}Expect: bogus\r\nContent-Length: 2\r\n\r\n`, 417],
  ['two expectations', `${post}Expect: 100-continue, bogus\r\nContent-Length: 2\r\n\r\n`, 417],
  ['CONNECT', `CONNECT shop.example:443 HTTP/1.1\r\n${host}\r\n`, 501],
  ['an upgrade with two Host lines', `${get}${host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`, 400],
  ['a head of 140 kB', `${get}X-Big: ${'x'.repeat(140_000)}\r\n\r\n`, 431],
];

t.test('a doubtful request is refused by our own answer, and the backend never gets it complete', async (t) => {
  for (const kind of ['tcp', 'unix'] as const) {
    const backend = await startBackend(
      t,
      kind,
      does.afterRequest(() => undefined),
    );
    const { places } = await startHttpGateway(t, backend.address);
    for (const [what, bytes, status] of refused) {
      const { text, reset } = await rawExchange(places[kind], `${bytes}GET /behind HTTP/1.1\r\n${host}\r\n`);
      const head = text.slice(0, text.indexOf('\r\n\r\n') + 4);
      t.match(head, new RegExp(`^HTTP/1\\.1 ${status} `), `${what} (${kind})`);
      t.match(head, /\r\nProxy-Status: goodgateway; error=http_request_error\r\n/, `${what}: names us`);
      t.match(head, /\r\nCache-Control: no-store\r\n/i, `${what}: not stored`);
      t.match(head, /\r\nConnection: close\r\n/i, `${what}: ends the connection`);
      t.equal(text.match(/^HTTP.1.1 [0-9]{3} /gm)?.length, 1, `${what}: one answer only`);
      t.notOk(reset, `${what}: the answer is not lost by a reset`);
    }
    t.notMatch(backend.received(), /0\r\n\r\n/, 'no chunked body was ever completed');
    t.notMatch(backend.received(), /behind/, 'nothing behind a refused request was taken for a request');
    t.notMatch(backend.received(), /^(?!POST \/ HTTP\/1\.1)[A-Z]+ /m, 'nothing but heads of broken uploads arrived');
  }
});

t.test('what is passed on is passed on in one reading', async (t) => {
  const rows: readonly [what: string, bytes: string, expected: RegExp, never?: RegExp][] = [
    ['chunk extensions', `${chunked}2;a=b\r\nab\r\n0\r\n\r\n`, /Transfer-Encoding: chunked\r\n(?:[^]*\r\n)?\r\n2\r\nab\r\n0\r\n\r\n$/, /a=b/],
    ['trailers that frame', `${chunked}2\r\nab\r\n0\r\nHost: evil\r\nAuthorization: evil\r\nX-Sum: 1\r\nX_Forwarded_For: evil\r\n\r\n`, /2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n$/, /evil/],
    ['absolute-form', `GET http://true.example:81//a?b HTTP/1.1\r\nX-A: 1\r\n${host}\r\n`, /^GET \/\/a\?b HTTP\/1\.1\r\nX-A: 1\r\nHost: true\.example:81\r\n/, /shop\.example/],
    ['absolute-form without a path', `GET http://true.example?b HTTP/1.1\r\n${host}\r\n`, /^GET \/\?b HTTP\/1\.1\r\nHost: true\.example\r\n/],
    ['OPTIONS in absolute-form', `OPTIONS http://true.example HTTP/1.1\r\n${host}\r\n`, /^OPTIONS \* HTTP\/1\.1\r\nHost: true\.example\r\n/],
    ['absolute-form in HTTP/1.0 without Host', 'GET http://true.example/ HTTP/1.0\r\n\r\n', /^GET \/ HTTP\/1\.1\r\nHost: true\.example\r\n/],
    ['Connection: X-Forwarded-For', `${get}X-Forwarded-For: 192.0.2.1\r\nConnection: X-Forwarded-For\r\n\r\n`, /X-Forwarded-For: 192\.0\.2\.1\r\n/],
    ['Connection: Content-Length', `${post}Content-Length: 2\r\nConnection: Content-Length\r\n\r\nab`, /Content-Length: 2\r\n(?:[^]*\r\n)?\r\nab$/],
    [
      'names with _ that a CGI-like backend takes for framing',
      `${post}Content_Length: 0\r\nTransfer_Encoding: chunked\r\nX_Forwarded_For: 1\r\nX_Mine: 1\r\nContent-Length: 2\r\n\r\nab`,
      /X_Mine: 1\r\n/,
      /Content_Length|Transfer_Encoding|X_Forwarded_For/,
    ],
    ['GET with a body', `${get}Content-Length: 2\r\n\r\nab`, /^GET [^]*Content-Length: 2\r\n(?:[^]*\r\n)?\r\nab$/],
    ['an empty line before the request', `\r\n${get}\r\n`, /^GET \/ HTTP\/1\.1\r\nHost: shop\.example\r\n/],
    ['an offer of h2c', `${get}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`, /^GET \//, /h2c|HTTP2/i],
    ['an expectation in HTTP/1.0, where there is none', `POST / HTTP/1.0\r\n${host}Expect: bogus\r\nContent-Length: 2\r\n\r\nab`, /Content-Length: 2\r\n(?:[^]*\r\n)?\r\nab$/, /Expect/],
    ['TE: chunked in HTTP/1.0', `GET / HTTP/1.0\r\n${host}TE: chunked\r\n\r\n`, /^GET \//, /\r\nTE:/],
  ];
  for (const [what, bytes, expected, never] of rows) {
    const backend: Backend = await startBackend(
      t,
      'tcp',
      (socket) =>
        void socket
          .on('data', () =>
            until(() => expected.test(backend.received()), { timeoutMs: 15_000, what }).then(
              () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
              () => socket.destroy(),
            ),
          )
          .resume(),
    );
    const { places } = await startHttpGateway(t, backend.address);
    const { text } = await rawExchange(places.unix, bytes, (got) => /ok$|^HTTP.1.1 [45]/.test(got));
    t.match(text, /^HTTP\/1\.1 200 [^]*\r\n\r\nok$/, what);
    t.match(backend.received(), expected, what);
    if (never) t.notMatch(backend.received(), never, what);
  }
});

t.test('garbage behind an unanswered request is not answered in its place', async (t) => {
  const backend = await startBackend(t, 'tcp', does.neverAnswers);
  const { places, gateway } = await startHttpGateway(t, backend.address);
  const { text } = await rawExchange(places.tcp, `${post}Content-Length: 2\r\n\r\nabGARBAGE\r\n\r\n`);
  t.equal(text, '', 'the connection is cut: any answer would be taken for that to the POST');
  await until(() => gateway.gate.inFlight === 0, { timeoutMs: 15_000, what: 'the slot' });
  t.equal(gateway.health.total.failed, 0);
});

t.test('neither CONNECT nor an upgrade is answered in the place of a request before it', async (t) => {
  const backend = await startBackend(t, 'tcp', does.neverAnswers);
  const { places } = await startHttpGateway(t, backend.address);
  for (const next of [`CONNECT a:1 HTTP/1.1\r\n${host}\r\n`, `${get}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`]) {
    t.equal((await rawExchange(places.tcp, `${get}\r\n${next}`)).text, '', next);
  }
});

t.test('nothing is added to an answer that has begun', async (t) => {
  const backend = await startBackend(
    t,
    'tcp',
    does.afterRequest((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')),
  );
  const { places } = await startHttpGateway(t, backend.address);
  const client = connect(places.tcp as { host: string; port: number }).setEncoding('latin1');
  t.teardown(() => client.destroy());
  let text = '';
  client.on('data', (part: string) => (text += part)).on('error', () => undefined);
  client.write(`${chunked}2\r\nab\r\n`);
  await until(() => text.endsWith('half'), { timeoutMs: 15_000, what: 'half of the answer' });
  client.write('GARBAGE\r\n');
  await until(() => client.closed, { timeoutMs: 15_000, what: 'the cut' });
  t.match(text, /half$/);
});

t.test('a head that does not come in time is answered 408', async (t) => {
  const port = await freePort();
  const listener = await listenHttp({ address: { kind: 'tcp', host: '127.0.0.1', port }, socket: { mode: '0660' }, handle: async () => undefined, headTimeoutMs: 50 });
  t.teardown(() => listener.close(AbortSignal.abort()));
  const { text } = await rawExchange({ host: '127.0.0.1', port }, 'GET / HTTP/1.1\r\nHost: slow');
  t.match(text, /^HTTP\/1\.1 408 [^]*Proxy-Status: goodgateway; error=http_request_error/);
});
