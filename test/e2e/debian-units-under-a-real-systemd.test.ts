/**
 * Debian's own units of php-fpm, Apache, MariaDB and Redis under a real systemd of the test's own: their real settings
 * (no Restart= at all, on-abort, on-abnormal, always) decide who goes first. /etc and /var are overlays of that systemd,
 * so nothing of the machine is written; only ports and what would reach beyond them are changed, by drop-ins.
 */
import t from 'tap';
import { stringify } from 'yaml';
import { freePort } from '../support/ports.ts';
import { missing } from '../support/skip.ts';
import { bootSystemd, cannotBootSystemd, type Systemd } from '../support/systemd.ts';
import { until } from '../support/until.ts';
import { readyPolicy } from './site.ts';

const skip = missing('php-fpm8.2', 'apache2', 'mariadbd', 'redis-server', 'python3') || cannotBootSystemd();
const units = { php: 'php8.2-fpm.service', apache: 'apache2.service', mariadb: 'mariadb.service', redis: 'redis-server.service' } as const;
type Name = keyof typeof units;
type Record = Readonly<{ [key: string]: unknown }> & { readonly event: string; readonly service?: string };

t.test('Debian units under a real systemd', { skip, timeout: 180_000 }, async (t) => {
  const host = await startHost(t);

  await t.test('R19 supervisor first: php-fpm has no Restart=, so it is started at once', async (t) => {
    await host.killMain('php');
    await host.recovered('php');
    t.same(host.did(await host.news('php')), ['start']);
  });

  await t.test('R19 supervisor first: MariaDB is restarted by systemd in 5 s, which is waited for and on record', async (t) => {
    await host.killMain('mariadb');
    await host.recovered('mariadb');
    const news = await host.news('mariadb');
    t.same(host.did(news), [], 'nothing was done');
    t.ok(host.refusedBy(news, 'supervisor_first'), 'and the record says who went first');
    t.match(
      news.find(({ event }) => event === 'incident.recovered'),
      { outcome: { detail: /by itself/ } },
    );
    t.equal(await host.property('mariadb', 'NRestarts'), '1');
  });

  for (const name of ['redis', 'apache'] as const)
    await t.test(`R19 supervisor first: ${name} is restarted by systemd within 100 ms, before anybody could`, async (t) => {
      const before = await host.property(name, 'InvocationID');
      await host.killMain(name);
      await until(async () => (await host.property(name, 'ActiveState')) === 'active' && (await host.property(name, 'InvocationID')) !== before, {
        timeoutMs: 15_000,
        what: `systemd to restart ${name}`,
      });
      await host.settle(name);
      t.same(host.did(await host.news(name)), [], 'nothing was done');
    });

  await t.test('R18 deliberate stop: what systemctl stopped is left alone', async (t) => {
    await host.systemctl('stop', units.apache);
    await host.diagnosed('apache', 'service.stopped_by_operator');
    const news = await host.news('apache');
    t.same(
      host.did(news).filter((action) => action !== 'page'),
      [],
    );
    t.equal(await host.property('apache', 'ActiveState'), 'inactive');
    await host.systemctl('start', units.apache);
    await host.recovered('apache');
  });

  await t.test('R17 change detection: while dpkg holds its lock nothing is started; afterwards it is', async (t) => {
    await host.news('php');
    await host.shell(
      "python3 -c \"import fcntl,os,time; f=open('/var/lib/dpkg/lock-frontend','w'); fcntl.lockf(f, fcntl.LOCK_EX); open('/run/locked','w'); time.sleep(600)\" & echo $! > /run/lock-holder",
    );
    await until(async () => (await host.systemd.try(['/bin/test', '-e', '/run/locked'])).code === 0, { timeoutMs: 5000, what: 'the lock' });
    await host.killMain('php');
    await until(async () => host.refusedBy(await host.all('php'), 'change_in_progress'), { timeoutMs: 15_000, what: () => `the refusal: ${host.lastLog()}` });
    t.not(await host.property('php', 'ActiveState'), 'active');
    await host.shell('kill $(cat /run/lock-holder)');
    await host.recovered('php');
    t.same(host.did(await host.news('php')), ['start']);
  });

  await t.test('R21 fencing: what somebody else restarted between decision and act is not restarted again', async (t) => {
    await host.news('php');
    await host.write('/run/gg/interfere', '');
    await host.shell(`systemctl kill --signal=STOP ${units.php}`);
    await until(async () => host.refusedBy(await host.all('php'), 'fence'), { timeoutMs: 30_000, what: () => `the stale decision: ${host.lastLog()}` });
    await host.recovered('php');
    t.same(host.did(await host.news('php')), [], 'its own restart was not made');
  });

  await t.test('R22 unknown outcome: a systemctl that hangs is given up in time, and the service is verified', async (t) => {
    await host.news('php');
    await host.write(`/run/systemd/system/${units.php}.d/hangs.conf`, '[Service]\nExecStop=/bin/sleep 20\nTimeoutStopSec=8\n');
    await host.systemctl('daemon-reload');
    await host.shell(`systemctl kill --signal=STOP ${units.php}`);
    await until(async () => (await host.all('php')).some(({ event }) => event === 'action.unknown'), { timeoutMs: 30_000, what: () => `an unknown outcome: ${host.lastLog()}` });
    await host.recovered('php');
    const news = await host.news('php');
    const after = news.slice(news.findIndex(({ event }) => event === 'action.unknown'));
    t.match(
      after.find(({ event }) => event.startsWith('verify.')),
      { event: 'verify.passed' },
      'verified, not repeated',
    );
    t.same(host.did(news), ['restart']);
  });

  await t.test('service.start_limit_hit: systemd gave up, so its counter is reset once and it is started', async (t) => {
    await host.news('redis');
    await until(
      async () => {
        await host.systemd.try(['/usr/bin/systemctl', 'kill', '--signal=KILL', units.redis]);
        return (await host.property('redis', 'Result')) === 'start-limit-hit';
      },
      { timeoutMs: 20_000, everyMs: 150, what: 'systemd to give up' },
    );
    await host.recovered('redis');
    t.same(host.did(await host.news('redis')), ['reset_failed_and_start']);
  });
});

