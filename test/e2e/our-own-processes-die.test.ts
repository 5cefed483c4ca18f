/** One at a time; under load: units-lose-no-request.test.ts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { processInfo, signal } from '../support/processes.ts';
import { missing } from '../support/skip.ts';
import { until } from '../support/until.ts';
import { ask, startSite, pidfileService } from './site.ts';
import { killAll } from './topology.ts';

const skip = missing('nginx', 'php-fpm8.2');

t.test('the healer is killed in the middle of a repair: traffic goes on, the repair is verified and not repeated', { skip }, async (t) => {
  const site = await startSite(t, {
    // a start that takes until the healer is dead; it leaves a line for each time that it was called
    service: (fpm) => {
      const script = `${fpm.folder}/slow-start`;
      writeFileSync(script, `#!/bin/sh\necho started >> ${fpm.data}/starts\nwhile [ ! -e ${fpm.data}/go ]; do sleep 0.05; done\nexec ${fpm.startArgv.join(' ')}\n`, { mode: 0o755 });
      return { ...pidfileService(fpm), start: [script] };
    },
    policy: { 'limits.backoff.initial': '20s' },
  });
  site.fpm.crash();
  const waiting = Array.from({ length: 5 }, () => ask(`${site.nginx.url}/hello.php`));
  await until(() => readFileSync(`${site.fpm.data}/starts`, 'utf8') !== '', { timeoutMs: 20_000, what: 'the start command to run' });
  const killed = await site.gateway.kill('healer');
  writeFileSync(`${site.fpm.data}/go`, '');
  t.match(await ask(`${site.gateway.adminUrl}/livez`), { status: 200 }, 'the proxy lives');
  await until(() => site.gateway.pid('healer') !== undefined && site.gateway.pid('healer') !== killed, { timeoutMs: 20_000, what: 'a new healer' });
  const recovered = await until(() => site.records('incident.recovered')[0], { timeoutMs: 30_000, what: () => `the recovery: ${site.gateway.log().slice(-3000)}` });
  const intent = site.records('action.intent')[0];
  t.match(site.records('action.unknown'), [{ action: 'start', action_id: intent?.['action_id'], parent: intent?.['seq'], incident: recovered['incident'] }]);
  t.equal(site.records('action.intent').length, 1, 'the start is not repeated');
  t.equal(readFileSync(`${site.fpm.data}/starts`, 'utf8'), 'started\n');
  t.same(
    (await Promise.all(waiting)).map(({ text }) => text),
    Array(5).fill('hello'),
    'those who waited were served',
  );
  t.match(await site.gateway.command('audit', 'verify'), { code: 0 });
});

t.test('without a healer the page works, and a backend that a person starts is used again', { skip }, async (t) => {
  const site = await startSite(t, { gateway: { hold: { for: '500ms' } }, failOpen: false });
  const supervisor = site.gateway.pid('supervisor')!;
  signal(supervisor, 'SIGSTOP');
  t.teardown(() => signal(supervisor, 'SIGCONT'));
  signal(site.gateway.pid('healer')!, 'SIGKILL');
  await killAll(site.fpm);
  const page = await ask(`${site.nginx.url}/hello.php`, { headers: { accept: 'text/html' } });
  t.match(page, { status: 503, text: /We&#39;ll be right back/, headers: { 'retry-after': /^\d+$/ } });
  await site.fpm.start();
  await until(async () => (await ask(`${site.nginx.url}/hello.php`)).text === 'hello', { timeoutMs: 15_000, what: 'the backend to be used again' });
});

t.test('a policy that became wrong keeps the healer away, and nothing else', { skip }, async (t) => {
  const site = await startSite(t, { failOpen: false });
  const policy = join(site.gateway.folder, 'policies.d', '0.yaml');
  const good = readFileSync(policy, 'utf8');
  const proxy = site.gateway.pid('proxy');
  writeFileSync(policy, `${good}\nunknwon: 1\n`);
  await site.gateway.kill('healer');
  await until(() => site.gateway.log().includes('unknwon'), { timeoutMs: 20_000, what: 'the mistake to be named' });
  t.match(await ask(`${site.nginx.url}/hello.php`), { status: 200, text: 'hello' });
  t.equal(site.gateway.pid('proxy'), proxy);
  writeFileSync(policy, good);
  await until(async () => (await site.gateway.command('status')).output.includes('no open incident'), { timeoutMs: 30_000, what: () => `the healer to come back: ${site.gateway.log().slice(-2000)}` });
});

t.test('Ctrl-C, which reaches every process, ends them in order and answers what is under way', { skip }, async (t) => {
  const slowPage = '<?php while (!file_exists(__DIR__ . "/../data/go")) { usleep(10000); clearstatcache(); } echo "late";';
  const site = await startSite(t, { fpm: { scripts: { 'slow.php': slowPage } }, failOpen: false });
  const slow = ask(`${site.nginx.url}/slow.php`);
  await until(async () => (await site.gateway.state('shop'))['in_flight'] === 1, { timeoutMs: 15_000, what: 'the request in php-fpm' });
  const pids = (['supervisor', 'proxy', 'healer'] as const).map((name) => site.gateway.pid(name)!);
  // as a terminal does; the supervisor's own SIGTERM, and another of somebody in a hurry, come on top of it
  for (const pid of pids.toReversed()) signal(pid, 'SIGINT');
  signal(pids[1]!, 'SIGTERM');
  writeFileSync(join(site.fpm.data, 'go'), '');
  t.equal(await site.gateway.stop(), 0);
  t.match(await slow, { status: 200, text: 'late' });
  t.same(
    pids.map((pid) => processInfo(pid)),
    [undefined, undefined, undefined],
  );
  t.equal(site.gateway.audit().at(-1)?.event, 'agent.stopped');
});
