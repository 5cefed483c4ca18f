import t from 'tap';
import { stringify } from 'yaml';
import { writeInitScript } from '../fixtures/services/init-script.ts';
import { fastcgiLocation, startNginx } from '../support/nginx.ts';
import { freePort } from '../support/ports.ts';
import { succeed } from '../support/program.ts';
import { missing, programPath } from '../support/skip.ts';
import { bootSystemd, cannotBootSystemd, type Systemd } from '../support/systemd.ts';
import { until } from '../support/until.ts';
import { ask, readyPolicy, startSite } from './site.ts';

const html = { headers: { accept: 'text/html' } };

t.test('stopped through its init script: never started by us, the page says so, a crash is another matter', { skip: missing('nginx', 'php-fpm8.2') }, async (t) => {
  let script = '';
  const site = await startSite(t, {
    failOpen: false,
    service: (fpm) => {
      script = writeInitScript(fpm.folder, { argv: fpm.startArgv, pidfile: fpm.pidfile });
      return { type: 'init', script, pidfile: fpm.pidfile, config_test: fpm.configTestArgv };
    },
  });
  site.fpm.crash();
  await until(() => site.records('incident.recovered').length === 1, { timeoutMs: 20_000, what: () => `the crash to be healed: ${site.gateway.log().slice(-2000)}` });

  await succeed([script, 'stop']);
  await until(() => site.records('diagnosis.made').at(-1)?.['cause'] === 'service.stopped_by_operator', { timeoutMs: 20_000, what: () => `the diagnosis: ${site.gateway.log().slice(-2000)}` });
  await until(async () => (await site.gateway.state('shop'))['gate'] === 'falling_back', { timeoutMs: 15_000, what: 'the gate to answer at once' });
  const page = await ask(`${site.nginx.url}/hello.php`, html);
  t.match(page, { status: 503, text: /It was stopped on purpose/ });
  t.ok(page.tookMs < 30_000, 'nobody waits for as long as a request may be held');
  // the watch looks every second: two more looks pass without a start
  const looks = (): number => site.gateway.log().length;
  const before = looks();
  await until(async () => (await site.gateway.command('status', '--json')).output.includes('"stopped"') && looks() >= before, { timeoutMs: 15_000, what: 'the status' });
  await until(() => site.records('action.intent').length >= 2, { timeoutMs: 15_000, what: 'somebody to be told' });
  t.same(
    site.records('action.intent').map(({ action }) => action),
    ['start', 'page'],
    'the crash was healed, the stop was told',
  );
  t.same(site.fpm.processes(), []);

  await succeed([script, 'start']);
  await until(() => site.records('incident.recovered').length === 2, { timeoutMs: 20_000, what: 'the end, once its operator started it' });
  t.match(await ask(`${site.nginx.url}/hello.php`), { status: 200 });
});

t.test('the same under systemd: a crash is healed, systemctl stop is respected', { skip: missing('nginx', 'php-fpm8.2') || cannotBootSystemd() }, async (t) => {
  const port = await freePort();
  const systemd = await bootSystemd(t, {
    units: {
      'php-test.service': ['[Service]', 'Type=notify', `ExecStart=${programPath('php-fpm8.2')} --nodaemonize --fpm-config /run/php-test/fpm.conf`, 'ExecReload=/bin/kill -USR2 $MAINPID', ''].join(
        '\n',
      ),
      'goodgateway.service': ['[Service]', 'WorkingDirectory=/run/project', 'ExecStart=/run/project/node_modules/.bin/node src/cli/main.ts run --config /run/gg/goodgateway.yaml', ''].join('\n'),
    },
    wanted: [],
  });
  const write = (path: string, text: string): Promise<string> => systemd.inside(['/bin/sh', '-c', 'mkdir -p "$(dirname "$1")"; umask 022; printf %s "$2" > "$1"', 'write', path, text]);
  const systemctl = (...args: readonly string[]): Promise<string> => systemd.inside(['/usr/bin/systemctl', ...args]);
  await write('/run/php-test/hello.php', '<?php echo "hello";');
  await write(
    '/run/php-test/fpm.conf',
    ['[global]', 'error_log = /run/php-test/fpm.log', '[www]', 'user = www-data', 'group = www-data', 'listen = /run/php-test/php.sock', 'pm = static', 'pm.max_children = 2', ''].join('\n'),
  );
  await write(
    '/run/gg/policy.yaml',
    readyPolicy('php-fpm.yaml', {
      mode: 'act',
      'service.unit': 'php-test.service',
      'service.config_test': ['/bin/true'],
      'service.pool': '/run/php-test/fpm.conf',
      'service.log': '/run/php-test/fpm.log',
      'limits.cooldown': '0s',
      'verify.stable_for': '500ms',
      'verify.checks': [{ unit: 'active' }, { connect: 'ok' }],
    }),
  );
  const gateways = { shop: { listen: `127.0.0.1:${port}`, listen_on_tcp_anyway: true, protocol: 'fastcgi', upstream: 'unix:/run/php-test/php.sock', service: 'php-fpm' } };
  await write('/run/gg/goodgateway.yaml', stringify({ version: 1, gateways, policies: 'policy.yaml', audit: { folder: '/run/gg/audit' }, state: '/run/gg/state', runtime: '/run/gg' }));
  await systemctl('start', 'php-test.service', 'goodgateway.service');
  const nginx = await startNginx(t, { server: fastcgiLocation(`127.0.0.1:${port}`, '/run/php-test') });
  await until(async () => (await ask(`${nginx.url}/hello.php`)).status === 200, { timeoutMs: 20_000, what: 'the whole way to stand' });

  await systemctl('kill', '--signal=KILL', '--kill-who=main', 'php-test.service');
  await until(() => hasRecord(systemd, 'incident.recovered'), { timeoutMs: 20_000, what: 'the crash to be healed' });
  t.match(await systemctl('is-active', 'php-test.service'), /^active/);
  t.match(await ask(`${nginx.url}/hello.php`), { status: 200, text: 'hello' });

  await systemctl('stop', 'php-test.service');
  await until(() => hasRecord(systemd, 'service.stopped_by_operator'), { timeoutMs: 20_000, what: 'the diagnosis' });
  const page = await until(() => ask(`${nginx.url}/hello.php`, html).then((answer) => (answer.text.includes('stopped on purpose') ? answer : undefined)), {
    timeoutMs: 20_000,
    what: 'the page to say so',
  });
  t.equal(page.status, 503);
  t.match((await systemd.try(['/usr/bin/systemctl', 'is-active', 'php-test.service'])).output, /^inactive/);
  const audit = await readAudit(systemd);
  t.equal(audit.filter((line) => line.includes('"action.intent"') && line.includes('"start"')).length, 1, 'started once, after the crash');
});

async function readAudit(systemd: Systemd): Promise<readonly string[]> {
  return (await systemd.try(['/bin/sh', '-c', 'cat /run/gg/audit/*.jsonl'])).output.split('\n');
}

async function hasRecord(systemd: Systemd, word: string): Promise<boolean> {
  return (await readAudit(systemd)).some((line) => line.includes(`"${word}"`));
}
