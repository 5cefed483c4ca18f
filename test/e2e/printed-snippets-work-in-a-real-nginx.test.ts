/** `goodgateway nginx` by its effect: every kind with every protocol, alive, slow, and dead. And `probe`, on the same stage. */
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { SnippetKind } from '../../src/cli/nginx-snippet.ts';
import { parseNginx } from '../../src/doctor/nginx/parse-nginx.ts';
import { rawExchange } from '../fixtures/proxy/http-gateway.ts';
import { answersHello, recordsEachExecution } from '../support/php-scripts.ts';
import { isRoot, missing } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import { kinds, setStage, sites, upgrade, visit, type Site } from './printed-snippets.ts';

const folder = tempFolder(t, 'gg-seen');
chmodSync(folder, 0o777);
const file = join(folder, 'php');
const executions = (): readonly string[] => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []);
const tellsAll = `<?php header('Content-Type: text/plain'); echo json_encode(array_change_key_case($_SERVER));`;

t.test('what goodgateway prints for nginx', { skip: missing('nginx', 'php-fpm8.2', 'openssl') }, async (t) => {
  const scripts = { 'index.php': answersHello, 'tells.php': tellsAll, 'record.php': recordsEachExecution(file, 1), 'slow.php': recordsEachExecution(file, 6000) };
  const stage = await setStage(t, executions, scripts);
  const { proxy, backends, fpm } = stage;
  const servers = { inline: await stage.nginx(t, 'inline'), standby: await stage.nginx(t, 'standby'), bypass: await stage.nginx(t, 'bypass') };
  /** Of a target: how often it was executed. */
  const times = (id: string): number => stage.executions().filter((line) => line.endsWith(` ${id}`) || line.endsWith(`id=${id}`)).length;
  const target = (site: Site, name: string, id: string): string => (site === 'shop' ? `/${name}.php?id=${id}` : `/${name}?id=${id}`);
  const everywhere = (...methods: readonly string[]) => kinds.flatMap((kind) => sites.flatMap((site) => methods.map((method) => ({ kind, site, method }))));
  /** A sub-command's end, its lines as one. */
  const said = async (...words: readonly string[]) => {
    const { code, output } = await stage.command(...words);
    return { code, output: output.replaceAll(/\s+/g, ' ') };
  };
  /** POSTs that are in their backends when this resolves; `cut` says that each ended with nginx's 502, and was executed once. */
  const beingExecuted = async (kind: SnippetKind, ...among: readonly Site[]) => {
    const ids = among.map((site) => [site, `cut-${kind}-${site}`] as const);
    const asked = ids.map(([site, id]) => visit(servers[kind], `${site}.test`, target(site, 'slow', id), 'POST'));
    await until(() => ids.every(([, id]) => times(id) === 1), { timeoutMs: 15_000, what: 'the POSTs to come to their backends' });
    return async (t: Test): Promise<void> => {
      for (const { status } of await Promise.all(asked)) t.equal(status, 502);
      for (const [, id] of ids) t.equal(times(id), 1, id);
    };
  };
  const passed = (site: Site): number => proxy.gateways.get(site)!.health.total.completed;

  await t.test('the visitor is known to the backend, and the request by its id; only inline goes through goodgateway', async (t) => {
    for (const { kind, site } of everywhere('GET')) {
      const before = passed(site);
      const { status, text } = await visit(servers[kind], `${site}.test`, site === 'shop' ? '/tells.php' : '/');
      const heard = JSON.parse(text);
      t.equal(status, 200);
      if (site === 'shop') t.match(heard, { remote_addr: '127.0.0.2', http_x_request_id: /^[0-9a-f]{32}$/, http_host: 'shop.test' }, kind);
      else t.match(heard, { 'x-real-ip': '127.0.0.2', 'x-forwarded-for': '127.0.0.2', 'x-forwarded-proto': 'http', 'x-request-id': /^[0-9a-f]{32}$/, host: `${site}.test` }, kind);
      if (kind === 'inline') await until(() => passed(site) > before, { timeoutMs: 15_000, what: `the end of the request to ${site}` });
      t.equal(passed(site) - before, kind === 'inline' ? 1 : 0, `${site} ${kind}`);
    }
  });

  await t.test('a client that names no host is served', async (t) => {
    const { text } = await rawExchange({ host: '127.0.0.1', port: servers.inline.port }, 'GET /first HTTP/1.0\r\n\r\n');
    t.match(text, /^HTTP\/1\.1 200 /);
  });

  await t.test('WebSockets pass, and no other upgrade', async (t) => {
    for (const kind of kinds) {
      for (const site of ['app', 'safe']) {
        t.equal(await upgrade(servers[kind], `${site}.test`, 'websocket'), 'hello?', `${site} ${kind}`);
        t.equal(await upgrade(servers[kind], `${site}.test`, 'h2c'), 200, `${site} ${kind}`);
      }
    }
  });

  await t.test("a page slower than nginx's patience is executed once, and turns nothing off", async (t) => {
    const slow = everywhere('GET', 'POST').map(async ({ kind, site, method }) => {
      const id = `slow-${kind}-${site}-${method}`;
      t.match(await visit(servers[kind], `impatient.${site}.test`, target(site, 'slow', id), method), { status: 504 }, id);
      // the one who gave up may have been faster than PHP
      await until(() => times(id) > 0, { timeoutMs: 15_000, what: `${id} to be executed` });
      t.equal(times(id), 1, id);
      t.match(await visit(servers[kind], `${site}.test`, target(site, site === 'shop' ? 'record' : 'x', id)), { status: 200 }, id);
    });
    await Promise.all(slow);
  });

  await t.test('probe: the site answers through goodgateway as it does directly', async (t) => {
    const shop = await stage.command('probe', 'shop', '--nginx', servers.bypass.config);
    t.equal(shop.code, 0, shop.output);
    t.match(shop.output, /^shop: GET http:\/\/shop\.test\/ as \S+\/index\.php \(\S+nginx\.conf:\d+\)\n\nthrough goodgateway +unix:\S+ +200 .*\ndirectly +unix:\S+ +200 .*\n\n  hello\n/);
    t.match(shop.output, /The site answers through goodgateway as it does directly: with 200\.\n$/);
    if (isRoot) t.match(shop.output, /The user www-data of nginx may connect/);
    const safe = await stage.command('probe', 'safe', '--json', '--host', 'safe.test');
    t.match(JSON.parse(safe.output), { ok: true, way: 'backend', through: { status: 200, body: /"host":"safe\.test"/ }, direct: { status: 200 } });
    const evil = await said('probe', 'app', '--path', '/evil', '--no-direct');
    t.match(evil, { code: 0, output: /one�\]0;owned��?2Jtwo/ });
    // oxlint-disable-next-line no-control-regex
    t.notMatch(evil.output, /[\u001b\u0007\u009b]/);
    t.match(await said('probe', 'app', '--nginx', '/no/nginx.conf'), { code: 2, output: /--nginx: there is no \/no\/nginx\.conf that this user may read/ });
    t.match(await said('probe', 'shop', '--nginx', stage.config), {
      code: 2,
      output: /No location in \S+, and what it includes, passes requests to unix:\S+ and has a root: say it with --document-root/,
    });
  });

  await t.test("probe: nginx's user may not connect", { skip: !isRoot && 'needs root' }, async (t) => {
    const { path } = stage.host.gateways['shop']!.listen[0] as { path: string };
    chmodSync(path, 0o600);
    t.match(await said('probe', 'shop', '--nginx', servers.bypass.config), { code: 1, output: /user www-data of nginx may not connect to unix:\S+ \(no permission .*silently use the backend/ });
    chmodSync(path, 0o660);
  });

  await t.test('a backend that is away: requests wait, probe sees the page, nothing is lost', async (t) => {
    const cut = await beingExecuted('standby', 'app', 'safe');
    await Promise.all([backends.app.die(), backends.safe.die()]);
    t.match(await said('probe', 'app', '--timeout', '20s'), {
      code: 1,
      output: /goodgateway's own page.*answered with its own page \(connection_refused\): the backend does not answer directly either/s,
    });
    const waiting = everywhere('GET', 'POST').filter(({ kind, site }) => kind !== 'bypass' && site !== 'shop');
    const asked = waiting.map(({ kind, site, method }) => visit(servers[kind], `${site}.test`, `/w?id=w-${kind}-${site}-${method}`, method));
    await until(() => proxy.gateways.get('app')!.gate.held + proxy.gateways.get('safe')!.gate.held === asked.length, { timeoutMs: 3000, what: 'all of them to wait' });
    await Promise.all([backends.app.listen(), backends.safe.listen()]);
    for (const { status } of await Promise.all(asked)) t.equal(status, 200);
    await cut(t);
    for (const { kind, site, method } of waiting) t.equal(times(`w-${kind}-${site}-${method}`), 1, `${kind} ${site} ${method}`);
  });

  await t.test('goodgateway is dead: everything is served, once', async (t) => {
    const cut = await beingExecuted('inline', ...sites);
    await proxy.close(AbortSignal.abort());
    await cut(t);
    for (const { kind, site, method } of everywhere('GET', 'POST')) {
      const id = `dead-${kind}-${site}-${method}`;
      t.match(await visit(servers[kind], `${site}.test`, target(site, site === 'shop' ? 'record' : 'x', id), method), { status: 200 }, id);
      t.equal(times(id), 1, id);
    }
    t.match(await said('probe', 'shop', '--document-root', fpm.docroot), {
      code: 1,
      output: /There is no unix:\S+: goodgateway does not run.* Directly the site answers 200, so nginx as it is goes on serving it/s,
    });
  });

  await t.test('the backends die too, and come back: nothing was turned off', async (t) => {
    await Promise.all([fpm.stop(), backends.app.die(), backends.safe.die()]);
    for (const { kind, site } of everywhere('GET')) t.match(await visit(servers[kind], `${site}.test`, '/x.php'), { status: 502 }, `${kind} ${site}`);
    await Promise.all([fpm.start(), backends.app.listen(), backends.safe.listen()]);
    for (const { kind, site } of everywhere('GET')) t.match(await visit(servers[kind], `${site}.test`, '/record.php?id=back'), { status: 200 }, `${kind} ${site}`);
  });

  await t.test('the command prints what was tried here, says where it goes, and is for programs too', async (t) => {
    const printed = await stage.command('nginx');
    t.equal(printed.code, 0);
    const json = JSON.parse((await stage.command('nginx', '--json', '--inline')).output);
    t.match(json, { gateways: { shop: { kind: 'inline' }, app: { kind: 'inline' }, safe: { kind: 'inline' } } });
    const lines = sites.flatMap((site) => ['http', 'upstream', 'server', 'location'].flatMap((place) => json.gateways[site][place] as string[]));
    for (const line of lines) t.ok(printed.output.includes(line), line);
    const names = parseNginx(printed.output, 'printed').map(({ name }) => name);
    t.same(names.filter((name) => name === 'map').length, 1, 'once for all');
    t.match(printed.output, /# In http \{ \}.*\n# shop: in the location \{ \}.*\n#   goodgateway probe shop\n.*nginx -t && systemctl reload nginx/s);
    t.match(await said('nginx', '--standby', '--gateway', 'blog'), { code: 2, output: /no gateway has the name "blog"; there are shop, app, safe/ });
  });
});
