/** W3C Trace Context: `traceparent` and `tracestate` reach the backend as they came, on every way; none is invented. */
import { once } from 'node:events';
import http, { type IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import t from 'tap';
import { observedProxy } from '../fixtures/proxy/observed-proxy.ts';
import { startFastcgiGateway } from '../support/fastcgi-gateway.ts';
import { startPhpFpm } from '../support/php-fpm.ts';
import { needs } from '../support/skip.ts';
import { until } from '../support/until.ts';

const id = '4bf92f3577b34da6a3ce929d0e0e4736';
const trace = { traceparent: `00-${id}-00f067aa0ba902b7-01`, tracestate: 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE' };

t.test('over HTTP: once, sent again, and upgraded', async (t) => {
  const { ask, proxy, record, startBackend, url } = await observedProxy(t, { access: {}, gateway: { keepalive: 'none' } });
  const seen: IncomingHttpHeaders[] = [];
  const { server } = await startBackend((request, response) => {
    seen.push(request.headers);
    if (request.url === '/once-cut' && seen.filter(({ 'x-case': one }) => one === 'cut').length === 1) request.socket.destroy();
    else response.end();
  });
  server.on('upgrade', (request, socket: Duplex) => {
    seen.push(request.headers);
    socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  });
  await ask({ headers: { ...trace, 'x-case': 'plain' } });
  t.match(await ask({ path: '/once-cut', headers: { ...trace, 'x-case': 'cut' } }), { status: 200 });
  const upgrade = http.request(url, { agent: false, headers: { ...trace, connection: 'Upgrade', upgrade: 'websocket', 'x-case': 'upgrade' } }).end();
  const [, socket] = (await once(upgrade, 'upgrade')) as [unknown, Duplex];
  socket.destroy();
  await ask({ headers: { 'x-case': 'without' } });
  t.same(
    seen.map(({ 'x-case': one, traceparent, tracestate }) => ({ one, traceparent, tracestate })),
    [...['plain', 'cut', 'cut', 'upgrade'].map((one) => ({ one, ...trace })), { one: 'without', traceparent: undefined, tracestate: undefined }],
  );
  await proxy.close(AbortSignal.timeout(1000));
  // a stop waits for a slow disk no longer than a second: then the last lines may come later
  const lines = await until(() => (record().length >= 4 ? record() : undefined), { timeoutMs: 15_000, what: 'four lines' });
  t.equal(lines.filter((line) => line['trace'] === id).length, 3);
  t.match(
    lines.find(({ replays }) => replays === 1),
    { path: '/once-cut', trace: id, status: 200, resend: String },
  );
  t.equal(lines.filter((line) => !('trace' in line)).length, 1);
});

t.test('over FastCGI: as HTTP_TRACEPARENT and HTTP_TRACESTATE', async (t) => {
  if (!needs(t, 'nginx', 'php-fpm8.2')) return;
  const fpm = await startPhpFpm(t, { scripts: { 'trace.php': '<?php echo ($_SERVER["HTTP_TRACEPARENT"] ?? "none") . " " . ($_SERVER["HTTP_TRACESTATE"] ?? "none");' } });
  const { nginx } = await startFastcgiGateway(t, { upstream: fpm.address, docroot: fpm.docroot });
  const ask = async (headers: Readonly<Record<string, string>>): Promise<string> => (await fetch(`http://127.0.0.1:${nginx.port}/trace.php`, { headers })).text();
  t.equal(await ask(trace), `${trace.traceparent} ${trace.tracestate}`);
  t.equal(await ask({}), 'none none');
});
