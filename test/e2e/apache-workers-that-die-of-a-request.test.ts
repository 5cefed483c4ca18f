import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startApache } from '../support/apache.ts';
import { startGoodgateway } from '../support/goodgateway.ts';
import { freePort } from '../support/ports.ts';
import { missing } from '../support/skip.ts';
import { until } from '../support/until.ts';
import { ask, readyPolicy } from './site.ts';

const listenPort = await freePort();

/**
 * Ends the Apache child that waits for it by SIGSEGV. A CGI program has no crash of its own to offer: mod_cgid runs it
 * in another process, the youngest child of the master is the one that serves (the other one is mod_cgid's).
 */
const deadly = (folder: string): string => `#!/bin/sh
cat > /dev/null
printf '%s\\n' "$REQUEST_METHOD" >> '${folder}/data/deaths'
master=$(cat '${folder}/apache.pid')
victim=0
for stat in /proc/[0-9]*/stat; do
  read -r pid name state parent rest 2>/dev/null < "$stat"
  if [ "$parent" = "$master" ] && [ "$pid" -gt "$victim" ]; then victim=$pid; fi
done
kill -SEGV "$victim"
sleep 5
`;

t.test('a request that ends its Apache worker twice is quarantined, although Apache says it a second late', { skip: missing('apache2') }, async (t) => {
  // one child only, so that the youngest is the one
  const apache = await startApache(t, { extra: 'ServerLimit 1\nMaxRequestWorkers 16' });
  writeFileSync(join(apache.folder, 'cgi-bin/deadly'), deadly(apache.folder), { mode: 0o755 });
  const gateway = await startGoodgateway(t, {
    gateways: () => ({ site: { listen: `127.0.0.1:${listenPort}`, protocol: 'http', upstream: apache.address, service: 'apache' } }),
    policies: [
      readyPolicy('apache.yaml', {
        mode: 'act',
        service: {
          type: 'process',
          pidfile: apache.pidfile,
          start: apache.startArgv,
          stop: { signal: 'TERM', timeout: '2s' },
          config_test: apache.configTestArgv,
          log: join(apache.folder, 'error.log'),
        },
        'verify.stable_for': '1s',
        'verify.checks': [{ service: 'running' }, { connect: 'ok' }],
      }),
    ],
  });
  const master = apache.masterPid();
  const deaths = (): number => (existsSync(join(apache.folder, 'data/deaths')) ? readFileSync(join(apache.folder, 'data/deaths'), 'utf8').trim().split('\n').length : 0);
  const post = () => ask(`http://127.0.0.1:${listenPort}/cgi-bin/deadly`, { method: 'POST', body: 'a=1' });
  for (const tries of [1, 2]) {
    t.equal((await post()).status, 503);
    t.equal(deaths(), tries);
    const what = (): string => `the strike: ${gateway.log().slice(-2000)} ${apache.errorLog()}`;
    await until(() => gateway.log().includes(`POST /cgi-bin/deadly ended its worker (${tries} of 2 times)`), { timeoutMs: 20_000, what });
  }
  await until(async () => (await gateway.state('site'))['quarantined'] === 1, { timeoutMs: 20_000, what: 'the quarantine' });
  t.match(await post(), { status: 503, headers: { 'proxy-status': 'goodgateway; error=http_request_denied' } });
  t.equal(deaths(), 2);
  t.match(apache.errorLog().match(/AH0005\d: child pid \d+ exit signal Segmentation fault \(11\)/g), { length: 2 });
  t.match(await ask(`http://127.0.0.1:${listenPort}/`), { status: 200, text: 'hello' });
  t.equal(apache.masterPid(), master, 'Apache was not restarted');
});
