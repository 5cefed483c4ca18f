import { existsSync } from 'node:fs';
import t from 'tap';
import { startGoodgateway } from './goodgateway.ts';
import { fastcgiLocation, startNginx, upstreamBlock } from './nginx.ts';
import { startPhpFpm } from './php-fpm.ts';
import { answersHello } from './php-scripts.ts';
import { processInfo, signal } from './processes.ts';
import { isRoot, needs } from './skip.ts';
import { until } from './until.ts';

t.test('goodgateway runs as an operator runs it: ready, seen, killed, audited, and stopped without a trace', async (t) => {
  if (!needs(t, 'nginx', 'php-fpm8.2')) return;
  const fpm = await startPhpFpm(t, { maxChildren: 2, scripts: { 'hello.php': answersHello } });
  const goodgateway = await startGoodgateway(t, {
    gateways: (folder) => ({
      shop: { listen: `unix:${folder}/shop.sock`, protocol: 'fastcgi', upstream: fpm.address, service: 'php-fpm', ...(isRoot && { socket: { group: 'www-data' } }) },
    }),
    policies: [
      {
        version: 1,
        name: 'php-fpm',
        description: 'a private php-fpm',
        mode: 'act',
        service: { type: 'process', pidfile: fpm.pidfile, start: fpm.startArgv, config_test: fpm.configTestArgv },
        rules: [{ name: 'Crashed, so start it', when: { cause: 'service.crashed' }, try: [{ do: 'start', attempts: 3 }] }],
        verify: { within: '10s', stable_for: '1s', checks: [{ connect: 'ok' }] },
      },
    ],
  });
  const nginx = await startNginx(t, {
    http: upstreamBlock('php', [{ address: `unix:${goodgateway.folder}/shop.sock` }]),
    server: fastcgiLocation('php', fpm.docroot),
  });
  const hello = async (): Promise<string> => (await fetch(`${nginx.url}/hello.php`)).text();
  t.equal(await hello(), 'hello');
  t.match(await goodgateway.state('shop'), { gate: 'open', upstream: fpm.address });
  t.ok(goodgateway.pid('proxy') !== goodgateway.pid('healer') && goodgateway.pid('supervisor'));

  for (const { pid } of fpm.processes()) signal(pid, 'SIGKILL');
  t.equal(await hello(), 'hello', 'the first request after the kill waits and is answered');
  await until(() => goodgateway.audit().some(({ event }) => event === 'incident.recovered'), {
    timeoutMs: 30_000,
    what: () => `the end of the incident: ${JSON.stringify(goodgateway.audit().map(({ event }) => event))}`,
  });
  t.equal((await goodgateway.command('audit', 'verify')).code, 0);

  const killed = await goodgateway.kill('healer');
  await until(() => ![killed, undefined].includes(goodgateway.pid('healer')), { timeoutMs: 15_000, what: 'the healer to come back' });
  t.equal(await hello(), 'hello');
  const pids = (['supervisor', 'proxy', 'healer'] as const).map((name) => goodgateway.pid(name) ?? 0);
  t.equal(await goodgateway.stop(), 0, goodgateway.log().slice(-500));
  t.same(pids.map(processInfo), [undefined, undefined, undefined]);
  t.equal(fpm.workers().length, 2, 'what was repaired goes on running');
  t.notOk(existsSync(`${goodgateway.folder}/shop.sock`), 'no socket is left');
});
