import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import t, { type Test } from 'tap';
import type { Fact } from '../../src/channel/messages.ts';
import { factSchema } from '../../src/channel/messages.ts';
import { hostSchema } from '../../src/config/host-schema.ts';
import type { UpstreamFailure } from '../../src/core/failure.ts';
import { FastcgiRequest } from '../../src/proxy/fastcgi-request.ts';
import { fingerprintOf, nameOf } from '../../src/proxy/fingerprint.ts';
import type { GatewayRequest } from '../../src/proxy/gateway-request.ts';
import type { Admission } from '../../src/proxy/gate-state.ts';
import { Quarantine } from '../../src/proxy/quarantine.ts';
import { runProxy } from '../../src/proxy/run-proxy.ts';
import { encodeParams } from '../../src/upstream/fastcgi/params.ts';
import { FakeClock } from '../healer/fake-clock.ts';
import { freePort } from '../support/ports.ts';
import { tempFolder } from '../support/temp-folder.ts';

const incident = '01J00000000000000000ABCDEF';

/** A request as nginx hands it over by FastCGI. */
function asked(params: Readonly<Record<string, string>> = {}): GatewayRequest {
  const all = { REQUEST_METHOD: 'GET', REQUEST_URI: '/a?x=1', SCRIPT_FILENAME: '/srv/index.php', HTTP_HOST: 'shop.example', ...params };
  return new FastcgiRequest({
    params: encodeParams(Object.entries(all)),
    body: { length: 0, open: () => expectNoBody() },
    clientGone: new AbortController().signal,
    interim: {},
    clientAddressHeader: undefined,
  });
}

function expectNoBody(): never {
  throw new Error('expected that nobody reads the body');
}

function quarantine() {
  const clock = new FakeClock();
  const facts: Fact[] = [];
  return { clock, facts, quarantine: new Quarantine('shop', clock, (fact) => void facts.push(fact)) };
}

const order = (request: GatewayRequest, forMs: number) => ({ type: 'quarantine', gateway: 'shop', incident, fingerprint: fingerprintOf(request), forMs }) as const;
const broken: UpstreamFailure = { kind: 'connection_terminated', source: 'upstream', phase: 'await_head', bytesWritten: 10, bytesRead: 0, resend: 'if_idempotent', detail: '' };

/** What a gate would say, and whether its slot was given back. */
function gate() {
  const slot = { target: { kind: 'unix', path: '/x' }, upstream: 0, answered: () => undefined, failed: () => undefined, release: () => void (given.back = true) } as const;
  const given = { back: false, asked: 0 };
  return { given, open: async (): Promise<Admission> => ((given.asked += 1), { outcome: 'proceed', slot }) };
}

t.test('method, host, script and the whole target make a fingerprint; nothing else does', async (t) => {
  const same = fingerprintOf(asked());
  t.match(same, /^[0-9a-f]{32}$/);
  t.equal(fingerprintOf(asked({ HTTP_COOKIE: 'a=1', REMOTE_ADDR: '192.0.2.1', HTTP_HOST: 'SHOP.example' })), same);
  const others = [{ REQUEST_METHOD: 'POST' }, { REQUEST_URI: '/a?x=2' }, { REQUEST_URI: '/a' }, { SCRIPT_FILENAME: '/srv/other.php' }, { HTTP_HOST: 'blog.example' }].map((one) =>
    fingerprintOf(asked(one)),
  );
  t.equal(new Set([same, ...others]).size, 6);
});

t.test('a request is named without its query, and with nothing that could end a line', async (t) => {
  const name = (target: string, method = 'GET'): string => nameOf({ method, target });
  t.equal(name('/a/b?token=s3cret'), 'GET /a/b');
  t.equal(name('http://user:s3cret@shop.example/a?b'), 'GET /a');
  t.equal(name('*', 'OPTIONS'), 'OPTIONS *');
  t.equal(name('/a\r\n\u001b[2J\u00e9'), String.raw`GET /a\x0d\x0a\x1b[2J\xe9`);
  t.equal(name(`/${'x'.repeat(10_000)}`).length, 200);
  t.equal(name('?a=1'), 'GET /');
});

