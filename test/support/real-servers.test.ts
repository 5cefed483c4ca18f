import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startApache } from './apache.ts';
import { startLoad, summarise } from './load.ts';
import { fastcgiLocation, proxyLocation, startNginx, upstreamBlock } from './nginx.ts';
import { preparePhpFpm, startPhpFpm } from './php-fpm.ts';
import { answersHello, echoesTheRequest, recordsEachExecution } from './php-scripts.ts';
import { accepts, freePort } from './ports.ts';
import { endAll, processInfo, processes, signal } from './processes.ts';
import { finish, start } from './program.ts';
import { needs } from './skip.ts';
import { tempFolder, type TestScope } from './temp-folder.ts';
import { until } from './until.ts';

/** Teardowns that the test runs by itself, so that it can look at what is left; a failed test runs them too. */
function scopeWithin(t: TestScope) {
  const runs: (() => unknown)[] = [];
  const end = async (): Promise<void> => {
    for (const run of runs.splice(0).reverse()) await run();
  };
  t.teardown(end);
  return { teardown: (run: () => unknown) => runs.push(run), end };
}

t.test('nginx and php-fpm serve a mixed load, each request executed once, and leave nothing behind', async (t) => {
  if (!needs(t, 'nginx', 'php-fpm8.2')) return;
  const inner = scopeWithin(t);
  const fpm = await startPhpFpm(inner, { maxChildren: 3, scripts: { 'echo.php': echoesTheRequest } });
  const executions = join(fpm.data, 'executions');
  writeFileSync(join(fpm.docroot, 'index.php'), recordsEachExecution(executions, 1));
  const nginx = await startNginx(inner, {
    http: upstreamBlock('php', [{ address: fpm.address }]),
    server: fastcgiLocation('php', fpm.docroot),
  });
  t.equal(fpm.workers().length, 3, 'a static pool');
  t.match(processInfo(fpm.masterPid())?.command, /master process/, 'the pidfile names the master');

  const echo = await fetch(`${nginx.url}/echo.php?a=1`, { method: 'POST', body: 'four' });
  t.match(await echo.json(), { method: 'POST', query: 'a=1', length: 4 });

  const load = startLoad(inner, { port: nginx.port, rate: 200, posts: 0.3, path: (_, id) => `/index.php?id=${id}` });
  await until(() => load.results.length >= 100, { timeoutMs: 15_000, what: 'a hundred answers' });
  const results = await load.stop();
  t.ok(
    results.every(({ status }) => status === 200),
    summarise(results),
  );
  const expected = results.map(({ method, id }) => `${method} ${id}`).sort();
  t.same(readFileSync(executions, 'utf8').trim().split('\n').sort(), expected, 'PHP saw each request once');
  t.match(nginx.accessLog(), /^200 unix:/m);

  await inner.end();
  t.same([...fpm.processes(), ...nginx.processes()], [], 'no process is left');
  t.notOk(existsSync(fpm.folder) || existsSync(nginx.folder), 'no folder is left');
});

t.test('php-fpm on TCP: orphaned workers keep the address, a plain start fails, stop ends them all the same', async (t) => {
  if (!needs(t, 'php-fpm8.2')) return;
  const fpm = await startPhpFpm(t, { listen: 'tcp', maxChildren: 2, scripts: { 'hello.php': answersHello } });
  const master = fpm.masterPid();
  signal(master, 'SIGKILL');
  await until(() => processInfo(master) === undefined, { timeoutMs: 15_000, what: 'the end of the master' });
  t.equal(fpm.workers().length, 2, 'the workers live on');
  const again = await finish(fpm.startArgv);
  t.not(again.code, 0);
  t.match(again.output + readFileSync(fpm.log, 'utf8'), /Address already in use|already listen/);
  await fpm.stop();
  t.same(fpm.processes(), []);
  await fpm.start();
  t.equal(fpm.workers().length, 2, 'and it can be started again');
});

t.test('a prepared php-fpm does not run, and its configuration test says when it is broken', async (t) => {
  if (!needs(t, 'php-fpm8.2')) return;
  const good = await preparePhpFpm(t);
  t.same(good.processes(), []);
  t.equal((await finish(good.configTestArgv)).code, 0);
  const broken = await preparePhpFpm(t, { pool: ['no_such_directive = 1'] });
  const { code, output } = await finish(broken.configTestArgv);
  t.not(code, 0);
  t.match(output, /no_such_directive/);
});

t.test('nginx in front of Apache: page, CGI that records executions, kill of all, start again', async (t) => {
  if (!needs(t, 'nginx', 'apache2')) return;
  const inner = scopeWithin(t);
  const apache = await startApache(inner, { pages: { 'other.txt': 'other' } });
  const nginx = await startNginx(inner, { http: upstreamBlock('backend', [{ address: apache.address }]), server: proxyLocation('backend') });
  t.equal(await (await fetch(`${nginx.url}/`)).text(), 'hello');
  t.equal(await (await fetch(`${nginx.url}/cgi-bin/record?id=p1`, { method: 'POST', body: 'x' })).text(), 'p1');
  t.equal(await (await fetch(`${nginx.url}/cgi-bin/record?id=g1`)).text(), 'g1');
  t.equal(readFileSync(apache.executions, 'utf8'), 'POST p1\nGET g1\n');

  for (const { pid } of apache.processes()) signal(pid, 'SIGKILL');
  await until(() => apache.processes().length === 0, { timeoutMs: 15_000, what: 'the end of Apache' });
  t.equal((await fetch(`${nginx.url}/`)).status, 502, 'what visitors see without a gateway');
  await apache.start();
  t.equal((await fetch(`${nginx.url}/other.txt`)).status, 200, 'no peer was turned off meanwhile');

  await nginx.reload({ server: 'location / { return 204; }' });
  await until(async () => (await fetch(nginx.url)).status === 204, { timeoutMs: 15_000, what: 'the new configuration' });
  await inner.end();
  t.same([...apache.processes(), ...nginx.processes()], [], 'no process is left');
});

t.test('a load tells refused, cut and late answers from good ones', async (t) => {
  const port = await freePort();
  t.notOk(await accepts({ host: '127.0.0.1', port }));
  const load = startLoad(t, { port, rate: 500 });
  await until(() => load.results.length >= 5, { timeoutMs: 15_000, what: 'some failures' });
  const results = await load.stop();
  t.ok(
    results.every(({ status, error }) => status === 0 && error?.includes('ECONNREFUSED')),
    summarise(results),
  );
  t.equal(new Set(results.map(({ id }) => id)).size, results.length, 'ids are unique');
  t.equal(load.inFlight(), 0);
});

t.test('endAll ends what ignores a polite signal, and what is stopped', async (t) => {
  const folder = tempFolder(t);
  const argv = ['/bin/sh', '-c', `trap '' TERM; echo ready; while :; do sleep 0.05; done; : ${folder}`];
  const [stubborn, frozen] = [start(argv), start(argv)];
  const mine = () => processes(({ command }) => command.includes(folder));
  t.teardown(() => endAll(mine));
  await until(() => stubborn.output() !== '' && frozen.output() !== '', { timeoutMs: 15_000, what: 'both to run' });
  signal(frozen.pid, 'SIGSTOP');
  await endAll(mine, 'SIGTERM', 100);
  t.equal((await stubborn.ended).signal, 'SIGKILL');
  t.equal((await frozen.ended).signal, 'SIGKILL');
  await t.rejects(
    until(() => false, { timeoutMs: 20, what: 'nothing' }),
    { message: 'waited 20 ms for nothing' },
  );
});
