/** The admin listener of a running goodgateway, asked as a browser asks: real processes, a real crash. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import t, { type Test } from 'tap';
import { startGoodgateway, type Goodgateway } from '../../support/goodgateway.ts';
import { freePort } from '../../support/ports.ts';
import { signal } from '../../support/processes.ts';
import { startShop } from '../../support/shop.ts';
import { tempFolder, type TestScope } from '../../support/temp-folder.ts';
import { until } from '../../support/until.ts';

const token = 'correct-horse-battery-staple';

t.test('without a token', async (t) => {
  const place = await healedShop(t);
  await t.test('what happens is shown as it happens, and what has happened is found again', (t) => showsWhatHappens(t, place));
  await t.test('only this host may read: not a page of another site in its browser', (t) => answersToThisHost(t, place));
  await t.test('a strange question is refused in words, and nothing can be changed', (t) => refusesInWords(t, place));
});

async function showsWhatHappens(t: Test, { goodgateway, crash }: Place): Promise<void> {
  const get = async (path: string): Promise<unknown> => (await fetch(`${goodgateway.adminUrl}${path}`)).json();
  t.match(await get('/api/state'), { product: /^goodgateway \d/, host: String, healer: 'connected', gateways: { shop: { gate: 'open', held: 0 } } });
  // the healer is connected a moment before it can say what it looks after
  await until(async () => 'services' in ((await get('/api/services')) as object), { timeoutMs: 15_000, what: 'the healer to be there' });
  t.match(await get('/api/services'), { healing: 'on', services: [{ name: 'shop', mode: 'act' }] });
  t.match(await get('/api/policies'), {
    policies: [{ service: 'shop', mode: 'act', sentences: ['It acts by itself.', /^Crashed, so start it: when the cause is service.crashed, at least likely, start, up to 3 times\.$/] }],
  });
  t.match(await get('/api/doctor'), { checked_at: null, findings: [] });
  t.match(await get('/api/incidents'), { incidents: [], more: false });

  const live = await listenTo(t, `${goodgateway.adminUrl}/api/events`);
  await crash();
  await until(() => live.events().includes('incident.recovered'), { timeoutMs: 30_000, what: () => `the end of the incident in ${live.events().join(' ')}` });
  // a record is shown a moment after it was written
  const written = (): readonly string[] => goodgateway.audit().map(({ event }) => event);
  const shownAsWritten = (shown = live.events()): boolean => isDeepStrictEqual(shown, written().slice(-shown.length));
  await until(() => shownAsWritten(), { timeoutMs: 15_000, what: () => `each record that was written since to be shown, in its order: ${live.events().join(' ')}, not ${written().join(' ')}` });
  t.ok(live.states() > 0, 'beside the records, the state');

  const { incidents } = (await get('/api/incidents')) as { incidents: readonly { readonly id: string; readonly code: string }[] };
  t.match(incidents, [{ service: 'shop', cause: 'service.crashed', outcome: 'recovered' }]);
  const [incident] = incidents;
  t.match(await get(`/api/incidents/${incident?.code}`), { id: incident?.id, records: [{ event: 'incident.opened' }] });
  t.match(await get(`/api/incidents?before=${incident?.id}`), { incidents: [], more: false });
  const audit = await until(() => get('/api/audit').then((found) => ((found as { state: string }).state === 'whole' ? found : undefined)), { timeoutMs: 15_000, what: 'the log to be found whole' });
  t.match(audit, { state: 'whole', records: Number, last: { hash: /^[0-9a-f]{64}$/ } });
}

async function refusesInWords(t: Test, { goodgateway }: Place): Promise<void> {
  const ask = async (path: string, init?: RequestInit): Promise<readonly [number, string]> => {
    const response = await fetch(`${goodgateway.adminUrl}${path}`, init);
    return [response.status, await response.text()];
  };
  t.match(await ask('/api/incidents/AAAAAA'), [404, /no incident AAAAAA is on record/]);
  t.match(await ask('/api/incidents/..%2f..%2fetc'), [400, /expected the code of an incident/]);
  t.match(await ask('/api/incidents?before=x'), [400, /expected the id of an incident/]);
  t.match(await ask('/api/incidents?before=x&before=y'), [400, /expected the id of an incident/]);
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH'])
    for (const path of ['/state', '/api/state', '/api/services', '/api/incidents/AAAAAA']) t.match(await ask(path, { method }), [404, String], `${method} ${path}`);
  t.match(await ask('/api/events', { method: 'HEAD', signal: AbortSignal.timeout(10_000) }), [404, '']);
  const { headers } = await fetch(`${goodgateway.adminUrl}/api/state`);
  t.match(headers.get('content-security-policy'), /^default-src 'none'/);
  t.equal(headers.get('cache-control'), 'no-store');

  await goodgateway.kill('healer', 'SIGSTOP');
  const answer = ask('/api/services');
  // what was asked behind it is answered: the proxy has got it
  t.match(await ask('/livez'), [200, 'ok\n']);
  await goodgateway.kill('healer');
  t.match(await answer, [503, /the healer (went away|is away)/], 'a healer that dies leaves nobody waiting');
}

async function answersToThisHost(t: Test, { goodgateway }: Place): Promise<void> {
  const { status, body } = await rawGet(goodgateway.adminUrl, 'Host: evil.example:9180');
  t.equal(status, 403);
  t.match(body, /no other site can read it through your browser/);
  t.equal((await rawGet(goodgateway.adminUrl, 'Host: localhost:9180')).status, 200);
  t.equal((await rawGet(goodgateway.adminUrl, 'Host: [::1]:9180')).status, 200);
}

t.test('with a token nothing is shown without it, but whether the process lives', async (t) => {
  const file = join(tempFolder(t), 'token');
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  const listen = `127.0.0.1:${await freePort()}`;
  const { goodgateway } = await healedShop(t, { admin: { listen, token_file: file } }, { authorization: `Bearer ${token}` }, `http://${listen}`);
  const url = `http://${listen}`;
  const status = async (path: string, init?: RequestInit): Promise<number> => (await fetch(`${url}${path}`, { redirect: 'manual', ...init })).status;
  for (const path of ['/state', '/api/state', '/api/events', '/api/incidents', '/api/services', '/api/audit']) t.equal(await status(path), 401, path);
  t.equal(await status('/livez'), 200);
  t.equal(await status('/api/state', { headers: { authorization: 'Bearer correct-horse-battery-stapler' } }), 401);
  t.equal(await status('/api/state', { headers: { authorization: `Bearer ${token}` } }), 200);

  const login = (shown: string): Promise<Response> => fetch(`${url}/login`, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ token: shown }) });
  t.equal((await login('wrong')).status, 401);
  const welcome = await login(token);
  t.equal(welcome.status, 303);
  const cookie = welcome.headers.get('set-cookie') ?? '';
  t.match(cookie, /HttpOnly; SameSite=Strict/);
  t.notMatch(cookie, new RegExp(token), 'the token itself is not left in the browser');
  t.equal(await status('/api/state', { headers: { cookie: cookie.split(';')[0] ?? '' } }), 200);
  t.equal(await status('/api/state', { headers: { cookie: 'goodgateway=0' } }), 401);

  const guesses = await Promise.all(Array.from({ length: 40 }, (_, i) => login(`guess ${i}`)));
  t.ok(
    guesses.some((one) => one.status === 429),
    'who guesses has to wait',
  );
  t.equal(await status('/api/state', { headers: { cookie: cookie.split(';')[0] ?? '' } }), 200, 'who is in stays in');
  t.notMatch(goodgateway.log(), new RegExp(token), 'the token is in no log');
});

t.test('a token that everybody may read keeps the admin listener shut; the traffic flows', async (t) => {
  const file = join(tempFolder(t), 'token');
  writeFileSync(file, token);
  chmodSync(file, 0o644);
  const listen = `127.0.0.1:${await freePort()}`;
  const shop = await startShop(t);
  const port = await freePort();
  const goodgateway = await startGoodgateway(t, { ...optionsFor(shop, port), host: { admin: { listen, token_file: file } }, readyWithoutAdmin: true });
  t.equal((await fetch(`http://127.0.0.1:${port}/api/stock`)).status, 200);
  const refusal = /the admin listener is not started: .*every user of this host may read it; chmod o=/;
  await until(() => refusal.test(goodgateway.log()), { timeoutMs: 15_000, what: () => `${refusal} in ${goodgateway.log()}` });
  await t.rejects(fetch(`http://${listen}/livez`));
});

interface Place {
  readonly goodgateway: Goodgateway;
  /** Resolves when the first visitor after it was answered. */
  crash(): Promise<void>;
}

