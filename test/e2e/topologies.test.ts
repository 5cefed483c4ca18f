/** The ways to put nginx and goodgateway together, as docs/topologies.md shows them. Servers are shared between scenes. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { startApache, type Apache } from '../support/apache.ts';
import { documentedBlocks, phpPlaces, startDocumentedNginx } from '../support/documented.ts';
import { startGoodgateway, type AuditRecord, type Goodgateway } from '../support/goodgateway.ts';
import { startLoad, summarise } from '../support/load.ts';
import type { Nginx } from '../support/nginx.ts';
import { preparePhpFpm, startPhpFpm, type PhpFpm } from '../support/php-fpm.ts';
import { answersHello, recordsEachExecution } from '../support/php-scripts.ts';
import { freePort } from '../support/ports.ts';
import { signal } from '../support/processes.ts';
import { finish, succeed } from '../support/program.ts';
import { isRoot, missing } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import { ask, pidfileService, readyPolicy } from './site.ts';

const page = 'docs/topologies.md';
const [standbyPhp = '', standbyHttp = '', severalSites = '', moving = ''] = documentedBlocks(page, 'nginx');
const yamls = documentedBlocks(page, 'yaml');

const inATest = {
  mode: 'act',
  'limits.cooldown': '0s',
  'limits.max_attempts.times': 20,
  'verify.within': '10s',
  'verify.stable_for': '1s',
  'verify.checks': [{ service: 'running' }, { connect: 'ok' }],
};
const recoveredWithinMs = 30_000;

function phpPolicy(fpm: PhpFpm): string {
  return readyPolicy('php-fpm.yaml', { ...inATest, service: pidfileService(fpm) });
}

function apachePolicy({ pidfile, startArgv, configTestArgv }: Apache): string {
  return readyPolicy('apache.yaml', { ...inATest, service: { type: 'process', pidfile, start: startArgv, stop: { signal: 'TERM', timeout: '2s' }, config_test: configTestArgv } });
}

/** A gateway of the page's n-th configuration, at the places of this test. */
function documentedGateway(yaml: number, name: string, values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { gateways } = parse(yamls[yaml] ?? '') as { gateways: Record<string, Record<string, unknown>> };
  return { ...gateways[name], ...(isRoot ? {} : { socket: {} }), ...values };
}

function records(gateway: Goodgateway, event: string): readonly AuditRecord[] {
  return gateway.audit().filter((record) => record.event === event);
}

/** Waits for one more recovery of that service than there were. */
async function recovered(gateway: Goodgateway, service: string, before: number): Promise<void> {
  const count = (): number => records(gateway, 'incident.recovered').filter((record) => record['service'] === service).length;
  await until(() => count() > before, { timeoutMs: recoveredWithinMs, what: () => `the recovery of ${service}: ${gateway.log().slice(-3000)}` });
}

/** Nothing is repaired until the returned function is called: time for a scene that a repair would end. */
async function withoutHealer(gateway: Goodgateway): Promise<() => void> {
  const supervisor = gateway.pid('supervisor')!;
  signal(supervisor, 'SIGSTOP');
  await gateway.kill('healer');
  return () => signal(supervisor, 'SIGCONT');
}

/** Until the last process is gone its socket takes connections that nobody will answer. */
async function killAll(service: Pick<PhpFpm, 'processes'>): Promise<void> {
  for (const { pid } of service.processes()) signal(pid, 'SIGKILL');
  await until(() => service.processes().length === 0, { timeoutMs: 5000, what: 'the end of every process' });
}

function lines(file: string): readonly string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
}

async function completed(gateway: Goodgateway, name: string): Promise<number> {
  return ((await gateway.state(name))['total'] as { completed: number }).completed;
}

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

