import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import t from 'tap';
import { complaints, startBrowser } from '../support/browser.ts';
import { accepts, freePort } from '../support/ports.ts';
import { signal } from '../support/processes.ts';
import { startShop, type Shop } from '../support/shop.ts';
import { missing } from '../support/skip.ts';
import type { TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

/** What a gateway shows to the page, and no more: it waits while nobody listens, or answers 503 when told to. */
async function startStandIn(t: TestScope, adminPort: number) {
  const gateway = { target: 0, fallBack: false, recovery: undefined as object | undefined, laterSay: undefined as string | undefined, port: 0 };
  const pass = async (incoming: IncomingMessage, answer: ServerResponse): Promise<void> => {
    if (gateway.fallBack) {
      answer.writeHead(503, { 'Content-Type': 'application/problem+json', 'Proxy-Status': 'goodgateway; error=connection_refused' });
      return void answer.end(JSON.stringify({ detail: 'The shop does not run.', retry_after: 1 }));
    }
    await until(() => accepts({ host: '127.0.0.1', port: gateway.target }), { timeoutMs: 20_000, what: 'the shop' });
    const outgoing = request({ host: '127.0.0.1', port: gateway.target, method: incoming.method, path: incoming.url, headers: incoming.headers, agent: false }, (response) => {
      answer.writeHead(response.statusCode ?? 0, response.headers);
      response.pipe(answer);
    });
    outgoing.once('error', () => void pass(incoming, answer));
    incoming.pipe(outgoing);
  };
  const front = createServer((incoming, answer) => void pass(incoming, answer)).listen(0, '127.0.0.1');
  const admin = createServer((_request, answer) => {
    answer.end(JSON.stringify({ gateways: { shop: { incident: null, last_recovery: gateway.recovery } } }));
    // asked once, the healer has found its words
    if (gateway.laterSay !== undefined) gateway.recovery = { ...gateway.recovery, say: gateway.laterSay };
  }).listen(adminPort, '127.0.0.1');
  t.teardown(() => [front, admin].forEach((server) => server.close().closeAllConnections()));
  await until(() => front.listening && admin.listening, { timeoutMs: 15_000, what: 'the stand-in to listen' });
  const address = front.address();
  gateway.port = typeof address === 'object' && address !== null ? address.port : 0;
  return gateway;
}

/** The shop behind the stand-in, and its page in a browser. */
async function openShop(t: TestScope) {
  const adminPort = await freePort();
  const gateway = await startStandIn(t, adminPort);
  const shop = await startShop(t, { admin: `http://127.0.0.1:${adminPort}` });
  gateway.target = shop.port;
  const page = await (await startBrowser(t)).newPage({ viewport: { width: 360, height: 740 } });
  const errors = complaints(page);
  await page.goto(`http://127.0.0.1:${gateway.port}/`);
  await page.getByText('parcels left today').waitFor();
  const status = (): Promise<string> => page.locator('#status').innerText();
  const press = (label: string): Promise<void> => page.getByRole('button', { name: label }).click();
  return { gateway, shop, page, errors, status, press };
}

t.test('the page tells what happened, truthfully, through all five faults', { skip: missing('chromium') }, async (t) => {
  const { gateway, shop, page, errors, status, press } = await openShop(t);
  const says = (what: RegExp): Promise<boolean> => until(async () => what.test(await status()), { timeoutMs: 30_000, what: () => `the page to say ${what}` });
  const heal = async (say: string, repair: (shop: Shop) => Promise<void>): Promise<void> => {
    await repair(shop);
    gateway.recovery = { say, at: new Date().toISOString() };
  };
  const stories = (): Promise<readonly string[]> => page.locator('#story li').allInnerTexts();
  t.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), 'nothing sticks out on a telephone');

  await press('Crash');
  await shop.running().ended;
  await heal('The shop was not running and was started again.', (it) => it.restart());
  await says(/^You crashed the shop at \d\d:\d\d:\d\d\. Your next request waited \d+\.\d s and was answered\. goodgateway says: The shop was not running and was started again\.$/);
  t.match(await stories(), [/^You crashed the shop .* started again\.$/]);

  await press('Freeze');
  await until(() => shop.info()?.state === 'T', { timeoutMs: 15_000, what: 'the shop to be frozen' });
  await heal('The shop was frozen and was restarted.', (it) => it.restart());
  await says(/^You froze the shop .* was answered\. goodgateway says: The shop was frozen and was restarted\.$/);

  gateway.recovery = undefined;
  await press('Fill all workers');
  await says(
    /^You filled all workers of the shop at [\d:]+\. All workers were busy\. Your next request waited [1-9]\d*\.\d s for a free one and was answered; nothing was restarted \(it still is process \d+\), because busy is not broken\.$/,
  );

  await press('Start on another port');
  await until(() => accepts({ host: '127.0.0.1', port: shop.otherPort }), { timeoutMs: 15_000, what: 'the move' });
  await heal('The shop answers on another port now.', async () => void (gateway.target = shop.otherPort));
  await says(/^You moved the shop to another port at .* goodgateway says: The shop answers on another port now\.$/);

  gateway.fallBack = true;
  await press('Crash');
  await says(/^The shop did not get your press of "Crash" at [\d:]+\. After \d+\.\d s goodgateway answered for the shop \(503\): The shop does not run\./);
  gateway.fallBack = false;
  await press('Answer junk');
  await says(/^You made the shop answer junk/);
  gateway.fallBack = true;
  await says(/goodgateway answered for the shop \(503\): The shop does not run\. Asking again …$/);
  gateway.target = shop.port;
  await shop.restart();
  gateway.fallBack = false;
  await says(/^You made the shop answer junk at .* The shop itself answered again after \d+\.\d s; (one request was|\d+ requests were) not answered by it before\./);

  t.same(
    errors.filter((text) => !text.includes('503')),
    [],
    'no error of a script, of the policy, of a connection',
  );
});

