import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { startApache } from '../support/apache.ts';
import { startGoodgateway } from '../support/goodgateway.ts';
import { startLoad, summarise } from '../support/load.ts';
import { proxyLocation, startNginx, upstreamBlock } from '../support/nginx.ts';
import { accepts, freePort } from '../support/ports.ts';
import { missing } from '../support/skip.ts';
import { until } from '../support/until.ts';
import { ask, readyPolicy } from './site.ts';
import { killAll } from './topology.ts';
import { wasUnderWay } from './unit-host.ts';

const listenPort = await freePort();

t.test('nginx → goodgateway → Apache: kill -9 of every process under load', { skip: missing('nginx', 'apache2') }, async (t) => {
  // where Plesk puts its Apache, unless somebody is there already
  const port = (await accepts({ host: '127.0.0.1', port: 7080 })) ? await freePort() : 7080;
  const apache = await startApache(t, { port });
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({
      site: {
        listen: [`unix:${folder}/site.sock`, `127.0.0.1:${listenPort}`],
        socket: { group: 'www-data' },
        protocol: 'http',
        upstream: apache.address,
        service: 'apache',
        hold: { for: '60s', requests: 2000 },
      },
    }),
    policies: [
      readyPolicy('apache.yaml', {
        mode: 'act',
        service: { type: 'process', pidfile: apache.pidfile, start: apache.startArgv, stop: { signal: 'TERM', timeout: '2s' }, config_test: apache.configTestArgv },
        'limits.cooldown': '0s',
        'verify.stable_for': '1s',
        'verify.checks': [{ service: 'running' }, { connect: 'ok' }],
      }),
    ],
  });
  const nginx = await startNginx(t, { http: upstreamBlock('site', [{ address: `unix:${gateway.folder}/site.sock` }, { address: apache.address, backup: true }]), server: proxyLocation('site') });
  t.match(await ask(`http://127.0.0.1:${listenPort}/`), { status: 200, text: 'hello' }, 'over TCP too');
  const running = startLoad(t, { port: nginx.port, rate: 200, posts: 0.1, path: (method, id) => (method === 'POST' ? `/cgi-bin/record?id=${id}` : '/') });
  await until(() => running.results.length > 200, { timeoutMs: 20_000, what: 'steady load' });
  const fromMs = Date.now();
  await killAll(apache);
  const death = { fromMs, toMs: Date.now() };
  const records = (event: string) => gateway.audit().filter((record) => record.event === event);
  await until(() => records('incident.recovered').length > 0, { timeoutMs: 30_000, what: () => `the recovery: ${gateway.log().slice(-2000)}` });
  await until(() => running.results.length > 600, { timeoutMs: 20_000, what: 'load after the repair' });
  const results = await running.stop();
  t.same(
    results.filter(({ method, status }) => method === 'GET' && status !== 200),
    [],
    `every GET got 200 (${summarise(results)})`,
  );
  const failedPosts = results.filter(({ method, status }) => method === 'POST' && status !== 200);
  t.same(
    failedPosts.filter((post) => !wasUnderWay(post, death)),
    [],
    'only POSTs failed that were under way when Apache died',
  );
  t.ok(
    failedPosts.every(({ status }) => status === 503),
    'with an honest 503',
  );
  const posts = existsSync(apache.executions)
    ? readFileSync(apache.executions, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('POST'))
    : [];
  t.ok(posts.length > 0);
  t.equal(new Set(posts).size, posts.length, 'no POST was executed twice');
  t.match(records('diagnosis.made')[0], { cause: 'service.crashed' });
  t.match(records('action.intent')[0], { action: 'start' });
});
