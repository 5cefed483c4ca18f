/** Somebody else is at work on it, or it is at work on itself: what is down comes back by their hands. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cannotStartDebianHost, startDebianHost, units, type DebianHost } from '../e2e/debian-host.ts';
import { pidfileService, startSite, type Site } from '../e2e/site.ts';
import { fastcgiLocation, startNginx } from '../support/nginx.ts';
import { start, type Running } from '../support/program.ts';
import { isRoot, missing, programPath } from '../support/skip.ts';
import type { TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import type { Played, Scenario } from './scenario.ts';
import { diagnosed, diagnosedAs, refusedBy, traffic, visited, type Records } from './under-traffic.ts';

const skip = missing('nginx', 'php-fpm8.2');
const main = join(import.meta.dirname, '../../src/cli/main.ts');
const packageDatabase = '/var/lib/dpkg';

export const changes: readonly Scenario[] = [
  {
    name: 'A deploy ends it, replaces the release and starts it seconds later',
    skip,
    refusedBy: 'change_in_progress',
    async play(t) {
      const site = await startSite(t, { service: pidfileService, failOpen: false });
      const go = join(site.fpm.folder, 'go');
      const script = `kill -9 ${pidsOf(site)}; echo '<?php echo "new release";' > ${site.fpm.docroot}/hello.php; while [ ! -e ${go} ]; do sleep 0.05; done; exec ${site.fpm.startArgv.join(' ')}`;
      const deploy = () =>
        start([process.execPath, '--disable-warning=ExperimentalWarning', main, 'deploy', '--config', site.gateway.config, '--reason', 'release 4711', '--', '/bin/sh', '-c', script]);
      return downFor(t, site, { go, begin: deploy });
    },
  },
  {
    name: 'A package is upgraded: its service is ended, and started at the end',
    skip: skip || missing('python3') || upgradesNowhere(),
    refusedBy: 'change_in_progress',
    async play(t) {
      const within = ['/usr/bin/unshare', '--mount', '/bin/sh', '-c', `mount -t tmpfs tmpfs ${packageDatabase} && exec "$@"`, 'own-dpkg'];
      const site = await startSite(t, { service: pidfileService, failOpen: false, within });
      const go = join(site.fpm.folder, 'go');
      const upgrade = `import fcntl, os, subprocess, time
lock = open('${packageDatabase}/lock-frontend', 'w')
fcntl.lockf(lock, fcntl.LOCK_EX)
for pid in [${pidsOf(site).replaceAll(' ', ', ')}]: os.kill(pid, 9)
while not os.path.exists('${go}'): time.sleep(0.05)
subprocess.run(${JSON.stringify(site.fpm.startArgv)}, check=True)`;
      const begin = () => start(['/usr/bin/nsenter', `--mount=/proc/${site.gateway.pid('supervisor')}/ns/mnt`, programPath('python3'), '-c', upgrade]);
      return downFor(t, site, { go, begin });
    },
  },
  {
    name: 'MariaDB was killed and recovers from the crash, and every page waits for it',
    skip: skip || cannotStartDebianHost,
    async play(t) {
      const host = await startDebianHost(t, { php: { depends_on: ['mariadb'], hung_after: '2s' } });
      await host.write('/run/gg/www/shop.php', waitsForTheDatabase);
      await host.write(`/run/systemd/system/${units.mariadb}.d/soon.conf`, '[Service]\nRestartSec=1s\n');
      await host.systemctl('daemon-reload');
      const nginx = await startNginx(t, { server: fastcgiLocation(host.phpGateway, '/run/gg/www') });
      let seen: Records = [];
      const watched = {
        port: nginx.port,
        records: async () => (seen = await host.records()),
        log: () => seen.map(({ event, service, text }) => `${event} ${String(service)} ${String(text)}`).join('\n'),
      };
      const isAnswered = (found: Records) => diagnosedAs('service.starting')(found) && diagnosed('php')(found);
      return visited(t, watched, { path: '/shop.php', rate: 5, meanwhile: () => crash(host), until: isAnswered, afterwards: () => mend(host) });
    },
  },
];

/** Master and workers: who kills the master alone leaves workers that go on serving. */
function pidsOf(site: Site): string {
  return site.fpm
    .processes()
    .map(({ pid }) => pid)
    .join(' ');
}

function upgradesNowhere(): string | false {
  if (!isRoot) return 'needs root, to have a package database of its own';
  return existsSync(packageDatabase) ? false : `needs ${packageDatabase}`;
}

/** Down by somebody's doing, who begins with `begin`, starts it again once `go` is there, and has ended well then. */
async function downFor(t: TestScope, site: Site, { go, begin }: { readonly go: string; readonly begin: () => Running }): Promise<Played> {
  let change: Running | undefined;
  return traffic(t, site, {
    path: '/hello.php',
    rate: 20,
    meanwhile: () => {
      const begun = (change = begin());
      t.teardown(async () => {
        writeFileSync(go, '');
        await begun.ended;
      });
    },
    until: refusedBy('change_in_progress'),
    async afterwards() {
      writeFileSync(go, '');
      const ended = await change?.ended;
      if (ended?.code !== 0) throw new Error(`expected the change to end well, it ended with ${ended?.code}: ${ended?.output}`);
      await until(() => site.records('incident.recovered').length === 1, { timeoutMs: 20_000, what: () => `all to be well: ${site.gateway.log().slice(-2000)}` });
    },
  });
}

const waitsForTheDatabase = `<?php
for (;;) {
  $db = @stream_socket_client("unix:///run/mysqld/mysqld.sock");
  if ($db && strlen(fread($db, 100)) > 20) break;
  usleep(100000);
}
echo "sold";`;

/** Some 40 MB of log to apply. */
const orders = 40_000;

/** Killed with much in its log that is in no table yet; its own supervisor starts it, on a disk that is slow. */
async function crash(host: DebianHost): Promise<void> {
  await host.shell(`mariadb -e "create database shop; create table shop.orders (id int primary key, text text)"`);
  await host.shell(`mariadb -e "use shop; insert into orders select seq, repeat(md5(seq), 30) from seq_1_to_${orders}"`);
  await host.write('/run/gg/slow', slowDisk);
  await host.killMain('mariadb');
  await host.shell('sh /run/gg/slow > /run/gg/slow.log 2>&1 &');
}

/** Lets it work for a hundredth of the time, as long as its start is under way and nobody says enough. */
const slowDisk = `
while [ ! -e /run/gg/enough ]; do
  pid=$(systemctl show --value --property MainPID ${units.mariadb})
  if [ "$pid" != 0 ] && [ "$(systemctl show --value --property ActiveState ${units.mariadb})" = activating ]; then
    kill -STOP $pid; sleep 0.5; kill -CONT $pid; echo slow
  fi
  sleep 0.005
done`;

async function mend(host: DebianHost): Promise<void> {
  await host.write('/run/gg/enough', '');
  await host.recovered('mariadb');
  const slowed = (await host.shell('cat /run/gg/slow.log')).split('slow').length - 1;
  if (slowed < 3) throw new Error(`expected its start to be under way for some seconds, it was over after ${slowed} looks`);
  const rows = (await host.shell('mariadb --batch --skip-column-names -e "select count(*) from shop.orders"')).trim();
  if (rows !== String(orders)) throw new Error(`expected ${orders} rows to come back from the log, got ${rows}`);
}
