/** The pages are refused by what they need: the password is another one, or every connection is taken. */
import { connect, type Socket } from 'node:net';
import type { TestScope } from '../../support/temp-folder.ts';
import type { Scenes } from '../fault.ts';
import { password, shopStack } from '../stacks/shop.ts';

const visits = { path: '/shop.php' };

export const stores: Scenes = {
  async 'database-password'(t) {
    const { at, sql } = await shopStack(t);
    const change = (to: string) => (): Promise<string> => sql(`alter user shop@localhost identified by '${to}'`);
    return { at, visits, inject: change('battery-staple'), takeAway: change(password) };
  },
  async 'database-connections'(t) {
    // who connects and says nothing is not sent away
    const { at, mariadb } = await shopStack(t, { mariadb: ['--max-connections=12', '--connect-timeout=600'] });
    const hog = holdConnections(t, mariadb.socket, 30);
    return { at, visits, inject: hog.take, takeAway: hog.leave };
  },
  async 'redis-maxclients'(t) {
    const { at, redis } = await shopStack(t, { redis: ['--maxclients', '12'] });
    const hog = holdConnections(t, redis.socket, 30);
    return { at, visits, inject: hog.take, takeAway: hog.leave };
  },
};

const againMs = 20;

/** Somebody's pool that is too large: it holds what it gets, and asks again for what it is refused. */
function holdConnections(t: TestScope, path: string, howMany: number): { take(): void; leave(): void } {
  const held = new Set<Socket>();
  let isOver = false;
  const hold = (): void => {
    if (isOver) return;
    const socket = connect({ path }).on('error', () => undefined);
    held.add(socket);
    socket.resume().once('close', () => {
      held.delete(socket);
      setTimeout(hold, againMs);
    });
  };
  const leave = (): void => {
    isOver = true;
    held.forEach((socket) => socket.destroy());
  };
  t.teardown(leave);
  return { take: () => Array.from({ length: howMany }, hold), leave };
}