t.test('standby: nginx asks php-fpm itself', { skip: missing('nginx', 'php-fpm8.2') }, async (t) => {
  const fpm = await preparePhpFpm(t, { scripts: { 'hello.php': answersHello } });
  const executions = join(fpm.data, 'executions');
  writeFileSync(join(fpm.docroot, 'record.php'), recordsEachExecution(executions, 5));
  await fpm.start();
  const errorLog = join(fpm.folder, 'nginx.error.log');
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({ shop: documentedGateway(0, 'shop', { listen: `unix:${folder}/shop.sock`, upstream: fpm.address, nginx_error_log: errorLog }) }),
    policies: [phpPolicy(fpm)],
  });
  const places = {
    'unix:/run/goodgateway/shop.sock': `unix:${gateway.folder}/shop.sock`,
    'unix:/run/php/php8.2-fpm.sock': fpm.address,
    '/var/log/nginx/shop.error.log': errorLog,
    ...phpPlaces(fpm.docroot),
  };
  const nginx = await startDocumentedNginx(t, standbyPhp, places);

  await t.test('it costs nothing while all is well', async (t) => {
    for (let i = 0; i < 10; i++) t.match(await ask(`${nginx.url}/hello.php`, i % 2 ? { method: 'POST', body: 'x' } : {}), { status: 200, text: 'hello' });
    t.equal(await completed(gateway, 'shop'), 0, 'no request came to goodgateway');
    await until(() => /nginx's error log is read/.test(gateway.log()), { timeoutMs: 5000, what: 'the log that was not there at first' });
  });

  await t.test('a dead php-fpm is started while GET and POST wait, each executed once', async (t) => {
    const healAgain = await withoutHealer(gateway);
    await killAll(fpm);
    const asked = Array.from({ length: 10 }, (_, id) => ask(`${nginx.url}/record.php?id=${id}&token=geheim`, id % 2 ? { method: 'POST', body: 'x' } : {}));
    await until(async () => (await gateway.state('shop'))['held'] === 10, { timeoutMs: 5000, what: 'all of them to wait' });
    healAgain();
    t.same(
      (await Promise.all(asked)).map(({ status, text }) => `${status} ${text}`),
      Array.from({ length: 10 }, (_, id) => `200 ${id}`),
    );
    t.equal(new Set(lines(executions)).size, 10);
    t.equal(lines(executions).length, 10, 'executed once');
    await recovered(gateway, 'php-fpm', 0);
    t.match(records(gateway, 'action.intent'), [{ action: 'start' }]);
  });

  await t.test('then nginx asks php-fpm itself again', async (t) => {
    const before = await completed(gateway, 'shop');
    for (let i = 0; i < 5; i++) t.match(await ask(`${nginx.url}/hello.php`), { status: 200, text: 'hello' });
    t.equal(await completed(gateway, 'shop'), before);
  });

  await t.test('with goodgateway dead nothing changes', async (t) => {
    t.equal(await gateway.stop(), 0);
    t.match(await ask(`${nginx.url}/hello.php`), { status: 200, text: 'hello' });
    t.match(await ask(`${nginx.url}/hello.php`, { method: 'POST', body: 'x' }), { status: 200, text: 'hello' });
    t.notMatch(gateway.log() + JSON.stringify(gateway.audit()), /geheim/, "no query of nginx's log was kept");
  });
});

