/** The gateways of a running goodgateway are changed under load, rightly and wrongly: nobody notices but the administrator. */
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse, stringify } from 'yaml';
import { startGoodgateway, type Goodgateway } from '../support/goodgateway.ts';
import { startLoad, summarise } from '../support/load.ts';
import { fastcgiLocation, startNginx, upstreamBlock, type Nginx } from '../support/nginx.ts';
import { preparePhpFpm, type PhpFpm } from '../support/php-fpm.ts';
import { recordsEachExecution } from '../support/php-scripts.ts';
import { accepts, freePort } from '../support/ports.ts';
import { signal } from '../support/processes.ts';
import { isRoot, missing } from '../support/skip.ts';
import { replaceFile, tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import { ask } from './site.ts';

const skip = missing('nginx', 'php-fpm8.2');

/** Whatever a pool that is gone looks like: the visitors of this test wait. */
const away = ['unknown', 'service.crashed', 'service.stopped_by_operator', 'config.socket_mismatch', 'net.port_moved'];

type Table = Readonly<Record<string, unknown>>;

interface Scene {
  readonly pools: Readonly<Record<'A' | 'B', PhpFpm>>;
  readonly gateway: Goodgateway;
  readonly nginx: Nginx;
  /** A port that somebody else has. */
  readonly busyPort: number;
  /** The one of the second gateway, which comes and goes. */
  readonly extraPort: number;
  /** Those that the second gateway's backend has not answered yet. */
  readonly open: ServerResponse[];
  /** A folder that the proxy was not given. */
  readonly elsewhere: string;
  /** Lines `METHOD id`. */
  executions(): readonly string[];
  /** The whole file; `shop` and `rest` over what it was first. */
  write(shop: Table, rest?: Table): void;
  texts(event: string): readonly string[];
  /** Makes the change, says SIGHUP, and waits for the record of what came of it. */
  reload(event: 'policy.loaded' | 'policy.rejected', change: () => unknown): Promise<string>;
  /** Which pool answers now. */
  who(): Promise<string>;
}

async function startScene(t: Test): Promise<Scene> {
  const pool = (who: string): Promise<PhpFpm> => preparePhpFpm(t, { pool: [`env[WHO] = ${who}`] });
  const pools = { A: await pool('A'), B: await pool('B') };
  const executed = join(pools.A.data, 'executions');
  writeFileSync(join(pools.A.docroot, 'who.php'), '<?php echo getenv("WHO");');
  writeFileSync(join(pools.A.docroot, 'record.php'), recordsEachExecution(executed, 1));
  await Promise.all([pools.A.start(), pools.B.start()]);
  const open: ServerResponse[] = [];
  const backend = createServer((asked, answer) => (asked.url === '/late' ? open.push(answer) : answer.end('extra'))).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  t.teardown(() => {
    backend.closeAllConnections();
    backend.close();
  });
  const busyPort = (backend.address() as { port: number }).port;
  const extraPort = await freePort();
  const shop = (folder: string): Table => ({
    listen: `unix:${folder}/shop.sock`,
    socket: { ...(isRoot && { group: 'www-data' }) },
    protocol: 'fastcgi',
    upstream: pools.A.address,
    service: 'php-fpm',
    fallback: { folder: join(folder, 'pages') },
  });
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => {
      mkdirSync(join(folder, 'pages'), { recursive: true });
      return { shop: shop(folder) };
    },
    policies: [
      {
        version: 1,
        name: 'php-fpm',
        mode: 'act',
        service: { type: 'external' },
        rules: [{ name: 'Wait', when: { cause: away }, try: [{ do: 'wait', with: { at_most: '1m' } }] }],
        verify: { within: '5s', stable_for: '500ms', checks: [{ connect: 'ok' }] },
      },
    ],
  });
  const nginx = await startNginx(t, { http: upstreamBlock('php', [{ address: `unix:${gateway.folder}/shop.sock` }]), server: fastcgiLocation('php', pools.A.docroot) });
  const first = parse(readFileSync(gateway.config, 'utf8')) as Table;
  const texts = (event: string): readonly string[] =>
    gateway
      .audit()
      .filter((record) => record.event === event && 'text' in record)
      .map(({ text }) => String(text));
  return {
    pools,
    gateway,
    nginx,
    busyPort,
    extraPort,
    open,
    elsewhere: tempFolder(t),
    executions: () => readFileSync(executed, 'utf8').trim().split('\n'),
    write: (changed, rest = {}) => replaceFile(gateway.config, stringify({ ...first, gateways: { shop: { ...shop(gateway.folder), ...changed } }, ...rest }, { aliasDuplicateObjects: false })),
    texts,
    reload: async (event, change) => {
      const before = texts(event).length;
      change();
      signal(gateway.pid('supervisor')!, 'SIGHUP');
      await until(() => texts(event).length > before, { timeoutMs: 15_000, what: () => `${event}: ${gateway.log().slice(-2000)}` });
      return texts(event).at(-1)!;
    },
    who: async () => (await ask(`${nginx.url}/who.php`)).text,
  };
}

