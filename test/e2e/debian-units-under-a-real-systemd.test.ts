/**
 * Debian's own units of php-fpm, Apache, MariaDB and Redis under a real systemd of the test's own: their real settings
 * (no Restart= at all, on-abort, on-abnormal, always) decide who goes first. /etc and /var are overlays of that systemd,
 * so nothing of the machine is written; only ports and what would reach beyond them are changed, by drop-ins.
 */
import t from 'tap';
import { until } from '../support/until.ts';
import { cannotStartDebianHost, startDebianHost, units } from './debian-host.ts';

t.test('Debian units under a real systemd', { skip: cannotStartDebianHost, timeout: 180_000 }, async (t) => {
  const host = await startDebianHost(t);

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
    t.match(
      news.find((record) => record.event.startsWith('diagnosis.')),
      { cause: 'service.starting', text: /mariadb will be restarted by its own supervisor within [\d.]+ m?s/ },
      'the record says who goes first, and when',
    );
    t.same(
      news.filter(({ event }) => event === 'action.intent').map(({ action, rule }) => [action, rule]),
      [['wait', 'It recovers from a crash, so wait as long as it makes progress']],
    );
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
      "python3 -c \"import fcntl,os,time; f=open('/var/lib/dpkg/lock-frontend','w'); fcntl.lockf(f, fcntl.LOCK_EX); open('/run/locked','w'); time.sleep(600)\" > /dev/null 2>&1 & echo $! > /run/lock-holder",
    );
    await until(async () => (await host.systemd.try(['/bin/test', '-e', '/run/locked'])).code === 0, { timeoutMs: 15_000, what: 'the lock' });
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
    // by one shell: five starts must come within ten seconds; systemd 252 leaves the Result of the last run
    await host.shell(`until [ "$(systemctl show --value --property ActiveState ${units.redis})" = failed ]; do systemctl kill --signal=KILL ${units.redis} 2>/dev/null || true; sleep 0.15; done`);
    await host.recovered('redis');
    t.same(host.did(await host.news('redis')), ['reset_failed_and_start']);
  });
});
