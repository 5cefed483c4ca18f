/** What the pages need dies or freezes: MariaDB, Redis, an HTTP service. */
import { signal } from '../../support/processes.ts';
import type { Scenes } from '../fault.ts';
import { shopStack } from '../stacks/shop.ts';

const visits = { path: '/shop.php' };

export const storeService: Scenes = {
  async 'database-killed'(t) {
    const { at, mariadb } = await shopStack(t);
    return { at, visits, inject: () => mariadb.processes().forEach(({ pid }) => signal(pid, 'SIGKILL')) };
  },
  async 'database-down'(t) {
    const { at, mariadb } = await shopStack(t);
    return { at, visits, inject: mariadb.shutDown, takeAway: mariadb.start };
  },
  async 'database-frozen'(t) {
    const { at, mariadb } = await shopStack(t);
    const all = (name: NodeJS.Signals) => () => mariadb.processes().forEach(({ pid }) => signal(pid, name));
    return { at, visits, inject: all('SIGSTOP'), takeAway: all('SIGCONT') };
  },
  async 'redis-killed'(t) {
    const { at, redis } = await shopStack(t);
    return { at, visits, inject: () => redis.processes().forEach(({ pid }) => signal(pid, 'SIGKILL')) };
  },
  async 'redis-down'(t) {
    const { at, redis } = await shopStack(t);
    return { at, visits, inject: redis.shutDown, takeAway: redis.start };
  },
  async 'api-down'(t) {
    const { at, api } = await shopStack(t);
    return { at, visits, inject: api.stop, takeAway: api.start };
  },
};
