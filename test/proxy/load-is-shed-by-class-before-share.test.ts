/** The healer orders that only a share of the requests is let in: who is turned away, how, and until when. */
import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { hostSchema } from '../../src/config/host-schema.ts';
import { systemClock } from '../../src/core/time.ts';
import { FastcgiRequest } from '../../src/proxy/fastcgi-request.ts';
import { describeState } from '../../src/proxy/admin/describe-state.ts';
import type { GatewayRequest } from '../../src/proxy/gateway-request.ts';
import { createHealerLink } from '../../src/proxy/healer-link.ts';
import { admittedShare, Shedding } from '../../src/proxy/shedding.ts';
import { classOf, trafficClasses, type TrafficClass } from '../../src/proxy/traffic-class.ts';
import { encodeParams } from '../../src/upstream/fastcgi/params.ts';
import { FakeClock } from '../healer/fake-clock.ts';
import { startFastcgiGateway } from '../support/fastcgi-gateway.ts';
import { startPhpFpm } from '../support/php-fpm.ts';
import { answersHello } from '../support/php-scripts.ts';
import { missing } from '../support/skip.ts';
import { listenAsHealer } from '../support/listen-as-healer.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import { gatewayInFront, navigation } from './fallback/gateway-in-front.ts';

const incident = '01J00000000000000000ABCDEF';
const level = (keep: number, more: object = {}) => ({ incident, keep, retryAfterMs: 15_000, say: '', ...more });

