/** Somebody else is at work on it, or it is at work on itself: what is down comes back by their hands. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crash, mend, waitsForTheDatabase } from '../e2e/database-recovery.ts';
import { cannotStartDebianHost, startDebianHost, units } from '../e2e/debian-host.ts';
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
    onlyByHand: true,
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
