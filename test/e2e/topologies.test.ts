/** Several sites and backends, and one that moves, as docs/topologies.md shows them. Servers are shared between scenes. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startApache } from '../support/apache.ts';
import { phpPlaces, startDocumentedNginx } from '../support/documented.ts';
import { startGoodgateway } from '../support/goodgateway.ts';
import { startLoad, summarise } from '../support/load.ts';
import { startPhpFpm } from '../support/php-fpm.ts';
import { answersHello } from '../support/php-scripts.ts';
import { freePort } from '../support/ports.ts';
import { finish, succeed } from '../support/program.ts';
import { missing } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import { ask, readyPolicy } from './site.ts';
import { apachePolicy, documentedGateway, killAll, lines, moving, phpPolicy, records, recovered, severalSites, withoutHealer, yamls } from './topology.ts';

/** Longer than any repair on a slow machine. */
const hold = { for: '60s', requests: 64 };

t.test('every configuration of the page passes the check', async (t) => {
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'policies.d'));
  for (const name of ['php-fpm.yaml', 'apache.yaml']) writeFileSync(join(folder, 'policies.d', name), readyPolicy(name, {}));
  for (const yaml of yamls) {
    const file = join(folder, 'goodgateway.yaml');
    writeFileSync(file, yaml);
    const check = await finish([process.execPath, join(import.meta.dirname, '../../src/cli/main.ts'), 'check', '--config', file]);
    t.match(check, { code: 0 }, check.output);
  }
});

t.test('several sites and backends: what happens to one is not felt at another', { skip: missing('nginx', 'php-fpm8.2', 'apache2') }, async (t) => {
  const fpm = await startPhpFpm(t, { scripts: { 'hello.php': answersHello } });
  const apache = await startApache(t);
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({
      shop: documentedGateway(1, 'shop', { listen: `unix:${folder}/shop.sock`, upstream: fpm.address, hold }),
      blog: documentedGateway(1, 'blog', { listen: `unix:${folder}/blog.sock`, upstream: fpm.address, hold }),
      app: documentedGateway(1, 'app', { listen: `unix:${folder}/app.sock`, upstream: apache.address, hold }),
    }),
    policies: [phpPolicy(fpm), apachePolicy(apache)],
  });
  const sockets = ['shop', 'blog', 'app'].map((name) => [`unix:/run/goodgateway/${name}.sock`, `unix:${gateway.folder}/${name}.sock`] as const);
  const nginx = await startDocumentedNginx(t, severalSites, {
    ...Object.fromEntries(sockets),
    'unix:/run/php/php8.2-fpm.sock': fpm.address,
    '127.0.0.1:7080': apache.address,
    ...phpPlaces(fpm.docroot),
  });
  const askSite = (name: string, path = '/hello.php') => ask(`${nginx.url}${path}`, { headers: { host: `${name}.example.com` } });
  for (const name of ['shop', 'blog', 'app']) t.match(await askSite(name, name === 'app' ? '/' : undefined), { status: 200, text: 'hello' }, name);

  await t.test('php-fpm dies: two gateways, one incident; Apache serves on', async (t) => {
    const others = startLoad(t, { port: nginx.port, rate: 100, posts: 0, path: () => '/', headers: { host: 'app.example.com' } });
    await until(() => others.results.length > 20, { timeoutMs: 20_000, what: 'steady load' });
    await killAll(fpm);
    const asked = await Promise.all(Array.from({ length: 10 }, (_, i) => askSite(i % 2 ? 'shop' : 'blog')));
    t.same(
      asked.map(({ status, text }) => `${status} ${text}`),
      Array(10).fill('200 hello'),
    );
    t.equal((await gateway.state('app'))['held'], 0);
    await recovered(gateway, 'php-fpm', 0);
    const results = await others.stop();
    t.same(
      results.filter(({ status }) => status !== 200),
      [],
      summarise(results),
    );
    t.match(records(gateway, 'incident.opened'), [{ service: 'php-fpm' }]);
    t.equal(records(gateway, 'incident.opened').length, 1);
  });

  await t.test('Apache dies: its own incident; both PHP sites serve on', async (t) => {
    await killAll(apache);
    const [app, ...php] = await Promise.all([askSite('app', '/'), askSite('shop'), askSite('blog')]);
    t.match(app, { status: 200, text: 'hello' });
    t.match(php, [{ status: 200 }, { status: 200 }]);
    await recovered(gateway, 'apache', 0);
    t.match(records(gateway, 'incident.opened'), [{ service: 'php-fpm' }, { service: 'apache' }]);
  });

  await t.test('a health check is answered at once by a backend that is away, a visitor waits', async (t) => {
    const healAgain = await withoutHealer(gateway);
    await killAll(apache);
    const visitor = askSite('app', '/');
    await until(async () => (await gateway.state('app'))['held'] === 1, { timeoutMs: 15_000, what: 'the visitor to wait' });
    t.match(await askSite('app', '/healthz'), { status: 503 });
    t.match(await ask(nginx.url, { headers: { host: 'app.example.com', 'user-agent': 'kube-probe/1.29' } }), { status: 503 });
    t.equal((await gateway.state('app'))['held'], 1, 'the visitor waits on');
    healAgain();
    t.match(await visitor, { status: 200, text: 'hello' });
  });
});

