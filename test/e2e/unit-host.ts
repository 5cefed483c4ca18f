/**
 * goodgateway as its units under a real systemd of the test's own, between Debian's nginx and php-fpm: one gateway for
 * FastCGI and one for HTTP (whose backend is nginx again). /etc and /var are overlays of that systemd.
 */
import { stringify } from 'yaml';
import type { LoadResult } from '../support/load.ts';
import { recordsEachExecution } from '../support/php-scripts.ts';
import { freePort } from '../support/ports.ts';
import { bootSystemd, type Systemd } from '../support/systemd.ts';
import type { TestScope } from '../support/temp-folder.ts';
import { readyPolicy } from './site.ts';

export type ProgramName = 'supervisor' | 'proxy' | 'healer';

export interface UnitHost {
  readonly systemd: Systemd;
  /** nginx, with nothing but the gateway behind it. */
  readonly fastcgi: number;
  readonly http: number;
  /** nginx with the fail-open snippet: php-fpm itself as backup. */
  readonly failOpen: number;
  readonly admin: string;
  shell(text: string): Promise<string>;
  write(path: string, text: string): Promise<string>;
  /** `goodgateway …`, with its exit status. */
  goodgateway(words: string): ReturnType<Systemd['try']>;
  /** Resolves when nginx, whose only worker does one thing after the other, has seen every connection that was lost before. */
  noticed(): Promise<void>;
  /** Of the oldest process of this program. */
  pid(program: ProgramName): Promise<string | undefined>;
  /** Ids of POSTs, one for each time that PHP executed one. */
  posts(): Promise<readonly string[]>;
}

const project = '/run/project';
/** As the units have it, and not by a link of npm. */
export const node = `${project}/node_modules/node/bin/node`;
const executions = '/run/www-data/executions';

/** Booted, with nginx and php-fpm running, goodgateway configured, and its accounts made by the files that ship. */
export async function startUnitHost(t: TestScope): Promise<UnitHost> {
  const [fastcgi, http, failOpen, backend, app, admin] = [await freePort(), await freePort(), await freePort(), await freePort(), await freePort(), await freePort()];
  const run = `[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=${node} ${project}/src/cli/main.ts run\nRestart=always\nRestartSec=1\nKillMode=process\nRuntimeDirectory=goodgateway\nRuntimeDirectoryPreserve=yes\n`;
  const systemd = await bootSystemd(t, { units: { 'goodgateway.service': run }, wanted: [] });
  const shell = (text: string): Promise<string> => systemd.inside(['/bin/sh', '-ec', text]);
  const write = (path: string, text: string): Promise<string> => systemd.inside(['/bin/sh', '-c', 'mkdir -p "$(dirname "$1")"; umask 022; printf %s "$2" > "$1"', 'write', path, text]);
  for (const folder of ['etc', 'var'])
    await shell(`mkdir -p /run/o/${folder}/u /run/o/${folder}/w; mount -t overlay overlay -o lowerdir=/${folder},upperdir=/run/o/${folder}/u,workdir=/run/o/${folder}/w /${folder}`);
  await shell(
    `mount -t tmpfs tmpfs /var/tmp; mkdir -p /run/php /run/www-data /run/www; touch /run/www-data/executions; chown www-data /run/php /run/www-data /run/www-data/executions
    systemd-sysusers ${project}/packaging/sysusers.d/goodgateway.conf; systemd-tmpfiles --create ${project}/packaging/tmpfiles.d/goodgateway.conf`,
  );
  await write('/run/www/record.php', recordsEachExecution(executions, 5));
  await write('/run/systemd/system/php8.2-fpm.service.d/test.conf', '[Service]\nExecStartPost=\nExecStopPost=\n');
  // what waits while the proxy is away comes at once when it is back
  await shell('sed -i "s/^pm = .*/pm = static/; s/^pm.max_children = .*/pm.max_children = 10/" /etc/php/8.2/fpm/pool.d/www.conf');
  await write('/etc/nginx/nginx.conf', nginxConf({ fastcgi, http, failOpen, backend, app }));
  await write('/etc/goodgateway/policies.d/php-fpm.yaml', readyPolicy('php-fpm.yaml', { mode: 'act' }));
  const gateways = {
    shop: { listen: 'unix:/run/goodgateway/shop.sock', protocol: 'fastcgi', upstream: 'unix:/run/php/php8.2-fpm.sock', service: 'php-fpm', hold: { requests: 2000 } },
    app: { listen: `127.0.0.1:${app}`, protocol: 'http', upstream: `127.0.0.1:${backend}`, service: 'php-fpm', hold: { requests: 2000 } },
  };
  await write('/etc/goodgateway/goodgateway.yaml', stringify({ version: 1, proxy: { user: 'goodgateway', group: 'www-data' }, gateways, admin: `127.0.0.1:${admin}` }));
  await shell('systemctl daemon-reload; systemctl start php8.2-fpm.service nginx.service');
  return {
    systemd,
    fastcgi,
    http,
    failOpen,
    admin: `http://127.0.0.1:${admin}`,
    shell,
    write,
    goodgateway: (words) => systemd.try(['/bin/sh', '-c', `exec ${node} --disable-warning=ExperimentalWarning ${project}/src/cli/main.ts ${words}`]),
    noticed: async () => {
      // what was lost may be behind the first one in the same turn of its events
      for (let turn = 0; turn < 2; turn++) await (await fetch(`http://127.0.0.1:${fastcgi}/awake`, { headers: { connection: 'close' } })).text();
    },
    // such a pattern does not match the command line of the shell
    pid: async (program) => (await systemd.try(['/bin/sh', '-c', `pgrep -of '/[${program[0]}]${program.slice(1)}/main[.]'`])).output.trim() || undefined,
    posts: async () =>
      (await shell(`cat ${executions}`))
        .split('\n')
        .filter((line) => line.startsWith('POST '))
        .map((line) => line.slice(5)),
  };
}

/** A request that was under way when a process was killed: sent before it was gone, and not answered before the kill. */
export function wasUnderWay({ sentAtMs, tookMs }: LoadResult, { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }): boolean {
  return sentAtMs <= toMs && sentAtMs + tookMs >= fromMs;
}

function nginxConf(ports: Readonly<Record<'fastcgi' | 'http' | 'failOpen' | 'backend' | 'app', number>>): string {
  const php = (pass: string, more = ''): string =>
    `include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME /run/www$fastcgi_script_name; fastcgi_next_upstream error; fastcgi_pass ${pass}; ${more}`;
  // one address two times more than connections are kept: a GET whose connection was lost is asked again on those, which
  // are lost as well, and then on a new one
  const again = (address: string): string => `${`server ${address} max_fails=0; `.repeat(4)} keepalive 2;`;
  return `user www-data;
worker_processes 1;
worker_rlimit_nofile 16384;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  upstream shop { ${again('unix:/run/goodgateway/shop.sock')} }
  upstream app { ${again(`127.0.0.1:${ports.app}`)} }
  upstream open { server unix:/run/goodgateway/shop.sock max_fails=0; server unix:/run/php/php8.2-fpm.sock max_fails=0 backup; }
  server { listen 127.0.0.1:${ports.fastcgi}; location / { ${php('shop', 'fastcgi_keep_conn on;')} } location = /awake { return 204; } }
  server { listen 127.0.0.1:${ports.http}; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_next_upstream error; } }
  server { listen 127.0.0.1:${ports.failOpen}; location / { ${php('open')} } }
  server { listen 127.0.0.1:${ports.backend}; location / { ${php('unix:/run/php/php8.2-fpm.sock')} } }
}
`;
}
