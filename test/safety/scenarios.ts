/**
 * What is not broken, and what a restart would make worse. Each scene ends as soon as goodgateway has given its answer
 * to it, and stays long enough for a wrong one to show: several rounds of looking.
 */
import { cpus } from 'node:os';
import { writeFileSync } from 'node:fs';
import { pidfileService, startSite, type Site, type SiteOptions } from '../e2e/site.ts';
import { startMariadb } from '../support/datastores.ts';
import { startLoad, summarise } from '../support/load.ts';
import { processInfo, signal } from '../support/processes.ts';
import { start } from '../support/program.ts';
import { missing } from '../support/skip.ts';
import type { TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import type { Played, Scenario } from './scenario.ts';

const skip = missing('nginx', 'php-fpm8.2');

export const scenarios: readonly Scenario[] = [
  {
    name: 'Every worker is busy with pages that take long',
    skip,
    play: (t) => underLoad(t, { fpm: { maxChildren: 2 } }, { path: '/late.php?ms=4000', rate: 4, until: diagnosedAs('capacity.workers_exhausted') }),
  },
  {
    name: 'The processors are busy with something else',
    skip,
    async play(t) {
      const hogs = Array.from({ length: 2 * cpus().length }, () => start([process.execPath, '-e', 'for (;;);']));
      t.teardown(() => hogs.forEach(({ pid }) => signal(pid, 'SIGKILL')));
      return underLoad(t, { fpm: { maxChildren: 2 } }, { path: '/late.php?ms=3000', rate: 4, until: diagnosedAs('capacity.workers_exhausted') });
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
      return underLoad(t, { fpm: { maxChildren: 3, scripts: { 'shop.php': page } } }, { path: '/shop.php', rate: 5, until: diagnosedAs('capacity.workers_exhausted') });
    },
  },
  {
    name: 'The application answers every request with an error of its own',
    skip,
    play: (t) =>
      underLoad(t, { fpm: { scripts: { 'broken.php': '<?php http_response_code(500); echo "Error establishing a database connection";' } } }, { path: '/broken.php', rate: 50, until: answered(300) }),
  },
  {
    name: 'One visitor exports for minutes, the others go on',
    skip,
    async play(t) {
      const slow = { path: '/late.php?ms=8000', rate: 0.4 };
      return underLoad(t, {}, { path: '/hello.php', rate: 50, until: answered(400), beside: slow });
    },
  },
  {
    name: 'It is frozen, and its configuration would not let it start again',
    skip,
    async play(t) {
      const site = await startSite(t);
      writeFileSync(site.fpm.config, 'this is no configuration\n');
      for (const { pid } of site.fpm.processes()) signal(pid, 'SIGSTOP');
      t.teardown(() => site.fpm.processes().forEach(({ pid }) => signal(pid, 'SIGCONT')));
      return traffic(t, site, { path: '/hello.php', rate: 20, until: (played) => played.some(({ event, cause }) => event.startsWith('diagnosis.') && cause === 'config.invalid') });
    },
  },
];

type Records = Played['records'];

interface Traffic {
  readonly path: string;
  /** Requests a second. */
  readonly rate: number;
  /** The answer that was waited for. */
  readonly until: (records: Records, answers: number) => boolean;
  readonly beside?: { readonly path: string; readonly rate: number };
}

function diagnosedAs(wanted: string): Traffic['until'] {
  return (records) => records.some(({ event, cause }) => event.startsWith('diagnosis.') && cause === wanted);
}

function answered(count: number): Traffic['until'] {
  return (_records, answers) => answers >= count;
}

async function underLoad(t: TestScope, options: SiteOptions, what: Traffic): Promise<Played> {
  return traffic(t, await startSite(t, { ...options, service: pidfileService }), what);
}

/** After its answer so many seconds in which it could still do the wrong thing: each round of looking takes one at most. */
const watchedMs = 4000;

async function traffic(t: TestScope, site: Site, { path, rate, until: seen, beside }: Traffic): Promise<Played> {
  const running = startLoad(t, { port: site.nginx.port, rate, path: () => path, timeoutMs: 5000 });
  const other = beside && startLoad(t, { port: site.nginx.port, rate: beside.rate, path: () => beside.path, timeoutMs: 15_000, seed: 2 });
  await until(() => seen(site.gateway.audit(), running.results.length), { timeoutMs: 60_000, everyMs: 50, what: () => `goodgateway's answer: ${site.gateway.log().slice(-3000)}` });
  const at = performance.now();
  await until(() => performance.now() - at >= watchedMs && processInfo(site.gateway.pid('healer') ?? 0) !== undefined, { timeoutMs: 30_000, everyMs: 50, what: 'some rounds more' });
  const played = { records: site.gateway.audit(), visitors: '' };
  await site.gateway.stop();
  const results = [...(await running.stop()), ...((await other?.stop()) ?? [])];
  return { ...played, visitors: summarise(results).replace(/; slowest.*/, '') };
}