const examples: readonly (readonly [TrafficClass, method: string, target: string, headers?: Readonly<Record<string, string>>])[] = [
  ['crawler', 'GET', '/shop/', { 'user-agent': 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)' }],
  ['crawler', 'GET', '/?add-to-cart=1', { 'user-agent': 'Mozilla/5.0 AppleWebKit/537.36 (compatible; GPTBot/1.2)' }],
  ['crawler', 'GET', '/', { 'user-agent': 'facebookexternalhit/1.1' }],
  ['page', 'GET', '/', { 'user-agent': 'Mozilla/5.0 (Linux; Android 12; CUBOT P50) AppleWebKit/537.36' }],
  ['xmlrpc', 'POST', '/xmlrpc.php'],
  ['xmlrpc', 'POST', '/blog/xmlrpc.php?rsd', { cookie: 'wordpress_logged_in_1=x' }],
  ['login', 'POST', '/wp-login.php'],
  ['login', 'POST', '/user/login'],
  ['page', 'GET', '/wp-login.php'],
  ['search', 'GET', '/?s=shoes'],
  ['search', 'GET', '/search/shoes'],
  ['page', 'GET', '/?colours=red&sizes=1'],
  ['page', 'GET', '/research'],
  ['feed', 'GET', '/blog/feed/'],
  ['feed', 'GET', '/rss.xml'],
  ['page', 'GET', '/feeding-the-cat'],
  ['page', 'GET', '/', { cookie: 'PHPSESSID=abc; a=wordpress_logged_in_b' }],
  ['customer', 'GET', '/', { cookie: 'a=b; wordpress_logged_in_0f=maria' }],
  ['customer', 'GET', '/?s=shoes', { cookie: 'woocommerce_items_in_cart=1' }],
  ['customer', 'POST', '/wp-login.php', { cookie: 'woocommerce_cart_hash=1' }],
  ['customer', 'GET', '/api', { authorization: 'Bearer x' }],
  ['customer', 'POST', '/checkout/'],
  ['customer', 'GET', '/de/warenkorb'],
  ['customer', 'GET', '/?wc-ajax=checkout'],
  ['page', 'GET', '*'],
];

t.test('a request belongs to a class by what it says of itself', async (t) => {
  for (const [expected, method, target, headers = {}] of examples) t.equal(classOf({ method, target, header: (name) => headers[name] }), expected, `${method} ${target} ${JSON.stringify(headers)}`);
});

const mixOf = (counts: Partial<Record<TrafficClass, number>>): Record<TrafficClass, number> => ({ crawler: 0, xmlrpc: 0, login: 0, search: 0, feed: 0, page: 0, customer: 0, ...counts });

t.test('the classes are turned away in their order, and only the last of them in part', async (t) => {
  const shares = (counts: Partial<Record<TrafficClass, number>>, keep: number) => trafficClasses.filter((kind) => counts[kind]).map((kind) => admittedShare(mixOf(counts), kind, keep * 100));
  t.same(shares({ crawler: 20, page: 80 }, 0.8).map(rounded), [0, 1]);
  t.same(shares({ crawler: 40, page: 60 }, 0.8).map(rounded), [0.5, 1], 'no more crawlers than must be');
  t.same(shares({ crawler: 5, search: 5, page: 40, customer: 50 }, 0.8).map(rounded), [0, 0, 0.75, 1]);
  t.same(shares({ page: 10, customer: 90 }, 0.8).map(rounded), [0, 0.889], 'customers only when nobody else is left');
  t.same(shares({ page: 50, customer: 50 }, 0).map(rounded), [0, 0]);
});

function rounded(share: number): number {
  return Math.round(share * 1000) / 1000;
}

interface Came {
  readonly address?: string;
  readonly target?: string;
  readonly agent?: string;
  readonly cookie?: string;
}

/** A request as nginx hands it over by FastCGI. */
function asked({ address = '192.0.2.1', target = '/', agent = 'Firefox', cookie = '' }: Came = {}): GatewayRequest {
  const params = { REQUEST_METHOD: 'GET', REQUEST_URI: target, HTTP_USER_AGENT: agent, HTTP_COOKIE: cookie, REMOTE_ADDR: address };
  const body = { length: 0, open: () => nobody() };
  return new FastcgiRequest({ params: encodeParams(Object.entries(params)), body, clientGone: new AbortController().signal, interim: {}, clientAddressHeader: undefined });
}

function nobody(): never {
  throw new Error('expected that nobody reads the body');
}

const slot = { target: { kind: 'unix', path: '/x' }, upstream: 0, answered: () => undefined, failed: () => undefined, release: () => undefined } as const;

function shedding(settings: object = {}) {
  const clock = new FakeClock();
  const warnings: string[] = [];
  const { hold } = hostSchema.parse({ version: 1, gateways: { app: { listen: 'unix:/a', protocol: 'http', upstream: 'unix:/b', service: 'app', hold: settings } } }).gateways['app']!;
  let draws = 0;
  // evenly spread, and the same in every run
  const random = (): number => (draws++ * 0.618034) % 1;
  const shed = new Shedding({ gateway: 'app', hold, clock, random, log: { warn: (_fields, message) => void warnings.push(message) } });
  /** So many seconds of traffic, 100 requests in each; how many of each kind were let in, by its name. */
  const isLetIn = async (came: Came): Promise<boolean> => (await shed.admit(asked(came), async () => ({ outcome: 'proceed', slot }))).outcome !== 'shed';
  const traffic = async (seconds: number, mix: Readonly<Record<string, { readonly of100: number; readonly came: (n: number) => Came }>>) => {
    const letIn: Record<string, number> = Object.fromEntries(Object.keys(mix).map((name) => [name, 0]));
    for (let second = 0; second < seconds; second++) {
      for (const [name, { of100, came }] of Object.entries(mix)) for (let n = 0; n < of100; n++) if (await isLetIn(came(second * 1000 + n))) letIn[name]! += 1;
      clock.pass(1000);
    }
    return letIn;
  };
  return { shed, clock, warnings, traffic, isLetIn };
}

const visitor = (n: number): Came => ({ address: `198.51.100.${n % 250}` });
const crawler = (): Came => ({ agent: 'Examplebot/1.0', address: '203.0.113.9' });
const customer = (n: number): Came => ({ ...visitor(n), cookie: 'wordpress_logged_in_1=x' });

t.test('the share is met by the mix of the last seconds, and follows it', async (t) => {
  const { shed, traffic, isLetIn } = shedding();
  t.equal(await isLetIn({}), true, 'nothing is ordered yet');
  shed.order(level(0.8));
  await traffic(5, { crawlers: { of100: 40, came: crawler }, visitors: { of100: 60, came: visitor } });
  const steady = await traffic(10, { crawlers: { of100: 40, came: crawler }, visitors: { of100: 60, came: visitor } });
  t.same(steady['visitors'], 600, 'no visitor is turned away for crawlers');
  t.ok(Math.abs((steady['crawlers'] ?? 0) - 200) <= 20, `half of the 400 crawlers were let in (${steady['crawlers']}), though all have one address`);
  await traffic(5, { visitors: { of100: 60, came: visitor }, customers: { of100: 40, came: customer } });
  const changed = await traffic(10, { visitors: { of100: 60, came: visitor }, customers: { of100: 40, came: customer } });
  t.same(changed['customers'], 400, 'five seconds after the crawlers have gone');
  t.ok(Math.abs((changed['visitors'] ?? 0) - 400) <= 60, `two of three visitors (${changed['visitors']} of 600)`);
  shed.order(level(1));
  t.same(await traffic(1, { crawlers: { of100: 100, came: crawler } }), { crawlers: 100 }, 'keep 1 ends it');
});

t.test('once fewer come than may, everybody is let in, and again fewer when more come', async (t) => {
  const { shed, traffic } = shedding();
  await traffic(5, { crawlers: { of100: 60, came: crawler }, customers: { of100: 40, came: customer } });
  shed.order(level(0.5));
  await traffic(5, { customers: { of100: 40, came: customer } });
  t.same(await traffic(5, { customers: { of100: 40, came: customer } }), { customers: 200 }, '40 of the 50 a second that are allowed');
  await traffic(5, { crawlers: { of100: 60, came: crawler }, customers: { of100: 40, came: customer } });
  const again = await traffic(5, { crawlers: { of100: 60, came: crawler }, customers: { of100: 40, came: customer } });
  t.equal(again['customers'], 200);
  t.ok(Math.abs((again['crawlers'] ?? 0) - 50) <= 15, `one of six crawlers (${again['crawlers']} of 300)`);
});

t.test('one visitor is in or out as long as the incident lasts; another incident may choose others', async (t) => {
  const { shed, traffic, isLetIn } = shedding();
  const seenIn = (): Promise<readonly boolean[]> => Promise.all(Array.from({ length: 200 }, (_, n) => isLetIn(visitor(n))));
  shed.order(level(0.5));
  await traffic(5, { visitors: { of100: 100, came: visitor } });
  const first = await seenIn();
  const inside = first.filter(Boolean).length;
  t.ok(inside > 70 && inside < 130, `${inside} of 200 visitors`);
  t.same(await seenIn(), first);
  shed.order(level(0.5, { incident: '01J00000000000000000ABCDEG' }));
  t.notSame(await seenIn(), first);
});

t.test('where all have the address of a CDN, requests are drawn one by one', async (t) => {
  const { shed, traffic } = shedding({ fairness: 'none' });
  shed.order(level(0.8));
  const { visitors = 0 } = await traffic(10, { visitors: { of100: 100, came: () => ({ address: '203.0.113.1' }) } });
  t.ok(Math.abs(visitors - 800) <= 20, `${visitors} of 1000`);
});

t.test('health checks are never turned away, and do not count', async (t) => {
  const { shed, traffic } = shedding();
  shed.order(level(0.1));
  t.same(await traffic(5, { checks: { of100: 50, came: () => ({ target: '/healthz' }) }, probes: { of100: 50, came: () => ({ agent: 'kube-probe/1.30' }) } }), { checks: 250, probes: 250 });
});

t.test('without a healer it ends after five minutes, and the log says so', async (t) => {
  const { shed, clock, warnings } = shedding();
  shed.order(level(0.1));
  shed.orphaned();
  clock.pass(200_000);
  shed.order(level(0.1));
  shed.expire();
  clock.pass(600_000);
  shed.expire();
  t.match(shed.level, { keep: 0.1 }, 'a healer that is there may shed as long as it likes');
  shed.orphaned();
  clock.pass(299_999);
  shed.orphaned();
  shed.expire();
  t.match(shed.level, { keep: 0.1 });
  clock.pass(1);
  shed.expire();
  shed.expire();
  t.equal(shed.level, undefined);
  t.match(warnings, [/has been away for 5 minutes.*everybody is let in/]);
});

t.test('over HTTP: 503 at once, when to come back, and who says so', async (t) => {
  const { gateway, ask, startBackend, url } = await gatewayInFront(t, { fallback: { status: 'exact' } });
  const reached: string[] = [];
  const backend = await startBackend((request, response) => void response.end(`well ${reached.push(request.url ?? '')}`));
  backend.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'));
  gateway.shedding.order({ ...level(0), say: 'Beim <Ausverkauf> dauert es.' });
  const page = await ask(navigation);
  t.match(page, { status: 503, headers: { 'proxy-status': 'goodgateway; error=http_request_denied; details="load shed"', 'x-goodgateway-incident': 'ABCDEF', 'cache-control': 'no-store' } });
  t.match(page.body, /Very many people are waiting at the moment\. Beim &#60;Ausverkauf&#62; dauert es\./);
  const waits = await Promise.all(Array.from({ length: 20 }, async () => Number((await ask()).headers['retry-after'])));
  t.ok(
    waits.every((seconds) => seconds >= 15 && seconds <= 19),
    waits.join(),
  );
  t.ok(new Set(waits).size > 1, 'not all in one second');
  const posted = await ask({ accept: 'application/problem+json' }, 'POST', '/checkout');
  t.match(JSON.parse(posted.body), { status: 503, error: 'http_request_denied', may_have_been_processed: false, incident: 'ABCDEF' });
  t.equal((await ask({}, 'GET', '/healthz')).status, 200);
  const socket = http.request(url, { headers: { connection: 'Upgrade', upgrade: 'websocket' }, agent: false }).end();
  const [upgraded] = (await once(socket, 'upgrade')) as [IncomingMessage];
  t.equal(upgraded.statusCode, 101, 'a WebSocket is left alone');
  upgraded.destroy();
  t.same(reached, ['/healthz'], 'nothing else reached the backend');
  t.match(gateway.health.total, { fellBack: 22, shed: 22 });
  t.match(describeState({ gateways: new Map([['app', gateway]]), healerConnected: () => true }), { gateways: { app: { shedding: { keep: 0, incident: 'ABCDEF' }, total: { shed: 22 } } } });
  gateway.shedding.order(level(1));
  t.equal((await ask()).status, 200);
});

t.test('what is in the backend when it is ordered is finished there', async (t) => {
  const { gateway, ask, startBackend } = await gatewayInFront(t);
  const waiting: http.ServerResponse[] = [];
  await startBackend((_request, response) => void waiting.push(response));
  const slow = ask();
  await until(() => waiting[0], { timeoutMs: 15_000, what: 'a request in the backend' });
  gateway.shedding.order(level(0));
  t.equal((await ask()).status, 503);
  waiting[0]?.end('late');
  t.match(await slow, { status: 200, body: 'late' });
});

t.test('who waits at the gate when it is ordered is asked when the turn comes, and gives the place back', async (t) => {
  const { gateway, ask, startBackend } = await gatewayInFront(t, { concurrency: 1, hold: { for: '10s' } });
  const inside: http.ServerResponse[] = [];
  await startBackend((_request, response) => void inside.push(response));
  const slow = ask();
  await until(() => inside.length === 1, { timeoutMs: 15_000, what: 'one in the backend' });
  const waiting = [ask(), ask({ cookie: 'wordpress_logged_in_1=x' })];
  await until(() => gateway.gate.held === 2, { timeoutMs: 15_000, what: 'two that wait' });
  gateway.shedding.order(level(0));
  inside[0]?.end('one');
  t.equal((await slow).body, 'one');
  t.same(
    (await Promise.all(waiting)).map(({ status }) => status),
    [503, 503],
  );
  gateway.shedding.order(level(1));
  const next = ask();
  await until(() => inside[1], { timeoutMs: 15_000, what: 'the next one in the backend' });
  inside[1]?.end('two');
  t.equal((await next).body, 'two');
});

t.test('over FastCGI, by the same classes', { skip: missing('nginx', 'php-fpm8.2') }, async (t) => {
  const fpm = await startPhpFpm(t, { maxChildren: 2, scripts: { 'hello.php': answersHello } });
  const { nginx, gateway, log } = await startFastcgiGateway(t, { upstream: fpm.address, docroot: fpm.docroot });
  gateway.shedding.order(level(0.6));
  const ask = async (headers: Readonly<Record<string, string>>): Promise<Response> => fetch(`${nginx.url}/hello.php`, { headers });
  const answers = { crawler: [] as Response[], customer: [] as Response[] };
  for (let n = 0; n < 100; n++) answers[n % 2 === 0 ? 'crawler' : 'customer'].push(await ask(n % 2 === 0 ? { 'user-agent': 'Examplebot/1.0' } : { cookie: 'wordpress_logged_in_1=x' }));
  t.ok(
    answers.customer.slice(5).every(({ status }) => status === 200),
    'customers go on',
  );
  const away = answers.crawler.filter(({ status }) => status === 503);
  t.ok(away.length > 25 && away.length < 50, `${away.length} of 50 crawlers were turned away`);
  t.match(away[0]?.headers.get('proxy-status'), 'goodgateway; error=http_request_denied; details="load shed"');
  t.match(away[0]?.headers.get('retry-after'), /^1[5-9]$/);
  t.match(
    log.find(({ outcome }) => outcome !== 'answered'),
    { outcome: 'shed', incident: 'ABCDEF', attempts: 0 },
  );
  for (const one of [...answers.crawler, ...answers.customer]) await one.body?.cancel();
});

/** Of the configuration that both go by. */
const sha256 = 'a'.repeat(64);

async function healerAt(t: Test, path: string) {
  let proxies = 0;
  const log = { info: () => void proxies++, warn: () => undefined };
  const link = await listenAsHealer(t, { path, inForce: { gateways: new Set(['app']), sha256 }, log });
  return { link, proxies: () => proxies };
}

t.test('a proxy that comes back is told what stands; a healer that does not shed lets everybody in', async (t) => {
  const { gateway } = await gatewayInFront(t);
  const path = join(tempFolder(t), 'healer.sock');
  const proxy = async (): Promise<() => Promise<void>> => {
    const stop = new AbortController();
    const run = createHealerLink({ path, product: '0', clock: systemClock, onRecord: () => undefined, onRestraint: () => undefined, log: { info: () => undefined, warn: () => undefined } }).run(
      { gateways: new Map([['app', gateway]]), reload: { sha256: () => sha256, prepare: async () => [], swap: () => true, abandon: async () => undefined } },
      stop.signal,
    );
    t.teardown(() => stop.abort());
    return async () => (stop.abort(), run);
  };
  const keeps = (keep: number | undefined): Promise<unknown> =>
    until(() => gateway.shedding.level?.keep === keep, { timeoutMs: 15_000, what: () => `keep ${keep}, not ${gateway.shedding.level?.keep}` });
  const first = await healerAt(t, path);
  let leave = await proxy();
  await until(() => first.proxies() === 1, { timeoutMs: 15_000, what: 'a proxy' });
  first.link.order({ type: 'shed', gateway: 'app', ...level(0.8) });
  await keeps(0.8);
  await leave();
  gateway.shedding.end();
  leave = await proxy();
  await keeps(0.8);
  first.link.order({ type: 'shed', gateway: 'app', ...level(1) });
  await keeps(undefined);
  await leave();
  gateway.shedding.order(level(0.5));
  leave = await proxy();
  await keeps(undefined);
  gateway.shedding.order(level(0.5));
  await first.link.close();
  t.match(gateway.shedding.level, { keep: 0.5 }, 'it stands while the healer is away');
  await healerAt(t, path);
  await keeps(undefined);
  await leave();
});