interface Mistake {
  /** Writes it; what it returns takes back what is not in goodgateway.yaml. */
  readonly make: (scene: Scene, upstream: string) => (() => void) | undefined | void;
  /** What is on record: where, and why. */
  readonly said: RegExp;
}

const at = String.raw`goodgateway\.yaml:\d+:\d+: `;
/** Each would also move the upstream, if a part of it were taken. */
const mistakes: readonly Mistake[] = [
  { make: ({ gateway }) => replaceFile(gateway.config, 'version: 1\ngateways:\n  shop: [\n'), said: new RegExp(`${at}.+`) },
  { make: ({ write }, upstream) => write({ upstream, upstrem: 'x' }), said: new RegExp(`${at}.*upstrem`) },
  { make: ({ write }, upstream) => write({ upstream, hold: { for: 'soon' } }), said: new RegExp(`${at}.*for: expected a`) },
  { make: ({ write }, upstream) => write({ upstream, service: 'nobody' }), said: new RegExp(`${at}service: no policy has the name`) },
  {
    make: ({ write, gateway, busyPort }, upstream) => write({ upstream, listen: [`unix:${gateway.folder}/shop.sock`, `127.0.0.1:${busyPort}`], listen_on_tcp_anyway: true }),
    said: new RegExp(`${at}cannot listen on 127\\.0\\.0\\.1:\\d+: another process listens there.*\\(says the proxy\\)`),
  },
  {
    make: ({ write, gateway }, upstream) => {
      const file = join(gateway.folder, 'policies.d', '1.yaml');
      replaceFile(file, 'version: 1\nname: other\nrulez: []\n');
      write({ upstream });
      return () => rmSync(file);
    },
    said: /policies\.d\/1\.yaml:\d+:\d+: .*rulez/,
  },
  { make: ({ write }, upstream) => write({ upstream }, { safety: 'missing.yaml' }), said: new RegExp(`${at}safety: .*missing\\.yaml`) },
  {
    make: ({ write, elsewhere }, upstream) => write({ upstream, fallback: { folder: elsewhere } }),
    said: new RegExp(`${at}.*fallback\\.folder: .*: what the proxy may reach is fixed when it starts`),
  },
  {
    make: ({ write, gateway, elsewhere }, upstream) => write({ upstream, listen: [`unix:${gateway.folder}/shop.sock`, `unix:${elsewhere}/shop.sock`] }),
    said: new RegExp(`${at}the proxy may make no socket in .*restart it`),
  },
  {
    make: ({ write, gateway }, upstream) => {
      const file = join(gateway.folder, 'pages', 'en.txt');
      replaceFile(file, 'no_such_text = x\n');
      write({ upstream });
      return () => rmSync(file);
    },
    said: /pages\/en\.txt:1:1: .*this file is not used/,
  },
  { make: ({ write }, upstream) => write({ upstream }, { log: { level: 'debug' } }), said: new RegExp(`${at}log\\.level: changed, which needs a restart of goodgateway`) },
  { make: ({ write }, upstream) => write({ upstream, protocol: 'http' }), said: new RegExp(`${at}.*speaks fastcgi, and a socket that stays cannot change that`) },
];

