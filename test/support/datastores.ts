/** Real MariaDB, Redis and memcached for one test: their own folder, their own socket, gone when it is over. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { endAll, family, processInfo } from './processes.ts';
import { freePort } from './ports.ts';
import { start, succeed, type Running } from './program.ts';
import { programPath } from './skip.ts';
import { tempFolder, type TestScope } from './temp-folder.ts';
import { answers } from './socket-answers.ts';
import { until } from './until.ts';

export interface Datastore {
  /** `unix:…` or `127.0.0.1:port`, as in a configuration. */
  readonly address: string;
  readonly folder: string;
  readonly argv: readonly string[];
  readonly running: Running;
}

/** MariaDB on a socket only; its data are made once, before the first start. */
export async function startMariadb(t: TestScope, options: readonly string[] = []): Promise<Datastore> {
  const { folder, socket, argv } = await makeMariadb(t, options);
  return begin(t, { folder, argv, address: `unix:${socket}`, up: () => answers({ path: socket }, undefined) });
}

/** Its data, with a root who needs no password, and how it is started. */
export async function makeMariadb(t: TestScope, options: readonly string[]): Promise<{ readonly folder: string; readonly socket: string; readonly argv: readonly string[] }> {
  const folder = tempFolder(t, 'gg-mariadb');
  const data = join(folder, 'data');
  await succeed(['/usr/bin/mariadb-install-db', '--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db', '--user=root']);
  const socket = join(folder, 'm.sock');
  const argv = [
    programPath('mariadbd'),
    '--no-defaults',
    '--user=root',
    `--datadir=${data}`,
    `--socket=${socket}`,
    '--skip-networking',
    `--pid-file=${folder}/m.pid`,
    `--log-error=${folder}/m.err`,
    ...options,
  ];
  return { folder, socket, argv };
}

/** Redis on a socket only, without a file of its data unless the options ask for one. */
export async function startRedis(t: TestScope, options: readonly string[] = [], folder = tempFolder(t, 'gg-redis')): Promise<Datastore> {
  const socket = join(folder, 'r.sock');
  mkdirSync(folder, { recursive: true });
  const argv = [programPath('redis-server'), '--port', '0', '--unixsocket', socket, '--dir', folder, '--save', '', '--logfile', join(folder, 'r.log'), ...options];
  return begin(t, { folder, argv, address: `unix:${socket}`, up: () => answers({ path: socket }, 'PING\r\n') });
}

/** memcached on a port of the loopback. */
export async function startMemcached(t: TestScope): Promise<Datastore> {
  const port = await freePort();
  const argv = [programPath('memcached'), '-u', 'root', '-l', '127.0.0.1', '-p', String(port), '-m', '8'];
  return begin(t, { folder: tempFolder(t, 'gg-memcached'), argv, address: `127.0.0.1:${port}`, up: () => answers({ port, host: '127.0.0.1' }, 'version\r\n') });
}

/** PostgreSQL on a socket only; it refuses to run as root, so it needs root to become `postgres`. */
export async function startPostgres(t: TestScope, options: readonly string[] = []): Promise<Datastore> {
  const folder = tempFolder(t, 'gg-postgres');
  const data = join(folder, 'data');
  mkdirSync(data);
  const as = ['/usr/bin/setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'];
  await succeed(['/usr/bin/chown', '-R', 'postgres', folder]);
  await succeed([...as, join(dirname(programPath('postgres')), 'initdb'), '-D', data, '-A', 'trust', '--no-sync', '--no-locale']);
  const argv = [...as, programPath('postgres'), '-D', data, '-k', folder, '-c', 'listen_addresses=', '-c', 'fsync=off', ...options];
  const path = join(folder, '.s.PGSQL.5432');
  return begin(t, { folder, argv, address: `unix:${path}`, up: async () => existsSync(path) });
}

async function begin(t: TestScope, { up, ...store }: Omit<Datastore, 'running'> & { readonly up: () => Promise<boolean> }): Promise<Datastore> {
  const running = start(store.argv);
  t.teardown(async () => endAll(() => (processInfo(running.pid) ? family(running.pid) : []), 'SIGTERM', 5000));
  await until(up, { timeoutMs: 60_000, everyMs: 20, what: () => `${store.argv[0]} to answer: ${running.output()}` });
  return { ...store, running };
}
