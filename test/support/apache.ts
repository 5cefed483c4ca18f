/** A private Apache: no module that it does not need, one static page, and a CGI that records each execution. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accepts, freePort } from './ports.ts';
import { crash, endAll, processes, processInfo, type ProcessInfo } from './processes.ts';
import { succeed } from './program.ts';
import { isRoot, programPath } from './skip.ts';
import { tempFolder, type TestScope } from './temp-folder.ts';
import { until } from './until.ts';

export interface ApacheOptions {
  /** Default: a free one. Where Plesk puts its Apache it is 7080. */
  readonly port?: number;
  /** Files of the docroot; `index.html` with "hello" is always there. */
  readonly pages?: Readonly<Record<string, string>>;
  /** Lines for the end of the configuration. */
  readonly extra?: string;
}

export interface Apache {
  readonly folder: string;
  readonly docroot: string;
  readonly port: number;
  readonly address: string;
  readonly pidfile: string;
  readonly config: string;
  /** Lines `METHOD id`, one for each execution of `/cgi-bin/record?id=…`. */
  readonly executions: string;
  readonly startArgv: readonly string[];
  readonly configTestArgv: readonly string[];
  masterPid(): number;
  processes(): readonly ProcessInfo[];
  errorLog(): string;
  start(): Promise<void>;
  /** Ends it, and waits until it has been reaped: see `start`. */
  stop(): Promise<void>;
  /** KILL for all of them at one moment. */
  crash(): void;
}

/** Starts it as a daemon and waits until it accepts; every process of it is ended when the test is over. */
export async function startApache(t: TestScope, options: ApacheOptions = {}): Promise<Apache> {
  const folder = tempFolder(t, 'gg-apache');
  const [docroot, cgi, data] = [join(folder, 'docroot'), join(folder, 'cgi-bin'), join(folder, 'data')];
  for (const path of [docroot, cgi, data]) mkdirSync(path);
  chmodSync(data, 0o777);
  const executions = join(data, 'executions');
  for (const [name, text] of Object.entries({ 'index.html': 'hello', ...options.pages })) writeFileSync(join(docroot, name), text);
  writeFileSync(join(cgi, 'record'), recorder(executions), { mode: 0o755 });

  const port = options.port ?? (await freePort());
  const [config, pidfile] = [join(folder, 'apache.conf'), join(folder, 'apache.pid')];
  writeFileSync(config, configuration(folder, port, options.extra ?? ''));
  const program = [programPath('apache2'), '-f', config];
  const mine = (): ProcessInfo[] => processes(({ command }) => command.includes(config));
  t.teardown(() => endAll(mine, 'SIGTERM'));
  // Apache takes a zombie with the pid of its pidfile for itself, says "already running" and exits with 0.
  const isReaped = (): boolean => !existsSync(pidfile) || !existsSync(`/proc/${readFileSync(pidfile, 'utf8').trim()}`);
  const reaped = (): Promise<unknown> => until(isReaped, { timeoutMs: 15_000, what: 'the last Apache to be reaped' });
  const errorLog = (): string => (existsSync(join(folder, 'error.log')) ? readFileSync(join(folder, 'error.log'), 'utf8') : '');
  const apache: Apache = {
    folder,
    docroot,
    port,
    pidfile,
    config,
    executions,
    stop: async () => {
      await endAll(mine, 'SIGTERM');
      await reaped();
    },
    crash: () => crash(mine(), Number(readFileSync(pidfile, 'utf8'))),
    errorLog,
    address: `127.0.0.1:${port}`,
    startArgv: [...program, '-k', 'start'],
    configTestArgv: [...program, '-t'],
    masterPid: () => Number(readFileSync(pidfile, 'utf8')),
    processes: mine,
    start: async () => {
      await reaped();
      await succeed([...program, '-k', 'start']);
      await until(() => accepts({ host: '127.0.0.1', port }), { timeoutMs: 15_000, what: () => `Apache to accept: ${errorLog()}` });
      // it listens before it writes its pidfile
      await until(() => processInfo(Number(readFileSync(pidfile, 'utf8'))), { timeoutMs: 15_000, what: 'the pidfile of Apache' });
    },
  };
  await apache.start();
  return apache;
}

/** One O_APPEND write a line; the query is quoted, never evaluated. */
function recorder(file: string): string {
  return `#!/bin/sh
cat > /dev/null # a body that nobody reads makes mod_cgid reset the answer
printf '%s %s\\n' "$REQUEST_METHOD" "\${QUERY_STRING#id=}" >> '${file}'
printf 'Content-Type: text/plain\\r\\n\\r\\n%s' "\${QUERY_STRING#id=}"
`;
}

function configuration(folder: string, port: number, extra: string): string {
  const modules = ['mpm_event', 'authz_core', 'mime', 'dir', 'alias', 'env', 'cgid'];
  return `ServerRoot ${folder}
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${folder}/apache.pid
ErrorLog ${folder}/error.log
DefaultRuntimeDir ${folder}
${modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
${isRoot ? 'User www-data\nGroup www-data' : ''}
TypesConfig /etc/mime.types
ScriptSock ${folder}/cgid.sock
StartServers 1
ServerLimit 2
ThreadsPerChild 16
MaxRequestWorkers 32
KeepAlive On
DocumentRoot ${folder}/docroot
ScriptAlias /cgi-bin/ ${folder}/cgi-bin/
<Directory ${folder}>
  Require all granted
</Directory>
${extra}
`;
}
