/** The file of php-fpm's socket, and the folder that it is in. */
import { chmodSync, chownSync, linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { signal } from '../../support/processes.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import type { Scene, Scenes } from '../fault.ts';
import { phpStack } from '../stacks/php.ts';
import { rightlessStack } from '../stacks/rightless-php.ts';

/** Debian's `nobody` and `nogroup`. */
const nobody = 65_534;

export const sockets: Scenes = {
  async 'socket-removed'(t) {
    const { at, fpm } = await phpStack(t);
    return { at, inject: () => rmSync(fpm.socket!) };
  },
  async 'socket-stale'(t) {
    const { at, fpm } = await phpStack(t);
    return { at, inject: () => leaveStale(fpm.socket!) };
  },
  'socket-mode': (t) => forbidden(t, { what: (socket) => socket, uid: 0, gid: 0, mode: 0o600 }),
  'socket-owner': (t) => forbidden(t, { what: (socket) => socket, uid: nobody, gid: nobody, mode: 0o660 }),
  'socket-folder-mode': (t) => forbidden(t, { what: (_socket, folder) => folder, uid: 0, gid: 0, mode: 0o700 }),
  async 'socket-of-another-version'(t) {
    const { at, fpm } = await phpStack(t, { failOpen: false });
    const listensOn = (from: string, to: string) => (): void => {
      writeFileSync(fpm.config, readFileSync(fpm.config, 'utf8').replace(`listen = ${from}`, `listen = ${to}`));
      signal(fpm.masterPid(), 'SIGUSR2');
    };
    const other = join(fpm.folder, 'php8.2-fpm.sock');
    return { at, inject: listensOn(fpm.socket!, other), takeAway: listensOn(other, fpm.socket!) };
  },
};

/** As after a crash of whoever listened there last: the file stays when the listener ends by another name. */
async function leaveStale(socket: string): Promise<void> {
  const [before, after] = [`${socket}.new`, `${socket}.stale`];
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(before, resolve));
  linkSync(before, after);
  await new Promise((resolve) => server.close(resolve));
  renameSync(after, socket);
}

interface Forbidding {
  readonly what: (socket: string, folder: string) => string;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

async function forbidden(t: TestScope, { what, uid, gid, mode }: Forbidding): Promise<Scene> {
  const { at, fpm, socket } = await rightlessStack(t);
  const path = what(socket, fpm.folder);
  const before = statSync(path);
  const set = (owner: Pick<Forbidding, 'uid' | 'gid' | 'mode'>) => (): void => {
    chownSync(path, owner.uid, owner.gid);
    chmodSync(path, owner.mode & 0o7777);
  };
  return { at, inject: set({ uid, gid, mode }), takeAway: set(before) };
}
