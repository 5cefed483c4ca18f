/**
 * A clean, well configured host in a folder: nginx in front of two gateways, php-fpm and an application behind them. Its
 * files are real ones, which nginx, php-fpm and goodgateway take (the scene with real servers starts them); what no file
 * says is answered by {@link calm}. A test plants one trouble in it.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadConfiguration, type Configuration } from '../../src/config/load.ts';
import { systemClock } from '../../src/core/time.ts';
import type { Check, Outside } from '../../src/doctor/check.ts';
import * as registered from '../../src/doctor/checks/registry.ts';
import { examine, type Examination } from '../../src/doctor/examine.ts';
import { gather } from '../../src/doctor/gather.ts';
import { HostFiles } from '../../src/doctor/host-files.ts';
import type { LastRun } from '../../src/doctor/last-run.ts';
import { actionOptions } from '../../src/healer/action-options.ts';
import { succeed } from '../support/program.ts';
import { isRoot } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';

export const gib = 1024 ** 3;
export const allChecks: readonly Check[] = Object.values(registered);

/** The host as files. Paths are those of the host. */
export interface Stack {
  readonly folder: string;
  write(path: string, text: string): void;
  /** Replaces a text that must be there. */
  edit(path: string, from: string | RegExp, to: string): void;
  chmod(path: string, mode: number): void;
  /** Takes everything back that was planted. */
  restore(): void;
  /** As the doctor would see it now. `configured: false`: there is no goodgateway. */
  examine(scene?: Scene): Promise<Examination>;
}

export interface Scene {
  readonly outside?: Partial<Outside>;
  readonly lastRun?: LastRun;
  readonly configured?: false;
  readonly checks?: readonly Check[];
}

const shopPolicy = `version: 1
name: php-fpm
mode: act
service:
  type: process
  pidfile: /run/php/php8.2-fpm.pid
  start: [/usr/sbin/php-fpm8.2, --fpm-config, /etc/php/8.2/fpm/php-fpm.conf, --daemonize]
  config_test: [/usr/sbin/php-fpm8.2, --fpm-config, /etc/php/8.2/fpm/php-fpm.conf, -t]
  log: /var/log/php8.2-fpm.log
`;
const appPolicy = 'version: 1\nname: app\nmode: observe\nservice: { type: external }\n';

const texts: Readonly<Record<string, string>> = {
  '/etc/passwd': `root:x:0:0:root:/root:/bin/bash\nwww-data:x:${isRoot ? 33 : process.getuid?.()}:${isRoot ? 33 : process.getgid?.()}::/var/www:/usr/sbin/nologin\n`,
  '/etc/group': `root:x:0:\nwww-data:x:${isRoot ? 33 : process.getgid?.()}:\n`,
  '/etc/hosts': '127.0.0.1 localhost\n::1 localhost ip6-localhost\n',
  '/etc/resolv.conf': 'nameserver 192.0.2.1\nnameserver 192.0.2.2\n',
  '/etc/nginx/nginx.conf': `user www-data;
worker_processes 2;
worker_rlimit_nofile 8192;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events {
    worker_connections 4096;
}
http {
    access_log off;
    include /etc/nginx/sites-enabled/*;
}
`,
  '/etc/nginx/sites-enabled/shop': `upstream php {
    server unix:/run/goodgateway/shop.sock max_fails=0;
    server unix:/run/php/php8.2-fpm.sock max_fails=0 backup;
}
upstream app {
    server unix:/run/goodgateway/app.sock max_fails=0;
    server 127.0.0.1:7080 max_fails=0 backup;
}
server {
    listen 127.0.0.1:8443 ssl;
    server_name shop.example.com;
    ssl_certificate /etc/nginx/shop.pem;
    ssl_certificate_key /etc/nginx/shop.key;
    root /var/www/html;
    location ~ \\.php$ {
        fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
        fastcgi_pass php;
        fastcgi_next_upstream error;
        fastcgi_read_timeout 320s;
    }
    location / {
        proxy_pass http://app;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_next_upstream error;
        proxy_read_timeout 320s;
    }
}
# stands for the application
server {
    listen 127.0.0.1:7080;
    return 200 "hello";
}
`,
  '/etc/php/8.2/fpm/php-fpm.conf': `[global]
pid = /run/php/php8.2-fpm.pid
error_log = /var/log/php8.2-fpm.log
process_control_timeout = 20s
include=/etc/php/8.2/fpm/pool.d/*.conf
`,
  '/etc/php/8.2/fpm/pool.d/www.conf': `[www]
user = www-data
group = www-data
listen = /run/php/php8.2-fpm.sock
listen.owner = www-data
listen.group = www-data
listen.mode = 0660
pm = static
pm.max_children = 5
pm.status_path = /status
pm.status_listen = /run/php/status.sock
request_terminate_timeout = 60s
`,
  '/etc/php/8.2/fpm/php.ini': '[PHP]\nmax_execution_time = 30\n',
  '/etc/goodgateway/goodgateway.yaml': `version: 1
gateways:
  shop: { listen: unix:/run/goodgateway/shop.sock, socket: { group: www-data }, protocol: fastcgi, upstream: unix:/run/php/php8.2-fpm.sock, service: php-fpm }
  app: { listen: unix:/run/goodgateway/app.sock, socket: { group: www-data }, protocol: http, upstream: 127.0.0.1:7080, service: app }
`,
  '/etc/goodgateway/policies.d/php-fpm.yaml': shopPolicy,
  '/etc/goodgateway/policies.d/app.yaml': appPolicy,
  '/etc/systemd/system/multi-user.target.wants/nginx.service': '',
  '/etc/systemd/system/nginx.service': '[Service]\nExecStart=/usr/sbin/nginx\nRestart=on-failure\nRestartSec=3\n',
};

