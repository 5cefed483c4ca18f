/** No space left: for the service itself, or for goodgateway's own record of what it does. */
import { join } from 'node:path';
import { pidfileService, startSite, type Site } from '../e2e/site.ts';
import type { PhpFpm } from '../support/php-fpm.ts';
import { signal } from '../support/processes.ts';
import { isRoot, missing } from '../support/skip.ts';
import { smallDisk, type SmallDisk } from '../support/small-disk.ts';
import type { TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import type { Scenario } from './scenario.ts';
import { diagnosedAs, refusedBy, traffic } from './under-traffic.ts';

const skip = missing('nginx', 'php-fpm8.2') || (isRoot ? false : 'needs root, to mount a small file system');

export const fullDisks: readonly Scenario[] = [
  {
    name: 'The disk of its log is full, and it is frozen',
    skip,
    refusedBy: 'paused',
    async play(t) {
      const disk = await smallDisk(t);
      const site = await startSite(t, {
        ...logsTo(disk),
      });
      const meanwhile = (): void => {
        disk.fill();
        freeze(t, site);
      };
      return traffic(t, site, { path: '/hello.php', rate: 20, meanwhile, until: refusedBy('paused') });
    },
  },
  {
    name: 'The disk of its log is full, and it died of that',
    skip,
    async play(t) {
      const disk = await smallDisk(t);
      const site = await startSite(t, { ...logsTo(disk), failOpen: false });
      const meanwhile = (): void => {
        disk.fill();
        site.fpm.crash();
      };
      return traffic(t, site, { path: '/hello.php', rate: 20, meanwhile, until: diagnosedAs('disk.full') });
    },
  },
  {
    name: "The disk of goodgateway's own audit log is full, and php-fpm is killed: it is started when that can be recorded",
    skip,
    mayDo: ['start'],
    async play(t) {
      const disk = await smallDisk(t);
      const site = await startSite(t, { service: pidfileService, failOpen: false, auditFolder: join(disk.path, 'audit') });
      const meanwhile = (): void => {
        disk.fill();
        site.fpm.crash();
      };
      const afterwards = async (): Promise<void> => {
        if (site.fpm.processes().length > 0) throw new Error('it was started, and nothing of that could be recorded');
        disk.empty();
        await until(() => site.records('incident.recovered').length === 1, { timeoutMs: 20_000, what: () => `all to be well: ${site.gateway.log().slice(-2000)}` });
        const told = site.records('audit.gap').map((record) => String(record['text']));
        if (!told.some((text) => /could not be written from .*action\.intent start of/.test(text))) throw new Error(`what was refused meanwhile is not on record: ${told.join('; ')}`);
      };
      return traffic(t, site, { path: '/hello.php', rate: 20, meanwhile, until: () => site.gateway.log().includes('could not be recorded'), afterwards });
    },
  },
];

/** The service writes there, and the host says when that is too full to touch anything. */
function logsTo({ path }: SmallDisk) {
  const log = join(path, 'fpm.log');
  return {
    fpm: { global: [`error_log = ${log}`] },
    service: (fpm: PhpFpm) => ({ ...pidfileService(fpm), log }),
    host: { safety: { pause_when: [{ disk_free_below: { path, size: '1MiB' } }] } },
  };
}

function freeze(t: TestScope, site: Site): void {
  for (const { pid } of site.fpm.processes()) signal(pid, 'SIGSTOP');
  t.teardown(() => site.fpm.processes().forEach(({ pid }) => signal(pid, 'SIGCONT')));
}
