import type { Check, CheckResult } from '../check.ts';
import { listed } from '../finding.ts';
import { placeIn, type Pool } from '../pools.ts';

/** Pools whose status cannot be asked when it matters. Needs no rights but to read the configuration. */
export const statusPage: Check = {
  name: 'status-page',
  family: 'service',
  deadlineMs: 15_000,
  finds: { 'status-listen': { severity: 'info', when: 'pools of php-fpm have no `pm.status_listen`: when all workers are taken, nobody can ask what they do' } },
  check: async ({ pools }) => {
    const without = pools.filter((pool) => !pool.setting('pm.status_listen') || !pool.setting('pm.status_path'));
    return { findings: [...Map.groupBy(without, (pool) => pool.main)].map(([main, ones]) => found(main, ones)) };
  },
};

function found(main: string, pools: readonly Pool[]): CheckResult['findings'][number] {
  const [first] = pools;
  const path = first?.setting('pm.status_path');
  return {
    id: 'status-listen',
    subject: main,
    what: `${pools.length === 1 ? 'This pool has' : 'These pools have'} no status page at an address of its own: ${listed(pools.map(({ name }) => name))}.`,
    why: 'Without it a full pool cannot say which script and which address fill it: a page of the pool itself needs a free worker, too.',
    change: first ? `${first.file}, below [${first.name}]: ${path ? '' : 'pm.status_path = /status and '}pm.status_listen = /run/php/${first.name}-status.sock` : '',
    source: first ? placeIn(first, path) : main,
  };
}