/** What a kernel shows of such a host while it runs. */
const running: Readonly<Record<string, string>> = {
  '/proc/meminfo': 'MemTotal:        8388608 kB\nMemFree:         1048576 kB\nMemAvailable:    6291456 kB\n',
  '/proc/sys/net/core/somaxconn': '4096\n',
  '/proc/net/tcp':
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:1BA8 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 1001 1 0 100 0 0 10 0\n',
  '/proc/net/tcp6': '  sl  local_address\n',
  ...processFiles(100, 1, 'php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)'),
  ...processFiles(101, 100, 'php-fpm: pool www'),
  ...processFiles(102, 100, 'php-fpm: pool www'),
  '/proc/101/smaps_rollup': 'Rss:   90000 kB\nPss:   65536 kB\n',
  '/proc/102/smaps_rollup': 'Rss:   90000 kB\nPss:   65536 kB\n',
  ...processFiles(200, 1, 'nginx: master process /usr/sbin/nginx'),
  ...processFiles(201, 200, 'nginx: worker process'),
  '/proc/201/limits': 'Limit                     Soft Limit           Hard Limit           Units\nMax open files            8192                 8192                 files\n',
  '/proc/201/fd/0': '',
  '/var/log/php8.2-fpm.log': '[26-Nov-2026 12:00:00] NOTICE: ready to handle connections\n',
  '/run/php/php8.2-fpm.sock': '',
  '/run/goodgateway/shop.sock': '',
  '/run/goodgateway/app.sock': '',
  '/usr/sbin/nginx': '',
  '/usr/sbin/php-fpm8.2': '',
};

const status = { 'start since': 86_400, 'accepted conn': 5000, 'max listen queue': 0, 'max active processes': 2, 'max children reached': 0 };

/** The answers of a host in which all is well. Programs end with 0 and say nothing. */
export const calm: Outside = {
  run: {
    run: async (argv) => ({ argv, exitCode: 0, signal: undefined, timedOut: false, durationMs: 1, output: '' }),
    startDetached: async () => ({ startError: 'not in this test' }),
  },
  clock: systemClock,
  isRoot: true,
  cpus: 2,
  space: async () => ({ device: 1, freeBytes: 50 * gib, totalBytes: 100 * gib, freeInodes: 900_000, totalInodes: 1_000_000 }),
  whyUnresolved: async () => undefined,
  whySilent: async () => undefined,
  // only asked where nobody listens
  accepts: async () => false,
  certificateAt: async () => 'it shows none',
  fpmStatus: async () => ({ text: JSON.stringify(status) }),
};

