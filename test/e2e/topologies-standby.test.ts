/** What nginx does by itself, and what its error log tells the healer: the standby way, and the inline one. */
import { appendFileSync, chmodSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { documentedBlocks, phpPlaces, startDocumentedNginx } from '../support/documented.ts';
import { startGoodgateway } from '../support/goodgateway.ts';
import { preparePhpFpm, startPhpFpm } from '../support/php-fpm.ts';
import { answersHello, answersLate, recordsEachExecution } from '../support/php-scripts.ts';
import { isRoot, missing } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import { ask, readyPolicy } from './site.ts';
import { completed, documentedGateway, killAll, lines, phpPolicy, records, recovered, standbyHttp, standbyPhp, withoutHealer } from './topology.ts';

t.test('standby: nginx asks php-fpm itself', { skip: missing('nginx', 'php-fpm8.2') }, async (t) => {
  const fpm = await preparePhpFpm(t, { maxChildren: 2, pool: ['listen.backlog = 2'], scripts: { 'hello.php': answersHello, 'late.php': answersLate } });
  const executions = join(fpm.data, 'executions');
  writeFileSync(join(fpm.docroot, 'record.php'), recordsEachExecution(executions, 5));
  await fpm.start();
  const errorLog = join(fpm.folder, 'nginx.error.log');
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({ shop: documentedGateway(0, 'shop', { listen: `unix:${folder}/shop.sock`, upstream: fpm.address, nginx_error_log: errorLog, hold: { for: '60s' } }) }),
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
    await until(() => /nginx's error log is read/.test(gateway.log()), { timeoutMs: 15_000, what: 'the log that was not there at first' });
  });

  await t.test('a dead php-fpm is started while GET and POST wait, each executed once', async (t) => {
    const healAgain = await withoutHealer(gateway);
    await killAll(fpm);
    const asked = Array.from({ length: 10 }, (_, id) => ask(`${nginx.url}/record.php?id=${id}&token=geheim`, id % 2 ? { method: 'POST', body: 'x' } : {}));
    await until(async () => (await gateway.state('shop'))['held'] === 10, { timeoutMs: 15_000, what: 'all of them to wait' });
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

  await t.test("a burst that php-fpm's own queue cannot take waits in goodgateway's", async (t) => {
    const before = await completed(gateway, 'shop');
    const burst = await Promise.all(Array.from({ length: 30 }, () => ask(`${nginx.url}/late.php?ms=100`)));
    t.same(
      burst.filter(({ status }) => status !== 200),
      [],
    );
    t.ok((await completed(gateway, 'shop')) > before, 'some of it');
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
  await until(() => /nginx's error log is read/.test(gateway.log()), { timeoutMs: 15_000, what: 'the log to be followed' });
  t.match(await ask(nginx.url), { status: 200, text: 'hello' });

  await t.test("an application that takes connections and is silent: nginx's 504 is the sign", async (t) => {
    application.behave = 'silent';
    t.match(await ask(`${nginx.url}/?token=geheim`), { status: 504 });
    const opened = await until(() => records(gateway, 'incident.opened')[0], { timeoutMs: 15_000, what: () => `an incident: ${gateway.log().slice(-3000)}` });
    t.match(opened, {
      symptom: { seen_by: 'nginx_log', kind: 'http_response_timeout', gateway: 'app', text: /nginx wrote "upstream timed out while reading response header from upstream" about 127/ },
    });
    const diagnosis = await until(() => records(gateway, 'diagnosis.made')[0], { timeoutMs: 20_000, what: 'a diagnosis' });
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
      { timeoutMs: 20_000, everyMs: 100, what: 'an incident' },
    );
    t.match(opened, { symptom: { seen_by: 'nginx_log', kind: 'http_response_header_section_size' } });
    application.behave = 'well';
    await recovered(gateway, 'http-app', 1);
  });
  t.equal(await completed(gateway, 'app'), 0, 'goodgateway saw none of these requests');
  t.notMatch(gateway.log() + JSON.stringify(gateway.audit()), /geheim/);
});

t.test("inline: nginx's own trouble is told, and held against no service", { skip: missing('nginx', 'php-fpm8.2') || (!isRoot && 'needs root: nginx must be another user') }, async (t) => {
  const fpm = await startPhpFpm(t, { scripts: { 'hello.php': answersHello, 'slow.php': '<?php sleep(8);' } });
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
    until(() => records(gateway, 'evidence.captured').find((record) => text.test(String(record['text']))), { timeoutMs: 20_000, what: () => `${text}: ${gateway.log().slice(-2000)}` });

  t.match(await ask(`${nginx.url}/slow.php`), { status: 504 });
  t.match(await told(/nginx gave up on gateway shop before its answer came: its read timeout must be at least 60s/), { service: 'php-fpm', evidence: [{ collector: 'nginx_log', source: errorLog }] });

  chmodSync(join(gateway.folder, 'shop.sock'), 0o600);
  for (let i = 0; i < 5; i++) t.match(await ask(`${nginx.url}/hello.php`), { status: 200, text: 'hello' }, 'nginx goes round goodgateway');
  await told(/nginx may not connect to unix:\S+shop\.sock \(connect\(\) failed \(EACCES\) .* set socket\.group of gateway shop/);
  t.equal(records(gateway, 'evidence.captured').length, 2, 'once, not five times');
  // as nginx 1.22.1 wrote them
  appendFileSync(errorLog, '2026/11/26 13:33:14 [alert] 15055#15055: 64 worker_connections are not enough\n');
  await told(/no free connection: raise worker_connections/);
  const noLive = 'client: 127.0.0.1, server: shop.example, request: "GET /f/live?token=geheim HTTP/1.1", upstream: "fastcgi://live", host: "127.0.0.1:19100"';
  appendFileSync(errorLog, `2026/11/26 13:33:06 [error] 15055#15055: *11 no live upstreams while connecting to upstream, ${noLive}\n`);
  t.match(await told(/write max_fails=0 on each of its servers/), { service: 'php-fpm' }, 'of the only gateway that reads this log');
  t.same(records(gateway, 'incident.opened'), []);
  t.match(await gateway.command('audit', 'verify'), { code: 0 });
});
