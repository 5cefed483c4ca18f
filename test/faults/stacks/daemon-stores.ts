/**
 * MariaDB and Redis as services with a pidfile, which a healer may start again: a script that leaves a daemon behind,
 * data in a temporary folder, a unix socket.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeMariadb } from '../../support/datastores.ts';
import { endAll, processes, type ProcessInfo } from '../../support/processes.ts';
import { succeed } from '../../support/program.ts';
import { programPath } from '../../support/skip.ts';
import { answers } from '../../support/socket-answers.ts';
import { tempFolder, type TestScope } from '../../support/temp-folder.ts';
import { until } from '../../support/until.ts';

export interface DaemonStore {
  readonly folder: string;
  readonly socket: string;
  readonly log: string;
  /** What a policy says of it. */
  readonly service: Readonly<Record<string, unknown>>;
  /** Its living processes: one, while it runs. */
  processes(): readonly ProcessInfo[];
  /** Starts it and waits until it answers. */
  start(): Promise<void>;
  /** The same, and does not wait. */
  begin(): Promise<unknown>;
  /** Ends it politely, as somebody does who means it: its pidfile goes with it. */
  shutDown(): Promise<void>;
}

/** Its data are made, with a root who needs no password; not started. */
export async function prepareMariadb(t: TestScope, options: readonly string[]): Promise<DaemonStore & { sql(text: string): Promise<string> }> {
  const { folder, socket, argv } = await makeMariadb(t, options);
  const store = daemon(t, { folder, socket, log: join(folder, 'm.err'), argv, pidfile: join(folder, 'm.pid'), words: undefined });
  return { ...store, sql: (text) => succeed(['/usr/bin/mariadb', '--no-defaults', '--user=root', `--socket=${socket}`, '--batch', '--execute', text]) };
}

/** Without data; it saves none unless the options say so. Not started. */
export async function prepareRedis(t: TestScope, options: readonly string[]): Promise<DaemonStore> {
  const folder = tempFolder(t, 'gg-redis');
  const [socket, log, pidfile] = [join(folder, 'r.sock'), join(folder, 'r.log'), join(folder, 'r.pid')];
  const argv = [programPath('redis-server'), '--port', '0', '--unixsocket', socket, '--unixsocketperm', '777', '--dir', folder, '--logfile', log, '--pidfile', pidfile, '--save', '""', ...options];
  return daemon(t, { folder, socket, log, argv, pidfile, words: 'PING\r\n' });
}

interface Daemon {
  readonly folder: string;
  readonly socket: string;
  readonly log: string;
  readonly pidfile: string;
  readonly argv: readonly string[];
  /** What it is asked to show that it is up; nothing where it speaks first. */
  readonly words: string | undefined;
}

function daemon(t: TestScope, { folder, socket, log, pidfile, argv, words }: Daemon): DaemonStore {
  const script = join(folder, 'start');
  // the shell's own number is no use: the pidfile is the daemon's to write
  writeFileSync(script, `#!/bin/sh\nsetsid ${argv.join(' ')} </dev/null >>${folder}/out 2>&1 &\necho $! > ${pidfile}\n`, { mode: 0o755 });
  const mine = (): ProcessInfo[] => processes(({ command }) => !command.startsWith('/bin/sh') && (command.includes(socket) || command.includes(`unixsocket:${socket}`)));
  t.teardown(() => endAll(mine, 'SIGTERM', 5000));
  const said = (): string => (existsSync(log) ? readFileSync(log, 'utf8').slice(-2000) : '');
  const begin = (): Promise<string> => succeed([script]);
  return {
    folder,
    socket,
    log,
    service: { type: 'process', pidfile, start: [script], stop: { signal: 'TERM', timeout: '10s' }, listen: [`unix:${socket}`], log },
    processes: mine,
    begin,
    shutDown: async () => {
      await endAll(mine, 'SIGTERM', 10_000);
      rmSync(pidfile, { force: true });
    },
    start: async () => {
      await begin();
      await until(() => answers({ path: socket }, words), { timeoutMs: 20_000, everyMs: 20, what: () => `${argv[0]} to answer: ${said()}` });
    },
  };
}