t.test('it is refused before the gate and after it, and let through when its time is over', async (t) => {
  const { clock, quarantine: closed } = quarantine();
  const { given, open } = gate();
  closed.add(order(asked(), 60_000));
  t.equal(closed.size, 1);
  t.same(await closed.admit(asked(), open), { outcome: 'quarantined', incident, forMs: 60_000 });
  t.equal(given.asked, 0, 'it does not even wait');
  t.match(await closed.admit(asked({ REQUEST_URI: '/a?x=2' }), open), { outcome: 'proceed' });
  clock.pass(59_999);
  t.match(await closed.admit(asked(), open), { outcome: 'quarantined', forMs: 1 });
  clock.setWall(-86_400_000);
  clock.pass(1);
  t.match(await closed.admit(asked(), open), { outcome: 'proceed' });
  t.equal(closed.size, 0);
});

t.test('who waited while it was ordered gives the place back', async (t) => {
  const { quarantine: closed } = quarantine();
  const { given, open } = gate();
  const waited = closed.admit(asked(), async () => {
    closed.add(order(asked(), 60_000));
    return open();
  });
  t.match(await waited, { outcome: 'quarantined', incident });
  t.ok(given.back);
  t.same(await closed.admit(asked({ REQUEST_URI: '/b' }), async () => ({ outcome: 'queue_full' })), { outcome: 'queue_full' });
});

t.test('that the same was answered whole is told once, and only of what was told as dead', async (t) => {
  const { facts, clock, quarantine: closed } = quarantine();
  const died: UpstreamFailure = { kind: 'connection_terminated', source: 'upstream', phase: 'await_head', bytesWritten: 10, bytesRead: 0, resend: 'if_idempotent', detail: '' };
  const survivals = (): number => facts.filter(({ type }) => type === 'request_survived').length;
  closed.answered(asked());
  t.equal(survivals(), 0);
  closed.attemptFailed(asked(), died, 0);
  closed.answered(asked({ REQUEST_URI: '/another' }));
  t.equal(survivals(), 0);
  closed.answered(asked());
  closed.answered(asked());
  t.equal(survivals(), 1);
  closed.attemptFailed(asked(), died, 0);
  clock.pass(600_001);
  closed.answered(asked({ REQUEST_URI: '/another' }));
  closed.answered(asked());
  t.equal(survivals(), 1, 'after ten minutes nobody asks');
});

t.test('only a request that was sent, and broken off by the backend, is told', async (t) => {
  const { facts, quarantine: closed } = quarantine();
  const failures: readonly Partial<UpstreamFailure>[] = [
    { bytesWritten: 0 },
    { source: 'downstream' },
    { kind: 'http_response_timeout' },
    { kind: 'http_protocol_error' },
    { kind: 'connection_refused' },
  ];
  for (const failure of failures) closed.attemptFailed(asked(), { ...broken, ...failure }, 0);
  t.same(facts, []);
  closed.attemptFailed(asked(), broken, 1);
  closed.attemptFailed(asked(), { ...broken, kind: 'http_response_incomplete', phase: 'read_body', resend: 'never' }, 0);
  t.match(facts, [{ type: 'request_died', gateway: 'shop', upstream: 1, fingerprint: fingerprintOf(asked()), name: 'GET /a', untold: false }, { upstream: 0 }]);
  for (const fact of facts) t.ok(factSchema.safeParse(fact).success);
});