t.test("the healer's word is waited for, is a sentence, and comes with its incident; the gate's own word only when nothing better comes", { skip: missing('chromium') }, async (t) => {
  const { gateway, page, press, status, shop } = await openShop(t);
  const crashed = async (recovery: object, laterSay?: string): Promise<string> => {
    const before = await status();
    await press('Crash');
    await shop.running().ended;
    gateway.laterSay = laterSay;
    gateway.recovery = { ...recovery, at: new Date().toISOString() };
    await shop.restart();
    await until(async () => (await status()) !== before && (await status()).includes('goodgateway says'), { timeoutMs: 30_000, what: 'the quotation' });
    return status();
  };
  t.match(
    await crashed({ say: 'it accepts connections again', incident: 'ABC123' }, 'shop does not run. Started it'),
    /goodgateway says: Shop does not run\. Started it\. The whole story: goodgateway why ABC123$/,
  );
  t.match(await crashed({ say: 'it accepts connections again', incident: null }), /goodgateway says: It accepts connections again\.$/);
  t.equal(await page.locator('#story li').count(), 2);
});

t.test('a press that waits says why, and one that is overtaken is told to its end', { skip: missing('chromium') }, async (t) => {
  const { page, press, status, gateway, shop } = await openShop(t);
  await press('Fill all workers');
  await until(async () => (await status()).endsWith('Asking the shop …'), { timeoutMs: 15_000, what: 'the full house' });
  await press('Start on another port');
  await until(async () => (await status()).startsWith('All workers of the shop are busy, so your press of "Start on another port" waits for a free one'), {
    timeoutMs: 15_000,
    what: 'a word about the wait',
  });
  await until(() => accepts({ host: '127.0.0.1', port: shop.otherPort }), { timeoutMs: 15_000, what: 'the move' });
  gateway.target = shop.otherPort;
  const [second, first] = [page.locator('#story li').first(), page.locator('#story li').last()];
  await until(async () => /^You moved the shop .* was answered/.test(await second.innerText()), { timeoutMs: 15_000, what: 'the second story' });
  await until(async () => /^You filled all workers .* waited [1-9]\d*\.\d s for a free one/.test(await first.innerText()), { timeoutMs: 15_000, what: 'the first story' });
  await until(async () => (await status()) === (await second.innerText()), { timeoutMs: 15_000, what: 'the newest to speak' });

  gateway.fallBack = true;
  await press('Crash');
  await until(async () => /^The shop did not get your press of "Crash" at [\d:]+\. After .* \(503\)/.test(await page.locator('#story li').first().innerText()), {
    timeoutMs: 15_000,
    what: 'the story of a press that failed',
  });
  t.equal(await page.locator('#story li').count(), 3);
});

t.test('an order is sent again with the same number until the shop has taken it, once', { skip: missing('chromium') }, async (t) => {
  const gateway = await startStandIn(t, await freePort());
  const shop = await startShop(t);
  gateway.target = shop.port;
  const page = await (await startBrowser(t)).newPage();
  await page.goto(`http://127.0.0.1:${gateway.port}/`);
  await page.getByRole('button', { name: 'Put Honey into the basket' }).click();
  signal(shop.running().pid, 'SIGKILL');
  gateway.fallBack = true;
  await page.getByRole('button', { name: 'Order', exact: true }).click();
  await page.getByText('Sending the same order again').waitFor();
  await shop.restart();
  gateway.fallBack = false;
  await page.getByText(/was taken, once, after .* it was sent \d+ times/).waitFor();
  t.match(await (await fetch(`${shop.url}/api/stock`)).json(), { orders: 1 });
});
