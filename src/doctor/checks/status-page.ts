import type { Check } from '../check.ts';
import { placeIn } from '../pools.ts';

/** A pool whose status cannot be asked when it matters. Needs no rights but to read the configuration. */
export const statusPage: Check = {
  name: 'status-page',
  family: 'service',
  deadlineMs: 1000,
  finds: { 'status-listen': { severity: 'info', when: 'a php-fpm pool has no `pm.status_listen`: when all workers are taken, nobody can ask what they do' } },
  check: async ({ pools }) => ({
    findings: pools
      .filter((pool) => !pool.setting('pm.status_listen') || !pool.setting('pm.status_path'))
      .map((pool) => ({
        id: 'status-listen',
        subject: `pool ${pool.name} (${pool.main})`,
        what: `It has no ${pool.setting('pm.status_path') ? 'pm.status_listen' : 'status page'}.`,
        why: 'Without it a full pool cannot say which script and which address fill it: its status page needs a free worker, too.',
        change: `${pool.file}, below [${pool.name}]: ${pool.setting('pm.status_path') ? '' : 'pm.status_path = /status and '}pm.status_listen = /run/php/${pool.name}-status.sock`,
        source: placeIn(pool, pool.setting('pm.status_path')),
      })),
  }),
};
