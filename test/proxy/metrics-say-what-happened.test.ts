import { once } from 'node:events';
import { existsSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import t from 'tap';
import { expose } from '../../src/proxy/admin/exposition.ts';
import { observedProxy } from '../fixtures/proxy/observed-proxy.ts';
import { finish } from '../support/program.ts';
import { readExposition, valueOf, type Metric } from '../support/prometheus.ts';
import { until } from '../support/until.ts';

const promtool = '/usr/bin/promtool';

t.test('every request is counted by how it ended, how long it took and how long it waited', async (t) => {
  const { ask, metrics, admin, startBackend, url, proxy } = await observedProxy(t, { gateway: { hold: { for: '10m', fetch_for: '300ms' } } });
  const gate = proxy.gateways.get('app')!.gate;
  const value = async (key: string): Promise<number | undefined> => valueOf(await metrics(), key);
  t.equal(await value('goodgateway_requests_total{gateway="app",outcome="answered"}'), 0, 'there from the start');

  gate.hold({ until: 'connect', say: '' });
  t.match(await ask({ path: '/away', headers: { 'sec-fetch-mode': 'cors' } }), { status: 503 });
  const backend = await startBackend((request, response) => {
    if (request.url === '/cut') return void request.socket.destroy();
    response.writeHead(request.url === '/broken' ? 500 : 200).end('x');
  });
  await until(() => gate.state.kind === 'open', { timeoutMs: 15_000, what: 'an open gate' });
  t.match([await ask(), await ask({ path: '/broken' })], [{ status: 200 }, { status: 500 }]);
  t.match(await ask({ path: '/cut' }), { status: 503 }, 'sent again, and cut again');
  await backend.stop();
  await until(() => gate.inFlight === 0, { timeoutMs: 15_000, what: 'nothing in the backend' });
  const heldBefore = heldIn(await metrics());
  t.equal(heldBefore.upTo(0.25) - heldBefore.upTo(0.05), 1, 'the pause of 100 ms before a replay');
  t.equal(heldBefore.all - heldBefore.upTo(0.25), 1, 'the one whose patience of 300 ms ended');
  const second = ask();
  await until(() => gate.held === 1, { timeoutMs: 15_000, what: 'a request that waits' });
  t.equal(await value('goodgateway_held{gateway="app"}'), 1);
  t.equal(await value('goodgateway_gate_state{gateway="app",state="holding"}'), 1);
  gate.fallBack({ until: 'connect', say: '' });
  t.match(await second, { status: 503 });

  const now = await metrics();
  const counted: Readonly<Record<string, number>> = {
    'goodgateway_requests_total{gateway="app",outcome="answered"}': 2,
    'goodgateway_requests_total{gateway="app",outcome="failed"}': 1,
    'goodgateway_requests_total{gateway="app",outcome="hold_expired"}': 1,
    'goodgateway_requests_total{gateway="app",outcome="upstream_down"}': 1,
    'goodgateway_requests_total{gateway="app",outcome="shed"}': 0,
    'goodgateway_request_duration_seconds_count{gateway="app"}': 5,
    'goodgateway_replays_total{gateway="app"}': 1,
    'goodgateway_failures_total{gateway="app",kind="connection_terminated"}': 2,
    'goodgateway_backend_responses_total{gateway="app",code_class="2xx"}': 1,
    'goodgateway_backend_responses_total{gateway="app",code_class="5xx"}': 1,
    goodgateway_healer_connected: 0,
    'goodgateway_quarantined{gateway="app"}': 0,
  };
  t.same(Object.fromEntries(Object.keys(counted).map((key) => [key, valueOf(now, key)])), counted);
  t.equal(heldIn(now).all, 3);
  t.ok((valueOf(now, 'goodgateway_request_duration_seconds_bucket{gateway="app",le="0.25"}') ?? NaN) <= 4, 'the one that waited for 300 ms took longer');
  t.equal(valueOf(now, 'goodgateway_request_duration_seconds_bucket{gateway="app",le="60"}'), 5);
  t.ok((valueOf(now, 'goodgateway_failures_total{gateway="app",kind="connection_refused"}') ?? 0) > 0);
  t.equal(now.has('goodgateway_concurrency_limit'), false, 'no limit is known');
  t.equal(now.has('goodgateway_access_log_lines_dropped_total'), false, 'there is no access record');
  t.match([...(now.get('goodgateway_build_info')?.series.keys() ?? [])], [`goodgateway_build_info{version="1.2.3",node="${process.versions.node}"}`]);
  t.ok((valueOf(now, 'process_open_fds') ?? 0) > 5);
  t.ok((valueOf(now, 'process_resident_memory_bytes') ?? 0) > 1e7);
  t.match((await admin('/metrics')).headers, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' });

  await startBackend(() => undefined).then(() => until(() => gate.state.kind === 'open', { timeoutMs: 15_000, what: 'an open gate' }));
  const impatient = http.get(url, { agent: false }).on('error', () => undefined);
  await until(() => gate.inFlight === 1, { timeoutMs: 15_000, what: 'the request in the backend' });
  impatient.destroy();
  await until(async () => (await value('goodgateway_requests_total{gateway="app",outcome="client_gone"}')) === 1, { timeoutMs: 15_000, what: 'its client to be missed' });
});

/** How many waited: `upTo` so many seconds, and all. */
function heldIn(metrics: ReadonlyMap<string, Metric>): { readonly upTo: (seconds: number) => number; readonly all: number } {
  const value = (key: string): number => valueOf(metrics, `goodgateway_hold_duration_seconds_${key}`) ?? NaN;
  return { upTo: (seconds) => value(`bucket{gateway="app",le="${seconds}"}`), all: value('count{gateway="app"}') };
}

t.test('an upgraded connection is counted at its end, and is no request that took hours', async (t) => {
  const { metrics, startBackend, url } = await observedProxy(t);
  const { server } = await startBackend(() => undefined);
  server.on('upgrade', (_request, socket) =>
    socket
      .on('end', () => socket.end())
      .resume()
      .write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
  );
  const request = http.request(url, { agent: false, headers: { connection: 'Upgrade', upgrade: 'websocket' } }).end();
  const [, socket] = (await once(request, 'upgrade')) as [IncomingMessage, Socket];
  const answered = 'goodgateway_requests_total{gateway="app",outcome="answered"}';
  t.equal(valueOf(await metrics(), answered), 0);
  socket.destroy();
  const ended = await until(async () => metrics().then((now) => (valueOf(now, answered) === 1 ? now : undefined)), { timeoutMs: 15_000, what: 'its end to be counted' });
  t.equal(valueOf(ended, 'goodgateway_request_duration_seconds_count{gateway="app"}'), 0);
  t.equal(valueOf(ended, 'goodgateway_backend_responses_total{gateway="app",code_class="1xx"}'), 1);
});

t.test('what Prometheus itself says of it, where it is installed', async (t) => {
  const { ask, admin } = await observedProxy(t, { access: {}, gateway: { hold: { for: '10ms' } } });
  await ask();
  const { body } = await admin('/metrics');
  t.ok(readExposition(body).size > 20);
  if (existsSync(promtool)) t.match(await finish([promtool, 'check', 'metrics'], { input: body }), { code: 0, output: '' });
});

t.test('whatever stands in a label, the text can be read', async (t) => {
  const text = expose([
    { name: 'a', type: 'gauge', help: 'One\nline with a \\.', samples: [{ labels: { name: 'say "hi"\\\n' }, value: 1 }] },
    { name: 'b', type: 'gauge', help: 'Nothing.', samples: [] },
  ]);
  t.equal(text, '# HELP a One\\nline with a \\\\.\n# TYPE a gauge\na{name="say \\"hi\\"\\\\\\n"} 1\n');
});