/** An HTTP application that misbehaves on demand: it answers, is silent, or says more than nginx can take. */
async function startApplication(t: Test): Promise<{ readonly address: string; behave: 'well' | 'silent' | 'too much' }> {
  const application = { address: '', behave: 'well' as 'well' | 'silent' | 'too much' };
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      if (application.behave === 'silent') return;
      const field = application.behave === 'well' ? '' : `X-Long: ${'x'.repeat(20_000)}\r\n`;
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n${field}\r\nhello`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const bound = server.address();
  return Object.assign(application, { address: typeof bound === 'object' && bound ? `127.0.0.1:${bound.port}` : '' });
}

t.test('standby: what only nginx sees is read in its error log', { skip: missing('nginx') }, async (t) => {
  const application = await startApplication(t);
  const errorLog = join(tempFolder(t), 'nginx.error.log');
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({
      app: { ...documentedGateway(2, 'app', {}), listen: `unix:${folder}/app.sock`, upstream: application.address, service: 'http-app', standby: true, nginx_error_log: errorLog },
    }),
    policies: [readyPolicy('http-app.yaml', { service: { type: 'external' }, 'verify.stable_for': '1s', 'verify.checks': [{ connect: 'ok' }] })],
  });
  const nginx = await startDocumentedNginx(t, standbyHttp, {
    'unix:/run/goodgateway/app.sock': `unix:${gateway.folder}/app.sock`,
    '127.0.0.1:7080': application.address,
    '/var/log/nginx/app.error.log': errorLog,
    'proxy_read_timeout 60s;': 'proxy_read_timeout 1s;',
  });
  await until(() => /nginx's error log is read/.test(gateway.log()), { timeoutMs: 5000, what: 'the log to be followed' });
  t.match(await ask(nginx.url), { status: 200, text: 'hello' });

  await t.test("an application that takes connections and is silent: nginx's 504 is the sign", async (t) => {
    application.behave = 'silent';
    t.match(await ask(`${nginx.url}/?token=geheim`), { status: 504 });
    const opened = await until(() => records(gateway, 'incident.opened')[0], { timeoutMs: 15_000, what: () => `an incident: ${gateway.log().slice(-3000)}` });
    t.match(opened, {
      symptom: { seen_by: 'nginx_log', kind: 'http_response_timeout', gateway: 'app', text: /nginx wrote "upstream timed out while reading response header from upstream" about 127/ },
    });
    const diagnosis = await until(() => records(gateway, 'diagnosis.made')[0], { timeoutMs: 10_000, what: 'a diagnosis' });
    t.match(diagnosis, { cause: 'service.hung' });
    application.behave = 'well';
    await recovered(gateway, 'http-app', 0);
  });

  await t.test('answers that nginx cannot take', async (t) => {
    application.behave = 'too much';
    const opened = await until(
      async () => {
        t.match(await ask(nginx.url), { status: 502 });
        return records(gateway, 'incident.opened')[1];
      },
      { timeoutMs: 10_000, everyMs: 100, what: 'an incident' },
    );
    t.match(opened, { symptom: { seen_by: 'nginx_log', kind: 'http_response_header_section_size' } });
    application.behave = 'well';
    await recovered(gateway, 'http-app', 1);
  });
  t.equal(await completed(gateway, 'app'), 0, 'goodgateway saw none of these requests');
  t.notMatch(gateway.log() + JSON.stringify(gateway.audit()), /geheim/);
});

t.test("inline: nginx's own trouble is told, and held against no service", { skip: missing('nginx', 'php-fpm8.2') || (!isRoot && 'needs root: nginx must be another user') }, async (t) => {
  const fpm = await startPhpFpm(t, { scripts: { 'hello.php': answersHello, 'slow.php': '<?php sleep(3);' } });
  const errorLog = join(fpm.folder, 'nginx.error.log');
  writeFileSync(errorLog, '');
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({ shop: documentedGateway(0, 'shop', { listen: `unix:${folder}/shop.sock`, upstream: fpm.address, standby: false, nginx_error_log: errorLog }) }),
    policies: [phpPolicy(fpm)],
  });
  const inline = documentedBlocks('README.md', 'nginx')[0] ?? '';
  const nginx = await startDocumentedNginx(t, inline, {
    'unix:/run/goodgateway/shop.sock': `unix:${gateway.folder}/shop.sock`,
    'unix:/run/php/php8.2-fpm.sock': fpm.address,
    ...phpPlaces(fpm.docroot),
    'fastcgi_read_timeout 320s;': `fastcgi_read_timeout 1s; error_log ${errorLog};`,
  });
  const told = (text: RegExp) =>
    until(() => records(gateway, 'evidence.captured').find((record) => text.test(String(record['text']))), { timeoutMs: 10_000, what: () => `${text}: ${gateway.log().slice(-2000)}` });

  t.match(await ask(`${nginx.url}/slow.php`), { status: 504 });
  t.match(await told(/nginx gave up on gateway shop before its answer came: its read timeout must be at least 60s/), { service: 'php-fpm', evidence: [{ collector: 'nginx_log', source: errorLog }] });

  chmodSync(join(gateway.folder, 'shop.sock'), 0o600);
  for (let i = 0; i < 5; i++) t.match(await ask(`${nginx.url}/hello.php`), { status: 200, text: 'hello' }, 'nginx goes round goodgateway');
  await told(/nginx may not connect to unix:\S+shop\.sock \(connect\(\) failed \(EACCES\) .* set socket\.group of gateway shop/);
  t.equal(records(gateway, 'evidence.captured').length, 2, 'once, not five times');
  t.same(records(gateway, 'incident.opened'), []);
  t.match(await gateway.command('audit', 'verify'), { code: 0 });
});

t.test('several sites and backends: what happens to one is not felt at another', { skip: missing('nginx', 'php-fpm8.2', 'apache2') }, async (t) => {
  const fpm = await startPhpFpm(t, { scripts: { 'hello.php': answersHello } });
  const apache = await startApache(t);
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({
      shop: documentedGateway(1, 'shop', { listen: `unix:${folder}/shop.sock`, upstream: fpm.address }),
      blog: documentedGateway(1, 'blog', { listen: `unix:${folder}/blog.sock`, upstream: fpm.address }),
      app: documentedGateway(1, 'app', { listen: `unix:${folder}/app.sock`, upstream: apache.address }),
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
    await until(() => others.results.length > 20, { timeoutMs: 10_000, what: 'steady load' });
    for (const { pid } of fpm.processes()) signal(pid, 'SIGKILL');
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
    for (const { pid } of apache.processes()) signal(pid, 'SIGKILL');
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
    await until(async () => (await gateway.state('app'))['held'] === 1, { timeoutMs: 5000, what: 'the visitor to wait' });
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
    gateways: (folder) => ({ app: documentedGateway(2, 'app', { listen: `unix:${folder}/app.sock`, upstream: apache.address, also_allowed: [`127.0.0.1:${newPort}`] }) }),
    policies: [apachePolicy(apache)],
  });
  const nginx: Nginx = await startDocumentedNginx(t, moving, {
    'unix:/run/goodgateway/app.sock': `unix:${gateway.folder}/app.sock`,
    '127.0.0.1:7080': apache.address,
    '127.0.0.1:7081': `127.0.0.1:${newPort}`,
  });
  t.match(await ask(nginx.url), { status: 200, text: 'hello' });

  const healAgain = await withoutHealer(gateway);
  await apache.stop();
  const asking = Promise.all(Array.from({ length: 5 }, (_, id) => ask(`${nginx.url}/cgi-bin/record?id=${id}`, { method: 'POST', body: 'x' })));
  await until(async () => (await gateway.state('app'))['held'] === 5, { timeoutMs: 5000, what: 'all of them to wait' });
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
