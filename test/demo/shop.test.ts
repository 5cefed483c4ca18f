import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { accepts } from '../support/ports.ts';
import { processInfo, signal } from '../support/processes.ts';
import { start } from '../support/program.ts';
import { startShop } from '../support/shop.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

/** A connection of its own for every request: a kept one dies with the shop, and who finds it dead fails. */
const get = (url: string, options: RequestInit = {}): Promise<Response> => fetch(url, { headers: { connection: 'close' }, ...options });
const post = (url: string, body?: string): Promise<Response> => get(url, { method: 'POST', ...(body !== undefined && { body }) });

/** The raw bytes that come back for one GET. */
function rawAnswer(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.end('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    socket.setEncoding('latin1').on('data', (chunk) => (text += String(chunk)));
    socket.once('end', () => resolve(text)).once('error', reject);
  });
}

t.test('the shop sells: page, script and style under a strict policy, stock, orders executed once even over a crash', async (t) => {
  const orders = join(tempFolder(t), 'orders');
  const shop = await startShop(t, { orders });
  const page = await get(`${shop.url}/`);
  t.equal(page.status, 200);
  t.match(page.headers.get('content-security-policy'), /default-src 'none'; script-src 'self'/);
  t.equal(page.headers.get('cache-control'), 'no-store');
  const html = await page.text();
  t.notMatch(html, /<style|<script(?! src)|\son[a-z]+=|\sstyle=/, 'nothing inline');
  t.equal((await get(`${shop.url}/shop.js`)).headers.get('content-type'), 'text/javascript; charset=utf-8');
  t.equal((await get(`${shop.url}/shop.css`)).status, 200);
  t.equal((await get(`${shop.url}/none`)).status, 404);
  t.equal((await get(`${shop.url}/`, { method: 'HEAD' })).status, 200);

  const first = await post(`${shop.url}/api/order`, '{"id":"a-1"}');
  t.equal(first.status, 201);
  t.match(await first.json(), { id: 'a-1', result: 'executed', stock: 119 });
  t.match(await (await post(`${shop.url}/api/order`, '{"id":"a-1"}')).json(), { result: 'known_already', stock: 119 });
  t.equal((await post(`${shop.url}/api/order`, '{"id":"no spaces"}')).status, 400);
  t.equal((await post(`${shop.url}/api/order`, 'x'.repeat(5000))).status, 413);

  signal(shop.running().pid, 'SIGKILL');
  await shop.restart();
  t.match(await (await get(`${shop.url}/api/stock`)).json(), { stock: 119, orders: 1, workers_busy: 1 });
  t.match(await (await post(`${shop.url}/api/order`, '{"id":"a-1"}')).json(), { result: 'known_already' });
  t.equal(readFileSync(orders, 'utf8'), 'a-1\n');
  await shop.stop();
  t.equal((await shop.running().ended).code, 0, 'a polite stop is one');
});

t.test('crash: the 202 arrives whole, then the process is gone by SIGKILL', async (t) => {
  const shop = await startShop(t);
  const answer = await post(`${shop.url}/fault/crash`);
  t.equal(answer.status, 202);
  t.match(await answer.json(), { fault: 'crash', at: Number });
  t.equal((await shop.running().ended).signal, 'SIGKILL');
  t.notOk(await accepts({ host: '127.0.0.1', port: shop.port }));
});

t.test('freeze: the 202 arrives whole, then the process is stopped, and the kernel still accepts for it', async (t) => {
  const shop = await startShop(t);
  t.match(await (await post(`${shop.url}/fault/freeze`)).json(), { fault: 'freeze' });
  await until(() => processInfo(shop.running().pid)?.state === 'T', { timeoutMs: 15_000, what: 'state T' });
  t.ok(await accepts({ host: '127.0.0.1', port: shop.port }));
  await shop.restart();
  t.equal((await get(`${shop.url}/api/stock`)).status, 200);
});