t.test('a hundred reloads under load, every second one wrong; then held requests, a gateway that goes, and a proxy that dies', { skip, timeout: 180_000 }, async (t) => {
  const scene = await startScene(t);
  const { pools, gateway, nginx, write, reload, who } = scene;
  const pids = [gateway.pid('proxy'), gateway.pid('healer')];
  const load = startLoad(t, { port: nginx.port, rate: 60, posts: 0.3, path: (_method, id) => `/record.php?id=${id}` });
  const extra = { listen: `127.0.0.1:${scene.extraPort}`, protocol: 'http', upstream: `127.0.0.1:${scene.busyPort}`, service: 'php-fpm' };
  const shopOf = (upstream: string): Table => ({
    listen: `unix:${gateway.folder}/shop.sock`,
    socket: { ...(isRoot && { group: 'www-data' }) },
    protocol: 'fastcgi',
    upstream,
    service: 'php-fpm',
    fallback: { folder: join(gateway.folder, 'pages') },
  });
  const writeAll = (pool: 'A' | 'B', withExtra: boolean): void => write({}, { gateways: { shop: shopOf(pools[pool].address), ...(withExtra && { extra }) } });
  let now: 'A' | 'B' = 'A';
  for (let i = 0; i < 50; i++) {
    const other: 'A' | 'B' = now === 'A' ? 'B' : 'A';
    const mistake = mistakes[i % mistakes.length]!;
    const takeBack: (() => void)[] = [];
    t.match(await reload('policy.rejected', () => takeBack.push(mistake.make(scene, pools[other].address) ?? (() => undefined))), mistake.said);
    t.equal(await who(), now, 'the last good one is in force');
    writeAll(now, i % 2 === 1); // as it is: nothing of the mistake is to be taken when the other half of it goes
    for (const back of takeBack) back();
    t.match(await reload('policy.loaded', () => writeAll(other, i % 2 === 0)), /the gateways were read again: shop, extra/);
    now = other;
    // the word to the proxy is on its way when the reload is on record
    const isInForce = async (): Promise<boolean> => (await who()) === now && (await accepts({ host: '127.0.0.1', port: scene.extraPort })) === (i % 2 === 0);
    await until(isInForce, { timeoutMs: 15_000, what: () => `pool ${now} to be in force` });
  }
  const results = await load.stop();
  t.same(
    results.filter(({ status }) => status !== 200),
    [],
    summarise(results),
  );
  t.equal(new Set(scene.executions()).size, scene.executions().length, 'nothing was executed twice');
  t.same([gateway.pid('proxy'), gateway.pid('healer')], pids, 'nobody was restarted');
  const completed = async (): Promise<number> => ((await gateway.state('shop'))['total'] as { completed: number }).completed;
  await until(async () => (await completed()) >= results.length, { timeoutMs: 15_000, what: 'what was counted to be counted still' });

  t.equal(now, 'A');
  await pools.A.stop();
  const held = Array.from({ length: 10 }, (_, n) => ask(`${nginx.url}/record.php?id=held-${n}`, { method: n % 2 === 0 ? 'POST' : 'GET', body: 'x' }));
  await until(async () => (await gateway.state('shop'))['held'] === 10, { timeoutMs: 20_000, what: 'ten that wait' });
  await reload('policy.loaded', () => write({ upstream: pools.B.address, hold: { for: '20s' } }));
  t.match(
    await Promise.all(held),
    Array.from({ length: 10 }, (_, n) => ({ status: 200, text: `held-${n}` })),
    'they are answered where requests go now',
  );
  t.equal(scene.executions().filter((line) => line.includes('held-')).length, 10, 'each of them once');
  const isOver = (): boolean =>
    gateway.audit().filter(({ event }) => event === 'incident.opened').length === gateway.audit().filter(({ event }) => /^incident\.(recovered|closed)$/.test(event)).length;
  await until(isOver, { timeoutMs: 20_000, what: () => `the healer to look at the new upstream: ${JSON.stringify(gateway.audit().slice(-5))}` });

  await reload('policy.loaded', () => writeAll('B', true));
  const late = ask(`http://127.0.0.1:${scene.extraPort}/late`);
  await until(() => scene.open.length === 1, { timeoutMs: 15_000, what: 'a request in the backend' });
  await reload('policy.loaded', () => writeAll('B', false));
  await until(async () => !(await accepts({ host: '127.0.0.1', port: scene.extraPort })), { timeoutMs: 15_000, what: 'a gateway that is gone to take nobody in' });
  scene.open[0]!.end('after all');
  t.match(await late, { status: 200, text: 'after all' }, 'and finishes what it has');

  await reload('policy.rejected', () => replaceFile(gateway.config, 'gateways: [\n'));
  await gateway.kill('proxy');
  await until(async () => (await who()) === 'B', { timeoutMs: 15_000, what: 'the proxy to serve by what is in force' });
  await until(() => /this proxy goes by what was in force, and not by .*goodgateway\.yaml: it has a mistake/.test(gateway.log()), { timeoutMs: 15_000, what: 'the new proxy to say by what it goes' });

  // a healer that is away judges nothing: the proxy reads its own part
  await pools.A.start();
  const supervisor = gateway.pid('supervisor')!;
  signal(supervisor, 'SIGSTOP');
  t.teardown(() => signal(supervisor, 'SIGCONT'));
  signal(gateway.pid('healer')!, 'SIGKILL');
  await until(async () => ((await (await fetch(`${gateway.adminUrl}/state`)).json()) as { healer: string }).healer === 'away', { timeoutMs: 15_000, what: 'the healer to be missed' });
  signal(gateway.pid('proxy')!, 'SIGHUP');
  await until(() => /no healer is there.*those before stay in force/.test(gateway.log()), { timeoutMs: 15_000, what: 'the refusal' });
  write({ upstream: pools.A.address });
  signal(gateway.pid('proxy')!, 'SIGHUP');
  await until(async () => (await who()) === 'A', { timeoutMs: 15_000, what: 'the new upstream' });
  signal(supervisor, 'SIGCONT');
  await until(async () => ((await (await fetch(`${gateway.adminUrl}/state`)).json()) as { healer: string }).healer === 'connected', { timeoutMs: 15_000, what: 'the next healer' });
  t.equal(await who(), 'A');
  t.notMatch(gateway.log(), /a bug in goodgateway/);
});