interface Host {
  readonly systemd: Systemd;
  shell(text: string): Promise<string>;
  systemctl(...args: readonly string[]): Promise<string>;
  write(path: string, text: string): Promise<string>;
  property(name: Name, property: string): Promise<string>;
  killMain(name: Name): Promise<unknown>;
  /** Every record of the service since the last `news` of it. */
  all(name: Name): Promise<readonly Record[]>;
  /** The same, and from now on only later ones count. */
  news(name: Name): Promise<readonly Record[]>;
  recovered(name: Name): Promise<unknown>;
  diagnosed(name: Name, cause: string): Promise<unknown>;
  /** The healer has looked at the service again, more than once, and has no open incident of it. */
  settle(name: Name): Promise<unknown>;
  did(records: readonly Record[]): readonly unknown[];
  refusedBy(records: readonly Record[], gate: string): boolean;
  lastLog(): string;
}

async function startHost(t: Parameters<typeof bootSystemd>[0]): Promise<Host> {
  const [fpmPort, apachePort, webPort, redisPort] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const goodgateway = ['[Service]', 'WorkingDirectory=/run/project', 'ExecStart=/run/project/node_modules/.bin/node src/cli/main.ts run --config /run/gg/goodgateway.yaml', ''].join('\n');
  const systemd = await bootSystemd(t, { units: { 'goodgateway.service': goodgateway }, wanted: [] });
  const shell = (text: string): Promise<string> => systemd.inside(['/bin/sh', '-ec', text]);
  const write = (path: string, text: string): Promise<string> => systemd.inside(['/bin/sh', '-c', 'mkdir -p "$(dirname "$1")"; umask 022; printf %s "$2" > "$1"', 'write', path, text]);
  const systemctl = (...args: readonly string[]): Promise<string> => systemd.inside(['/usr/bin/systemctl', ...args]);
  for (const folder of ['etc', 'var'])
    await shell(`mkdir -p /run/o/${folder}/u /run/o/${folder}/w; mount -t overlay overlay -o lowerdir=/${folder},upperdir=/run/o/${folder}/u,workdir=/run/o/${folder}/w /${folder}`);
  await shell('mount -t tmpfs tmpfs /var/tmp; mkdir -p /run/php; chown www-data /run/php');
  await write('/etc/apache2/ports.conf', `Listen 127.0.0.1:${apachePort}\n`);
  // Debian's helper changes alternatives; the rest of the unit is as it is installed
  await write(`/run/systemd/system/${units.php}.d/test.conf`, '[Service]\nExecStartPost=\nExecStopPost=\n');
  await write(`/run/systemd/system/${units.mariadb}.d/test.conf`, '[Service]\nEnvironment=MYSQLD_OPTS=--skip-networking\n');
  await write(
    `/run/systemd/system/${units.redis}.d/test.conf`,
    `[Service]\nExecStart=\nExecStart=/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd --daemonize no --port ${redisPort}\n`,
  );
  await write('/run/gg/config-test', `#!/bin/sh\n[ -e /run/gg/interfere ] || exit 0\nrm /run/gg/interfere\nsystemctl kill --signal=KILL ${units.php}\nsystemctl start ${units.php}\n`);
  await shell('chmod 755 /run/gg/config-test');
  const soon = { mode: 'act', 'limits.cooldown': '0s', 'limits.max_attempts': { times: 20, within: '1h' }, 'verify.stable_for': '500ms', 'verify.within': '20s' };
  const policies: { readonly [file: string]: string } = {
    php: readyPolicy('php-fpm.yaml', { ...soon, name: 'php', 'service.config_test': ['/run/gg/config-test'], 'rules.9.try.0.timeout': '3s' }),
    apache: readyPolicy('apache.yaml', { ...soon, name: 'apache' }),
    mariadb: readyPolicy('mariadb.yaml', soon),
    redis: readyPolicy('redis.yaml', { ...soon, 'service.listen': [`127.0.0.1:${redisPort}`], 'rules.4.when.lasting': '1s' }),
  };
  for (const [name, text] of Object.entries(policies)) await write(`/run/gg/policies.d/${name}.yaml`, text);
  const gateways = {
    php: { listen: `127.0.0.1:${fpmPort}`, listen_on_tcp_anyway: true, protocol: 'fastcgi', upstream: 'unix:/run/php/php8.2-fpm.sock', service: 'php' },
    web: { listen: `127.0.0.1:${webPort}`, protocol: 'http', upstream: `127.0.0.1:${apachePort}`, service: 'apache' },
  };
  const safety = { humans_first: '0s', pause_when: ['package_manager_running', 'unit_job_pending'], host_budget: { disruptive_actions: 100, starts: 100, keep_for_humans: 0 } };
  await write(
    '/run/gg/goodgateway.yaml',
    stringify({ version: 1, gateways, safety, policies: 'policies.d/*.yaml', audit: { folder: '/run/gg/audit' }, state: '/run/gg/state', runtime: '/run/gg/run' }),
  );
  await systemctl('daemon-reload');
  await systemctl('start', ...Object.values(units), 'goodgateway.service');
  const records = async (): Promise<readonly Record[]> =>
    (await systemd.try(['/bin/sh', '-c', 'cat /run/gg/audit/*.jsonl'])).output
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record);
  await until(async () => (await records()).filter(({ event }) => event === 'policy.loaded').length === 4, { timeoutMs: 20_000, everyMs: 100, what: 'the healer' });

  const seen = new Map<Name, number>();
  let lastLog = '';
  const all = async (name: Name): Promise<readonly Record[]> => {
    const found = (await records()).filter(({ service }) => service === name).slice(seen.get(name) ?? 0);
    lastLog = found.map((record) => `${record.event} ${String(record['text'] ?? '')}`).join('\n');
    return found;
  };
  const property = async (name: Name, wanted: string): Promise<string> => (await systemctl('show', '--value', '--property', wanted, units[name])).trim();
  const wait = (what: string, condition: () => Promise<boolean>): Promise<unknown> => until(condition, { timeoutMs: 40_000, everyMs: 100, what: () => `${what}:\n${lastLog}` });
  return {
    systemd,
    shell,
    systemctl,
    write,
    property,
    all,
    news: async (name) => {
      const found = await all(name);
      seen.set(name, (seen.get(name) ?? 0) + found.length);
      return found;
    },
    killMain: (name) => systemctl('kill', '--signal=KILL', '--kill-who=main', units[name]),
    recovered: (name) => wait(`${name} to recover`, async () => (await all(name)).some(({ event }) => event === 'incident.recovered')),
    diagnosed: (name, cause) => wait(`${cause} of ${name}`, async () => (await all(name)).some((record) => record.event.startsWith('diagnosis.') && record['cause'] === cause)),
    settle: (name) =>
      wait(`${name} to be looked at again`, async () => {
        const found = await all(name);
        return found.filter(({ event }) => event === 'incident.opened').length === found.filter(({ event }) => event === 'incident.recovered').length;
      }),
    did: (found) => found.filter(({ event }) => event === 'action.intent').map((record) => record['action']),
    refusedBy: (found, gate) =>
      found.some(
        (record) =>
          record.event === 'action.refused' && Array.isArray(record['gates']) && record['gates'].some((one: { gate?: unknown; verdict?: unknown }) => one.gate === gate && one.verdict === 'refuse'),
      ),
    lastLog: () => lastLog,
  };
}