t.test('a flood is told in part, and says so; what is ordered is bounded', async (t) => {
  const { clock, facts, quarantine: closed } = quarantine();
  for (let i = 0; i < 5000; i++) closed.attemptFailed(asked({ REQUEST_URI: `/${i}` }), broken, 0);
  t.equal(facts.length, 100);
  t.match(facts.at(-1), { untold: true });
  t.equal(facts.filter((fact) => fact.type === 'request_died' && fact.untold).length, 1);
  clock.pass(1000);
  closed.attemptFailed(asked(), broken, 0);
  t.match(facts.at(-1), { name: 'GET /a', untold: false });
  for (let i = 0; i < 5000; i++) closed.add({ ...order(asked(), 60_000), fingerprint: i.toString(16).padStart(32, '0') });
  t.equal(closed.size, 1000);
});

/** A gateway in front of a backend that ends every connection once it has read a request. */
async function deadlyBackend(t: Test, { onRequest = () => undefined }: { readonly onRequest?: () => void } = {}) {
  const [folder, listen] = [tempFolder(t), await freePort()];
  const requests: string[] = [];
  const backend = createServer((socket) => socket.on('error', () => undefined).once('data', (bytes) => (requests.push(bytes.toString('latin1').split('\r\n')[0]!), onRequest(), socket.destroy())));
  await once(backend.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => backend.close());
  const address = backend.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const log: Readonly<Record<string, unknown>>[] = [];
  const gateways = { app: { listen: `127.0.0.1:${listen}`, protocol: 'http', upstream: `127.0.0.1:${port}`, service: 'app', fallback: { status: 'exact' } } };
  const host = hostSchema.parse({ version: 1, gateways, runtime: folder, state: folder, audit: { folder } });
  const proxy = await runProxy(host, 'test', { info: (fields, message) => message === 'request' && log.push({ ...fields }), warn: () => undefined });
  t.teardown(() => proxy.close(AbortSignal.abort()));
  const ask = async (options: http.RequestOptions): Promise<IncomingMessage> => {
    const request = http.request({ host: '127.0.0.1', port: listen, agent: false, ...options }).end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return response.resume();
  };
  const app = proxy.gateways.get('app')!;
  const close = (method: string, target: string): void => {
    const wire = { protocol: 'http', rawHeaders: [], upgrade: false } as const;
    const request = { ...asked(), id: '', method, target, wire, header: (name: string) => (name === 'host' ? `127.0.0.1:${listen}` : undefined) };
    app.quarantine.add({ ...order(request, 60_000), gateway: 'app' });
  };
  return { ask, close, requests, log, app };
}

t.test('over HTTP: 503 with the incident, also for an upgrade, and the record says why', async (t) => {
  const { ask, close, requests, log } = await deadlyBackend(t);
  close('GET', '/boom');
  for (const headers of [{}, { connection: 'Upgrade', upgrade: 'websocket' }]) {
    const { statusCode, headers: said } = await ask({ path: '/boom', headers });
    t.equal(statusCode, 503, 'also where the exact status is asked for');
    t.match(said, { 'x-goodgateway-incident': 'ABCDEF', 'proxy-status': 'goodgateway; error=http_request_denied', 'retry-after': /^(?:60|5\d)$/ });
  }
  t.same(requests, []);
  t.match(log, [
    { outcome: 'quarantined', incident: 'ABCDEF', attempts: 0 },
    { outcome: 'quarantined', incident: 'ABCDEF', attempts: 0 },
  ]);
});

t.test('a replay is not sent when the first attempt has put the request in quarantine', async (t) => {
  // ordered before the connection ends: the replay comes a tenth of a second after that
  const { ask, close, requests, log } = await deadlyBackend(t, { onRequest: () => close('GET', '/boom') });
  t.match(await ask({ path: '/boom' }), { statusCode: 503, headers: { 'x-goodgateway-incident': 'ABCDEF' } });
  t.equal(requests.length, 1);
  t.match(log, [{ outcome: 'quarantined', incident: 'ABCDEF', attempts: 1, failure: 'connection_terminated' }]);
});
