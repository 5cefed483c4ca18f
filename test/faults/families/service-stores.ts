/** What the pages need dies or freezes: MariaDB, Redis, an HTTP service. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { signal } from '../../support/processes.ts';
import { succeed } from '../../support/program.ts';
import { smallDisk } from '../../support/small-disk.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import { until } from '../../support/until.ts';
import type { Scene, Scenes } from '../fault.ts';
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
  'database-corrupt': corrupt,
  'redis-loading': loading,
  async 'redis-misconf'(t) {
    const disk = await smallDisk(t);
    const { at } = await shopStack(t, { redis: ['--dir', disk.path, '--save', '"1 1"'] });
    return { at, visits, inject: disk.fill, takeAway: disk.empty };
  },
  async 'api-down'(t) {
    const { at, api } = await shopStack(t);
    return { at, visits, inject: api.stop, takeAway: api.start };
  },
};

/** Its system tablespace is damaged while it is down, so that it ends at its next start. */
async function corrupt(t: TestScope): Promise<Scene> {
  const { at, mariadb } = await shopStack(t);
  const file = join(mariadb.folder, 'data', 'ibdata1');
  const inject = async (): Promise<void> => {
    await mariadb.shutDown();
    copyFileSync(file, `${file}.whole`);
    damage(file);
    await mariadb.begin();
    await until(() => mariadb.processes().length === 0, { timeoutMs: 15_000, what: 'MariaDB to end at its damaged page' });
  };
  const takeAway = async (): Promise<void> => {
    copyFileSync(`${file}.whole`, file);
    if (mariadb.processes().length === 0) await mariadb.start();
  };
  return { at, visits, inject, takeAway };
}

const pageBytes = 16_384;

/** Every page but the first few, which InnoDB reads before it looks closely. */
function damage(file: string): void {
  const bytes = readFileSync(file);
  for (let page = 3; page < bytes.length / pageBytes; page++) bytes.fill(0xaa, page * pageBytes + 60, page * pageBytes + 400);
  writeFileSync(file, bytes);
}

/** Some six seconds of loading. */
const keys = 30_000;

async function loading(t: TestScope): Promise<Scene> {
  const { at, redis } = await shopStack(t, { redis: ['--enable-debug-command', 'local', '--key-load-delay', '400', '--loading-process-events-interval-bytes', '1024'] });
  const ask = (...words: readonly string[]): Promise<string> => succeed(['/usr/bin/redis-cli', '-s', redis.socket, ...words]);
  await ask('debug', 'populate', String(keys), 'key', '100');
  await ask('save');
  const inject = async (): Promise<void> => {
    await redis.shutDown();
    await redis.begin();
  };
  return { at, visits, inject };
}
