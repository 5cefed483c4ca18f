/** nginx's error log as typed facts. The lines are those of a real nginx 1.22.1 whose upstreams misbehaved in each way. */
import t from 'tap';
import { parseAddress, type Address, type AttemptPhase, type FailureKind } from '../../src/core/failure.ts';
import { readNginxLine } from '../../src/healer/nginx-log/nginx-line.ts';
import { whoseAddress } from '../../src/healer/nginx-log/whose-address.ts';

const head = '2026/11/26 13:33:06 [error] 15055#15055: *1';
const http =
  'client: 127.0.0.1, server: shop.example, request: "GET /h/x?token=secret HTTP/1.1", upstream: "http://127.0.0.1:19199/h/x?token=secret", host: "127.0.0.1:19100", referrer: "http://ref/?q=secret"';
const php = 'client: 127.0.0.1, server: shop.example, request: "GET /f/x?token=secret HTTP/1.1", upstream: "fastcgi://unix:/run/php.sock:", host: "127.0.0.1:19100", referrer: "http://ref/?q=secret"';
const awaitHead = 'while reading response header from upstream';

type Row = readonly [line: string, kind: FailureKind, phase: AttemptPhase, says: string];
const failures: readonly Row[] = [
  [`${head} connect() failed (111: Connection refused) while connecting to upstream, ${http}`, 'connection_refused', 'connect', 'connect() failed (ECONNREFUSED) while connecting to upstream'],
  [
    `${head} connect() to unix:/run/php.sock failed (111: Connection refused) while connecting to upstream, ${php}`,
    'connection_refused',
    'connect',
    'connect() failed (ECONNREFUSED) while connecting to upstream',
  ],
  [
    `${head.replace('error', 'crit')} connect() to unix:/run/php.sock failed (2: No such file or directory) while connecting to upstream, ${php}`,
    'destination_unavailable',
    'connect',
    'connect() failed (ENOENT) while connecting to upstream',
  ],
  [
    `${head.replace('error', 'crit')} connect() to unix:/run/php.sock failed (13: Permission denied) while connecting to upstream, ${php}`,
    'proxy_configuration_error',
    'connect',
    'connect() failed (EACCES) while connecting to upstream',
  ],
  [
    `${head} connect() to unix:/run/php.sock failed (11: Resource temporarily unavailable) while connecting to upstream, ${php}`,
    'destination_unavailable',
    'connect',
    'connect() failed (EAGAIN) while connecting to upstream',
  ],
  [`${head} upstream timed out (110: Connection timed out) while connecting to upstream, ${http}`, 'connection_timeout', 'connect', 'upstream timed out while connecting to upstream'],
  [`${head} upstream timed out (110: Connection timed out) ${awaitHead}, ${http}`, 'http_response_timeout', 'await_head', `upstream timed out ${awaitHead}`],
  [`${head} upstream timed out (110: Connection timed out) while reading upstream, ${http}`, 'connection_read_timeout', 'read_body', 'upstream timed out while reading upstream'],
  [`${head} upstream prematurely closed connection ${awaitHead}, ${php}`, 'connection_terminated', 'await_head', `upstream prematurely closed the connection ${awaitHead}`],
  [`${head} upstream prematurely closed FastCGI stdout ${awaitHead}, ${php}`, 'connection_terminated', 'await_head', `upstream prematurely closed the connection ${awaitHead}`],
  [`${head} upstream prematurely closed connection while reading upstream, ${http}`, 'http_response_incomplete', 'read_body', 'upstream prematurely closed the connection while reading upstream'],
  [`${head} recv() failed (104: Connection reset by peer) ${awaitHead}, ${http}`, 'connection_terminated', 'await_head', `recv() failed (ECONNRESET) ${awaitHead}`],
  [
    `${head} writev() failed (104: Connection reset by peer) while sending request to upstream, ${http}`,
    'connection_terminated',
    'send',
    'writev() failed (ECONNRESET) while sending request to upstream',
  ],
  [`${head} upstream sent too big header ${awaitHead}, ${php}`, 'http_response_header_section_size', 'await_head', `upstream sent too big header ${awaitHead}`],
  [`${head} upstream sent invalid header: "no\\x20..." ${awaitHead}, ${php}`, 'http_protocol_error', 'await_head', `upstream sent invalid header ${awaitHead}`],
  [`${head} upstream sent no valid HTTP/1.0 header ${awaitHead}, ${http}`, 'http_protocol_error', 'await_head', `upstream sent no valid HTTP/1.0 header ${awaitHead}`],
  [`${head} upstream sent unsupported FastCGI protocol version: 7 ${awaitHead}, ${php}`, 'http_protocol_error', 'await_head', `upstream sent an invalid answer ${awaitHead}`],
];