/** The same with another status page. */
export function counted(numbers: Partial<typeof status>): Partial<Outside> {
  return { fpmStatus: async () => ({ text: JSON.stringify({ ...status, ...numbers }) }) };
}

/** The same with the output of some programs; a text alone ends with 0. */
export function printing(outputs: Readonly<Record<string, string | { readonly exitCode: number; readonly output: string }>>): Partial<Outside> {
  const run: Outside['run']['run'] = async (argv, options) => {
    const found = outputs[argv.join(' ')];
    const result = await calm.run.run(argv, options);
    return { ...result, ...(typeof found === 'string' ? { output: found } : found) };
  };
  return { run: { ...calm.run, run } };
}

/** The files of a process in /proc. */
export function processFiles(pid: number, parent: number, command: string): Readonly<Record<string, string>> {
  const comm = command.split(/[ :]/)[0]!.split('/').at(-1)!.slice(0, 15);
  return { [`/proc/${pid}/cmdline`]: command.replaceAll(' ', '\0'), [`/proc/${pid}/stat`]: `${pid} (${comm}) S ${parent} ${pid} ${pid}${' 0'.repeat(40)}\n` };
}

/** Writes it, with a key and a certificate for its nginx, as if it ran; gone when the test is over. */
export async function writeStack(t: TestScope): Promise<Stack> {
  const folder = await writeConfigurations(t);
  for (const [path, text] of Object.entries(running)) put(folder, path, text);
  for (const path of ['/run/php/php8.2-fpm.sock', '/run/goodgateway/shop.sock', '/run/goodgateway/app.sock']) {
    if (isRoot) chownSync(folder + path, 33, 33);
    chmodSync(folder + path, 0o660);
  }
  const undo: (() => void)[] = [];
  const write = (path: string, text: string): void => {
    const before = existsSync(folder + path) ? readFileSync(folder + path, 'utf8') : undefined;
    undo.push(() => (before === undefined ? rmSync(folder + path) : writeFileSync(folder + path, before)));
    put(folder, path, text);
  };
  return {
    folder,
    write,
    edit: (path, from, to) => {
      const before = readFileSync(folder + path, 'utf8');
      const after = before.replace(from, to);
      if (after === before) throw new Error(`${path} has no ${String(from)}`);
      write(path, after);
    },
    chmod: (path, mode) => {
      const { mode: before } = statSync(folder + path);
      undo.push(() => chmodSync(folder + path, before));
      chmodSync(folder + path, mode);
    },
    restore: () => {
      for (const back of undo.splice(0).toReversed()) back();
    },
    examine: async (scene = {}) => {
      const outside = { ...calm, ...scene.outside };
      const loaded = scene.configured === false ? undefined : await loadConfiguration(join(folder, 'etc/goodgateway/goodgateway.yaml'), { actionOptions });
      const configuration: Configuration | undefined = loaded?.ok ? loaded.configuration : undefined;
      const mistakes = loaded && !loaded.ok ? loaded.problems.map(({ message }) => message) : [];
      const { context, unseen } = await gather({ outside, files: new HostFiles(folder), configuration, mistakes, nginxFile: undefined, lastRun: scene.lastRun });
      const found = await examine(context, scene.checks ?? allChecks);
      return { ...found, unseen: [...unseen, ...found.unseen] };
    },
  };
}

/** Only what nginx, php-fpm and goodgateway read: for a scene in which they run. */
export async function writeConfigurations(t: TestScope): Promise<string> {
  const folder = tempFolder(t, 'gg-doc');
  for (const [path, text] of Object.entries(texts)) put(folder, path, text);
  const [key, certificate] = [join(folder, 'etc/nginx/shop.key'), join(folder, 'etc/nginx/shop.pem')];
  await succeed([
    '/usr/bin/openssl',
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '3650',
    '-subj',
    '/CN=shop.example.com',
    '-keyout',
    key,
    '-out',
    certificate,
  ]);
  return folder;
}

function put(folder: string, path: string, text: string): void {
  mkdirSync(dirname(folder + path), { recursive: true });
  writeFileSync(folder + path, text);
}
