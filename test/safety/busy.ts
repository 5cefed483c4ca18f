/** Busy: more work than workers, whoever brings it and whatever it waits for. */
import { cpus } from 'node:os';
import { startSite } from '../e2e/site.ts';
import { startMariadb } from '../support/datastores.ts';
import { startLoad } from '../support/load.ts';
import { fastcgiLocation, startNginx } from '../support/nginx.ts';
import { signal } from '../support/processes.ts';
import { start } from '../support/program.ts';
import { missing } from '../support/skip.ts';
import type { Scenario } from './scenario.ts';
import { diagnosedAs, traffic, underLoad } from './under-traffic.ts';

const skip = missing('nginx', 'php-fpm8.2');

/** Places in policies/php-fpm.yaml: whoever waits does so more briefly than on a real host. */
const busyRule = 'rules.13';

export const busy: readonly Scenario[] = [
  {
    name: 'Every worker is busy with pages that take long',
    skip,
    play: (t) => underLoad(t, { fpm: { maxChildren: 2 } }, { path: '/late.php?ms=4000', rate: 4, until: diagnosedAs('capacity.workers_exhausted') }),
  },
  {
    name: 'The processors are busy with something else',
    skip,
    onlyByHand: true,
    play(t) {
      const meanwhile = (): void => {
        const hogs = Array.from({ length: 2 * cpus().length }, () => start([process.execPath, '-e', 'for (;;);']));
        t.teardown(() => hogs.forEach(({ pid }) => signal(pid, 'SIGKILL')));
      };
      return underLoad(t, { fpm: { maxChildren: 2 } }, { path: '/late.php?ms=3000', rate: 4, meanwhile, until: diagnosedAs('capacity.workers_exhausted') });
    },
  },
  {
    name: 'The database hangs, and every page waits for it',
    skip: skip || missing('mariadbd'),
    async play(t) {
      const { address, running } = await startMariadb(t);
      const socket = address.slice('unix:'.length);
      const page = `<?php $db = stream_socket_client("unix://${socket}"); echo strlen(fread($db, 100));`;
      signal(running.pid, 'SIGSTOP');
      t.teardown(() => signal(running.pid, 'SIGCONT'));
      return underLoad(t, { fpm: { maxChildren: 3, scripts: { 'shop.php': page } } }, { path: '/shop.php', rate: 5, until: diagnosedAs('dependency.database') });
    },
  },
  {
    name: 'A burst fills its listen backlog, from a site that goes past goodgateway',
    onlyByHand: true,
    skip,
    async play(t) {
      const site = await startSite(t, { fpm: { maxChildren: 2, pool: ['listen.backlog = 4'] } });
      const beside = await startNginx(t, { server: fastcgiLocation(site.fpm.address, site.fpm.docroot) });
      const meanwhile = () => startLoad(t, { port: beside.port, rate: 30, path: () => '/late.php?ms=500', timeoutMs: 5000 });
      const isFull = () => beside.errorLog().includes('Resource temporarily unavailable');
      const isBusy = diagnosedAs('capacity.workers_exhausted', 'capacity.backlog_full');
      return traffic(t, site, { path: '/hello.php', rate: 10, meanwhile, until: (records) => isFull() && isBusy(records) });
    },
  },
  {
    name: 'Passwords are tried on wp-login.php, many a second',
    skip,
    onlyByHand: true,
    play: (t) =>
      underLoad(
        t,
        { fpm: { maxChildren: 2, scripts: { 'wp-login.php': '<?php usleep(1500000); echo "wrong";' } }, policy: { [`${busyRule}.try.0.with.at_most`]: '1s', [`${busyRule}.try.0.attempts`]: 1 } },
        {
          path: '/wp-login.php',
          posts: 1,
          rate: 6,
          beside: { path: '/hello.php', rate: 1 },
          until: (records) => records.some(({ event, action }) => event === 'action.finished' && action === 'shed_load'),
        },
      ),
  },
];
