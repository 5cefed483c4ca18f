/**
 * A private php-fpm: own configuration, socket, pidfile, pool name and docroot in a temporary folder. Daemonised, as a
 * distribution starts it, so that it outlives whoever started it and can be started again by a healer's command.
 */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { NetConnectOpts } from 'node:net';
import { basename, join } from 'node:path';
import { accepts, freePort } from './ports.ts';
import { crash, endAll, processes, type ProcessInfo } from './processes.ts';
import { succeed } from './program.ts';
import { isRoot, programPath } from './skip.ts';
import { tempFolder, type TestScope } from './temp-folder.ts';
import { until } from './until.ts';

export interface PhpFpmOptions {
  readonly listen?: 'unix' | 'tcp';
  /** Where it listens by TCP. Default 127.0.0.1. */
  readonly host?: string;
  /** Static pool: exactly so many workers, so that "all workers" is a number. Default 5. */
  readonly maxChildren?: number;
  /** Lines for the pool's section. */
  readonly pool?: readonly string[];
  /** Lines for the global section. */
  readonly global?: readonly string[];
  /** Files of the docroot: `{ 'hello.php': '<?php echo "hello";' }`. */
  readonly scripts?: Readonly<Record<string, string>>;
}

export interface PhpFpm {
  readonly folder: string;
  readonly docroot: string;
  /** A folder that the workers may write to. */
  readonly data: string;
  /** The spelling of configuration: `unix:/…` or `127.0.0.1:…`. nginx's fastcgi_pass reads the same. */
  readonly address: string;
  /** Set for `listen: 'unix'`. */
  readonly socket: string | undefined;
  readonly pidfile: string;
  readonly config: string;
  readonly log: string;
  readonly startArgv: readonly string[];
  readonly configTestArgv: readonly string[];
  /** The pid in the pidfile, whether it runs or not. */
  masterPid(): number;
  /** Every process of this instance that runs, whoever started it: masters, workers, orphans. Not who only tests its configuration. */
  processes(): readonly ProcessInfo[];
  /** The same without the master. */
  workers(): readonly ProcessInfo[];
  /** Starts it (again) with {@link startArgv} and waits until it accepts. */
  start(): Promise<void>;
  /** Ends every process of this instance. */
  stop(): Promise<void>;
  /** KILL for all of them at one moment: one after the other, workers would be seen without their master. */
  crash(): void;
}

/** Starts it and waits until it accepts connections; ended when the test is over. */
export async function startPhpFpm(t: TestScope, options: PhpFpmOptions = {}): Promise<PhpFpm> {
  const fpm = await preparePhpFpm(t, options);
  await fpm.start();
  return fpm;
}

/** Writes the files and does not start it: for scenes in which a healer or a test starts it later. */
export async function preparePhpFpm(t: TestScope, options: PhpFpmOptions = {}): Promise<PhpFpm> {
  const folder = tempFolder(t, 'gg-fpm');
  const [docroot, data] = [join(folder, 'docroot'), join(folder, 'data')];
  for (const path of [docroot, data]) mkdirSync(path);
  chmodSync(data, 0o777);
  for (const [name, text] of Object.entries(options.scripts ?? {})) writeFileSync(join(docroot, name), text);

  const socket = options.listen === 'tcp' ? undefined : join(folder, 'php.sock');
  const port = socket === undefined ? await freePort() : 0;
  const host = options.host ?? '127.0.0.1';
  const where: NetConnectOpts = socket === undefined ? { host, port } : { path: socket };
  const [config, pidfile, log] = [join(folder, 'fpm.conf'), join(folder, 'fpm.pid'), join(folder, 'fpm.log')];
  writeFileSync(config, configuration(folder, socket ?? `${host}:${port}`, options));

  const pool = poolName(folder);
  const mine = (): ProcessInfo[] => processes(({ command }) => (command.includes(config) && !command.endsWith(' -t')) || command === `php-fpm: pool ${pool}`);
  const workers = (): ProcessInfo[] => mine().filter(({ command }) => command === `php-fpm: pool ${pool}`);
  const startArgv = [programPath('php-fpm8.2'), '--fpm-config', config, '--daemonize'];
  const stop = (): Promise<void> => endAll(mine, 'SIGTERM');
  t.teardown(stop);
  return {
    folder,
    docroot,
    data,
    socket,
    pidfile,
    config,
    log,
    startArgv,
    stop,
    address: socket === undefined ? `${host}:${port}` : `unix:${socket}`,
    configTestArgv: [programPath('php-fpm8.2'), '--fpm-config', config, '-t'],
    masterPid: () => Number(readFileSync(pidfile, 'utf8')),
    processes: mine,
    workers,
    crash: () => crash(mine(), Number(readFileSync(pidfile, 'utf8'))),
    start: async () => {
      await succeed(startArgv);
      await until(() => accepts(where), { timeoutMs: 15_000, what: () => `php-fpm to accept: ${readFileSync(log, 'utf8')}` });
      // it accepts before its last worker was forked; a pool of another kind has at least one
      const expected = options.pool?.some((line) => /^pm\s*=/.test(line)) ? 1 : (options.maxChildren ?? 5);
      await until(() => workers().length >= expected, { timeoutMs: 15_000, what: `${expected} workers` });
    },
  };
}

function poolName(folder: string): string {
  return basename(folder);
}

function configuration(folder: string, listen: string, options: PhpFpmOptions): string {
  // Without root php-fpm cannot change its user, and says so on every start.
  const user = isRoot ? ['user = www-data', 'group = www-data', 'listen.owner = www-data', 'listen.group = www-data'] : [];
  return [
    '[global]',
    `pid = ${folder}/fpm.pid`,
    `error_log = ${folder}/fpm.log`,
    // 0 is the default of php-fpm itself; written out because its effect on reload is part of many scenes.
    'process_control_timeout = 0',
    ...(options.global ?? []),
    `[${poolName(folder)}]`,
    ...user,
    `listen = ${listen}`,
    'listen.mode = 0660',
    'pm = static',
    `pm.max_children = ${options.maxChildren ?? 5}`,
    'catch_workers_output = yes',
    ...(options.pool ?? []),
    '',
  ].join('\n');
}
