/** A private nginx in front of whatever the test wants: own configuration, logs, temporary paths and port. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accepts, freePort } from './ports.ts';
import { endAll, family, processInfo, type ProcessInfo } from './processes.ts';
import { start, succeed } from './program.ts';
import { isRoot, programPath } from './skip.ts';
import { tempFolder, type TestScope } from './temp-folder.ts';
import { until } from './until.ts';

export interface NginxOptions {
  /** What stands inside `server { … }`: locations. */
  readonly server: string;
  /** What stands inside `http { … }` before the server: upstreams, maps. */
  readonly http?: string;
  readonly workerConnections?: number;
}

export interface Nginx {
  readonly folder: string;
  readonly port: number;
  readonly url: string;
  readonly config: string;
  readonly pid: number;
  errorLog(): string;
  /** `status upstream_addr upstream_status request_time request`, a line a request. */
  accessLog(): string;
  processes(): readonly ProcessInfo[];
  /** Writes a new configuration and reloads. Resolves when nginx has taken it, not when old workers are gone. */
  reload(options: NginxOptions): Promise<void>;
  stop(): Promise<void>;
}

/** Starts it on a free loopback port and waits until it accepts; ended when the test is over. */
export async function startNginx(t: TestScope, options: NginxOptions): Promise<Nginx> {
  const folder = tempFolder(t, 'gg-nginx');
  const port = await freePort();
  const config = join(folder, 'nginx.conf');
  for (const name of ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi', 'root']) mkdirSync(join(folder, name));
  writeFileSync(config, configuration(folder, port, options));
  const argv = [programPath('nginx'), '-p', folder, '-c', config];
  await succeed([...argv, '-t', '-q']);

  const running = start([...argv, '-g', 'daemon off;']);
  // Workers whose master was killed belong to init: they are known from the last look, and by their pid and title.
  const seen = new Set<number>();
  const mine = (): ProcessInfo[] => {
    for (const { pid } of family(running.pid)) seen.add(pid);
    return [...seen]
      .map(processInfo)
      .filter((found) => found !== undefined)
      .filter(({ command }) => command.startsWith('nginx:'));
  };
  const stop = (): Promise<void> => endAll(mine, 'SIGTERM');
  t.teardown(stop);
  await until(() => accepts({ host: '127.0.0.1', port }), { timeoutMs: 15_000, what: () => `nginx to accept: ${running.output()}` });
  // it listens before it writes its pidfile, and that before it forks its worker
  await until(() => mine().length >= 2, { timeoutMs: 15_000, what: () => `the worker of nginx: ${running.output()}` });

  const log = (name: string): string => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : '');
  return {
    folder,
    port,
    config,
    stop,
    url: `http://127.0.0.1:${port}`,
    pid: running.pid,
    errorLog: () => log('error.log'),
    accessLog: () => log('access.log'),
    processes: mine,
    reload: async (next) => {
      const reloads = (): number => log('error.log').split('reconfiguring').length;
      const before = reloads();
      writeFileSync(config, configuration(folder, port, next));
      await succeed([...argv, '-s', 'reload']);
      await until(() => reloads() > before, { timeoutMs: 15_000, what: 'nginx to take the new configuration' });
    },
  };
}

/** One server of an upstream: the spelling of configuration (`unix:/…`, `127.0.0.1:…`), and whether it is the backup. */
export interface UpstreamServer {
  readonly address: string;
  readonly backup?: boolean;
}

/**
 * An `upstream` block that fails open: `max_fails=0` on every server, so that one failure never turns a peer off for
 * ten seconds. Give the gateway first and the backend itself with `backup: true`.
 */
export function upstreamBlock(name: string, servers: readonly UpstreamServer[]): string {
  const lines = servers.map(({ address, backup }) => `    server ${address} max_fails=0${backup === true ? ' backup' : ''};`);
  return [`upstream ${name} {`, ...lines, '}'].join('\n');
}

/** `location / { … }` for PHP behind `fastcgi_pass`: never a second peer after a timeout, longer patience than goodgateway's. */
export function fastcgiLocation(pass: string, docroot: string, extra = ''): string {
  return `location / {
    include /etc/nginx/fastcgi_params;
    fastcgi_param SCRIPT_FILENAME ${docroot}$fastcgi_script_name;
    fastcgi_param HTTP_X_REQUEST_ID $request_id;
    fastcgi_pass ${pass};
    fastcgi_next_upstream error;
    fastcgi_read_timeout 320s;
    ${extra}
  }`;
}

/** `location / { … }` behind `proxy_pass`, the same rules. HTTP/1.1, because an answer that was cut is visible there only. */
export function proxyLocation(pass: string, extra = ''): string {
  return `location / {
    proxy_pass http://${pass};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Request-Id $request_id;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_next_upstream error;
    proxy_read_timeout 320s;
    ${extra}
  }`;
}

function configuration(folder: string, port: number, options: NginxOptions): string {
  chmodSync(folder, 0o755);
  return `${isRoot ? 'user www-data;' : ''}
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log notice;
events { worker_connections ${options.workerConnections ?? 4096}; }
http {
  log_format short '$status $upstream_addr $upstream_status $request_time $request';
  access_log ${folder}/access.log short;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  client_max_body_size 0;
  ${options.http ?? ''}
  server {
    listen 127.0.0.1:${port};
    root ${folder}/root;
    ${options.server}
  }
}
`;
}