t.test('fill: every worker is busy, requests wait inside the shop, who leaves meanwhile takes no worker with him', async (t) => {
  const shop = await startShop(t, { workers: 2 });
  t.equal((await post(`${shop.url}/fault/fill`)).status, 202);
  const left = new AbortController();
  const waiting = Promise.all([1, 2, 3, 4, 5].map(() => get(`${shop.url}/api/stock`, { signal: left.signal }).catch(() => 'left')));
  const patient = get(`${shop.url}/api/stock`);
  t.equal(await Promise.race([patient.then(() => 'answered'), until(() => false, { timeoutMs: 300, what: 'nothing' }).catch(() => 'waits')]), 'waits');
  left.abort();
  t.same(await waiting, ['left', 'left', 'left', 'left', 'left']);
  t.equal((await patient).status, 200, 'served when a worker came free');
  const busy = async (): Promise<unknown> => (await get(`${shop.url}/api/stock`)).json();
  await until(async () => JSON.stringify(await busy()).includes('"workers_busy":1'), { timeoutMs: 15_000, what: 'every worker but the one that answers to be free' });
  t.pass('no worker was lost');
});

t.test('junk: from now on every answer is no HTTP, until the shop is started again', async (t) => {
  const shop = await startShop(t);
  t.equal((await post(`${shop.url}/fault/junk`)).status, 202);
  for (let i = 0; i < 2; i++) t.match(await rawAnswer(shop.port), /^%%%/);
  await t.rejects(get(`${shop.url}/`));
  await shop.restart();
  t.equal((await get(`${shop.url}/`)).status, 200);
});

t.test('move: the port is closed and the other one answers; and back again', async (t) => {
  const shop = await startShop(t);
  const [here, there] = [
    { host: '127.0.0.1', port: shop.port },
    { host: '127.0.0.1', port: shop.otherPort },
  ];
  t.equal((await post(`${shop.url}/fault/move`)).status, 202);
  await until(async () => (await accepts(there)) && !(await accepts(here)), { timeoutMs: 15_000, what: 'the move' });
  t.equal((await get(`${shop.otherUrl}/api/stock`)).status, 200);
  t.equal((await post(`${shop.otherUrl}/fault/move`)).status, 202);
  await until(async () => (await accepts(here)) && !(await accepts(there)), { timeoutMs: 15_000, what: 'the move back' });
  t.equal((await get(`${shop.url}/api/stock`)).status, 200);
});

t.test('healing: what goodgateway says is passed on, and anything else is tolerated', async (t) => {
  const state = { gateways: { shop: { gate: 'open', say: '', incident: null } } };
  const answers: Record<string, () => [number, string]> = {
    good: () => [200, JSON.stringify(state)],
    broken: () => [200, '{"gateways":'],
    refusing: () => [500, '{}'],
    endless: () => [200, `"${'x'.repeat(100_000)}"`],
  };
  let mood = 'good';
  const admin = createServer((_request, response) => {
    const [status, text] = answers[mood]?.() ?? [404, ''];
    response.writeHead(status).end(text);
  }).listen(0, '127.0.0.1');
  t.teardown(() => admin.close());
  await until(() => admin.listening, { timeoutMs: 15_000, what: 'the admin address' });
  const address = admin.address();
  const port = typeof address === 'object' ? address?.port : undefined;

  const shop = await startShop(t, { admin: `http://127.0.0.1:${port}` });
  const ask = async (): Promise<unknown> => (await get(`${shop.url}/healing`)).json();
  t.same(await ask(), state);
  for (mood of ['broken', 'refusing', 'endless']) t.same(await ask(), { gateways: {} }, mood);
  admin.closeAllConnections();
  admin.close();
  t.same(await ask(), { gateways: {} }, 'nobody there');
});

t.test('a shop that was told to end with another process ends soon after it', async (t) => {
  const shop = await startShop(t);
  await shop.stop();
  const other = start(['/bin/sleep', '60']);
  const tied = start([...shop.argv, '--end-with', `${other.pid}`]);
  t.teardown(() => [other, tied].forEach(({ pid }) => signal(pid, 'SIGKILL')));
  await until(() => accepts({ host: '127.0.0.1', port: shop.port }), { timeoutMs: 20_000, what: () => `the shop to accept: ${tied.output()}` });
  signal(other.pid, 'SIGKILL');
  const gone = (): boolean => processInfo(tied.pid) === undefined;
  await until(gone, { timeoutMs: 15_000, what: 'the end of the shop' });
  t.equal((await tied.ended).code, 0);
});