interface Sse {
  /** Names of the audit events that were shown. */
  events(): readonly string[];
  states(): number;
}

/** Reads server-sent events until the test is over; resolves with the first state. */
async function listenTo(t: TestScope, url: string): Promise<Sse> {
  const stop = new AbortController();
  const response = await fetch(url, { signal: stop.signal });
  let text = '';
  const reading = (async () => {
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString();
  })().catch(() => undefined);
  t.teardown(async () => {
    stop.abort();
    await reading;
  });
  await until(() => text.includes('event: state'), { timeoutMs: 15_000, what: 'the first state' });
  return {
    events: () => [...text.matchAll(/event: record\ndata: (.+)\n\n/g)].map(([, data = '{}']) => (JSON.parse(data) as { event: string }).event),
    states: () => [...text.matchAll(/event: state\n/g)].length,
  };
}

async function rawGet(url: string, host: string): Promise<{ readonly status: number; readonly body: string }> {
  const { connect } = await import('node:net');
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.end(`GET /api/state HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]), body: text };
}

function optionsFor(shop: Awaited<ReturnType<typeof startShop>>, port: number) {
  return {
    gateways: () => ({ shop: { listen: `127.0.0.1:${port}`, protocol: 'http', upstream: `127.0.0.1:${shop.port}`, service: 'shop' } }),
    policies: [
      {
        version: 1,
        name: 'shop',
        mode: 'act',
        service: { type: 'process', start: shop.argv },
        rules: [{ name: 'Crashed, so start it', when: { cause: 'service.crashed' }, try: [{ do: 'start', attempts: 3 }] }],
        verify: { within: '10s', stable_for: '200ms', checks: [{ connect: 'ok' }] },
      },
    ],
  };
}

async function healedShop(t: TestScope, host: Readonly<Record<string, unknown>> = {}, adminHeaders: Readonly<Record<string, string>> = {}, adminUrl?: string): Promise<Place> {
  const shop = await startShop(t);
  const port = await freePort();
  const goodgateway = await startGoodgateway(t, { ...optionsFor(shop, port), host, adminHeaders, ...(adminUrl === undefined ? {} : { adminUrl }) });
  return {
    goodgateway,
    crash: async () => {
      signal(shop.running().pid, 'SIGKILL');
      await fetch(`http://127.0.0.1:${port}/api/stock`);
    },
  };
}