t.test('each way in which an upstream fails is a kind and a phase', async (t) => {
  for (const [line, kind, phase, says] of failures) {
    const place = line.includes('unix:/run/php.sock:"') ? /^unix:\/run\/php\.sock:"/ : /^127\.0\.0\.1:19199\/h\/x/;
    t.match(readNginxLine(line), { type: 'attempt_failed', kind, phase, says, place }, line.slice(head.length, 120));
  }
});

t.test('what nginx itself lacks is told apart', async (t) => {
  t.match(readNginxLine(`${head} no live upstreams while connecting to upstream, ${php.replace('unix:/run/php.sock:', 'live')}`), { type: 'no_live_upstreams', place: /^live"/ });
  t.match(readNginxLine('2026/11/26 13:33:14 [alert] 15055#15055: 64 worker_connections are not enough'), { type: 'out_of_connections' });
  t.match(readNginxLine(`2026/11/26 13:33:14 [alert] 15055#15055: *9 64 worker_connections are not enough while connecting to upstream, ${http}`), { type: 'out_of_connections' });
});

t.test('every other line is nothing', async (t) => {
  const others = [
    '',
    '2026/11/26 13:33:06 [notice] 15054#15054: start worker process 15055',
    `${head.replace('error', 'warn')} upstream server temporarily disabled while connecting to upstream, ${http}`,
    '2026/11/26 13:33:14 [warn] 15055#15055: 64 worker_connections are not enough, reusing connections',
    `${head} client intended to send too large body: 100000000 bytes, client: 127.0.0.1, server: shop.example, request: "POST /h/x HTTP/1.1", host: "a"`,
    `${head} open() "/srv/favicon.ico" failed (2: No such file or directory), client: 127.0.0.1, server: , request: "GET /favicon.ico HTTP/1.1", host: "a"`,
    // a number that no system has for an error: each would be a message of its own
    ...[41, 133, 9999].map((errno) => `${head} connect() failed (${errno}: x) while connecting to upstream, ${http}`),
    // HTTP/0.9, and a line that nginx cut at 2048 bytes
    `${head} connect() failed (111: Connection refused) while connecting to upstream, client: 127.0.0.1, server: , request: "GET /h/x", upstream: "http://127.0.0.1:1/h/x"`,
    `${head} connect() failed (111: Connection refused) while connecting to upstream, client: 127.0.0.1, server: , request: "GET /${'a'.repeat(1900)}`,
  ];
  for (const line of others) t.equal(readNginxLine(line), undefined, line.slice(0, 100));
});

t.test('a visitor cannot name the upstream', async (t) => {
  const forged = 'upstream:"fastcgi://unix:/other.sock:",host:"x';
  const real = 'upstream: "http://unix:/run/dead.sock:/h/dead/a"';
  const lines = [
    // a target with quotes and commas; a referrer, which may hold spaces too
    `${head} connect() to unix:/run/dead.sock failed (111: Connection refused) while connecting to upstream, client: 127.0.0.1, server: shop.example, request: "GET /h/dead/a",${forged} HTTP/1.1", ${real}, host: "a"`,
    `${head} connect() to unix:/run/dead.sock failed (111: Connection refused) while connecting to upstream, client: 127.0.0.1, server: shop.example, request: "GET /a HTTP/1.1", ${real}, host: "ab", referrer: "x", upstream: "fastcgi://unix:/other.sock:", host: "x"`,
  ];
  for (const line of lines) t.match(readNginxLine(line), { type: 'attempt_failed', place: /^unix:\/run\/dead\.sock:/ });
  // an nginx before 1.21.1 let spaces pass: such a line is left out
  t.equal(
    readNginxLine(
      `${head} connect() failed (111: Connection refused) while connecting to upstream, client: 1, server: , request: "GET /a", upstream: "http://1.1.1.1:1/", host: "x HTTP/1.1", ${real}`,
    ),
    undefined,
  );
});

t.test('what the application prints is no fact of its own line, nor quoted', async (t) => {
  const [first, second] =
    `${head} FastCGI sent in stderr: "PHP message: connect() failed (111: Connection refused) while connecting to upstream, client: 1, server: x, request: "GET / HTTP/1.1", upstream: "fastcgi://unix:/forged.sock:"
2026/11/26 10:00:00 [error] 1#1: *1 \u001b[2J upstream sent invalid header: "\u0007" ${awaitHead}, ${php}`.split('\n');
  t.equal(readNginxLine(first ?? ''), undefined);
  t.equal(readNginxLine(second ?? ''), undefined);
  const fact = readNginxLine(`${head} upstream sent invalid header: "\u001b[2J\u0007${'a'.repeat(500)}" ${awaitHead}, ${php}`);
  t.match(fact, { says: `upstream sent invalid header ${awaitHead}` }, 'nothing but our own words');
});

t.test('a line of a megabyte is read in linear time', async (t) => {
  const hostile = [
    'a'.repeat(2 ** 20),
    head.repeat(2 ** 15),
    `${head} ${' while '.repeat(2 ** 17)}`,
    `${head} connect()${' failed ('.repeat(2 ** 16)} while connecting to upstream${', client: '.repeat(2 ** 16)}`,
    `${head} connect() failed (111: x) while connecting to upstream, client: 1, request: "${'GET '.repeat(2 ** 17)}${', upstream: "'.repeat(2 ** 15)}`,
    `${head} connect() failed (111: x) while connecting to upstream, client: 1, request: "GET / HTTP/1.1", upstream: "${'x'.repeat(2 ** 20)}`,
  ];
  const began = process.cpuUsage();
  for (const line of hostile) readNginxLine(line);
  const { user } = process.cpuUsage(began);
  t.ok(user < 2_000_000, `${user / 1000} ms of processor time for ${hostile.length} of them; quadratic would be minutes`);
});

t.test('the upstream is found among the configured addresses', async (t) => {
  const at = (text: string): Address => parseAddress(text)!;
  const gateways = [
    { name: 'shop', upstreams: [at('unix:/run/php.sock'), at('unix:/run/spare.sock')], listen: [at('unix:/run/goodgateway/shop.sock')] },
    { name: 'app', upstreams: [at('localhost:7080'), at('[::1]:7081')], listen: [at('127.0.0.1:9001')] },
    { name: 'second', upstreams: [at('unix:/run/php.sock')], listen: [at('unix:/run/goodgateway/second.sock')] },
  ];
  const rows: readonly [place: string, whose: object | undefined][] = [
    ['unix:/run/php.sock:", host: "a"', { side: 'backend', gateway: 'shop', upstream: 0 }],
    // nginx writes it with the colon and without
    ['unix:/run/php.sock", host: "a"', { side: 'backend', gateway: 'shop', upstream: 0 }],
    ['unix:/run/spare.sock/index', { side: 'backend', gateway: 'shop', upstream: 1 }],
    ['unix:/run/php.sock2:"', undefined],
    ['unix:/run/goodgateway/second.sock:"', { side: 'gateway', gateway: 'second' }],
    ['127.0.0.1:7080/x?y"', { side: 'backend', gateway: 'app', upstream: 0 }],
    ['[::1]:7080/"', { side: 'backend', gateway: 'app', upstream: 0 }],
    ['[::1]:7081"', { side: 'backend', gateway: 'app', upstream: 1 }],
    ['127.0.0.1:70800/"', undefined],
    ['127.0.0.1:9001/"', { side: 'gateway', gateway: 'app' }],
    ['live"', undefined],
  ];
  for (const [place, whose] of rows) {
    const found = whoseAddress(place, gateways);
    if (whose === undefined) t.equal(found, undefined, place);
    else t.match(found, whose, place);
  }
});