t.test('a backend that moves is followed to an allowed place, and the place is remembered', { skip: missing('nginx', 'apache2') }, async (t) => {
  const apache = await startApache(t);
  const newPort = await freePort();
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({ app: documentedGateway(2, 'app', { listen: `unix:${folder}/app.sock`, upstream: apache.address, hold, also_allowed: [`127.0.0.1:${newPort}`] }) }),
    policies: [apachePolicy(apache)],
  });
  const nginx = await startDocumentedNginx(t, moving, {
    'unix:/run/goodgateway/app.sock': `unix:${gateway.folder}/app.sock`,
    '127.0.0.1:7080': apache.address,
    '127.0.0.1:7081': `127.0.0.1:${newPort}`,
  });
  t.match(await ask(nginx.url), { status: 200, text: 'hello' });

  const healAgain = await withoutHealer(gateway);
  await apache.stop();
  const asking = Promise.all(Array.from({ length: 5 }, (_, id) => ask(`${nginx.url}/cgi-bin/record?id=${id}`, { method: 'POST', body: 'x' })));
  await until(async () => (await gateway.state('app'))['held'] === 5, { timeoutMs: 15_000, what: 'all of them to wait' });
  writeFileSync(apache.config, readFileSync(apache.config, 'utf8').replace(`Listen ${apache.address}`, `Listen 127.0.0.1:${newPort}`));
  await succeed(apache.startArgv);
  healAgain();
  t.same(
    (await asking).map(({ status, text }) => `${status} ${text}`),
    ['200 0', '200 1', '200 2', '200 3', '200 4'],
    'who came meanwhile was served at the new place',
  );
  t.equal(lines(apache.executions).length, 5, 'each once');
  await recovered(gateway, 'apache', 0);
  t.match(records(gateway, 'action.intent'), [{ action: 'switch_upstream', cause: 'net.port_moved' }]);
  t.equal((await gateway.state('app'))['upstream'], `127.0.0.1:${newPort}`);

  const healer = await gateway.kill('healer');
  await until(() => gateway.pid('healer') !== undefined && gateway.pid('healer') !== healer, { timeoutMs: 15_000, what: 'a new healer' });
  await gateway.kill('proxy');
  await until(async () => (await gateway.state('app'))['upstream'] === `127.0.0.1:${newPort}`, { timeoutMs: 15_000, what: 'the new proxy to be sent there by the new healer' });
  t.match(await ask(nginx.url), { status: 200, text: 'hello' });
});
