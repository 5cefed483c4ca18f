/** A site as a distribution sets it up, in a folder: nginx with conf.d and sites-enabled, php-fpm behind it, both real. */
import { chmodSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { auditRecords, type AuditRecord } from '../support/audit-records.ts';
import { accepts, freePort } from '../support/ports.ts';
import { preparePhpFpm, type PhpFpm } from '../support/php-fpm.ts';
import { endAll, family, processInfo, processes, type ProcessInfo } from '../support/processes.ts';
import { finish, start, succeed, type Finished } from '../support/program.ts';
import { isRoot, programPath } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const program = join(import.meta.dirname, '../../src/cli/main.ts');

export interface RealSite {
  readonly folder: string;
  readonly url: string;
  readonly fpm: PhpFpm;
  /** nginx's main file, and the site's file as it is linked. */
  readonly nginxConf: string;
  readonly siteFile: string;
  readonly config: string;
  read(file: string): string;
  /** Records of the healer, oldest first. */
  audit(): readonly AuditRecord[];
  /** Runs a sub-command of goodgateway for this machine. */
  goodgateway(command: string, ...args: readonly string[]): Promise<Finished>;
  init(...args: readonly string[]): Promise<Finished>;
  /** `goodgateway run`, until its gateway listens; ended when the test is over. */
  run(socket: string): Promise<void>;
}

export async function startRealSite(t: TestScope, scripts: Readonly<Record<string, string>>): Promise<RealSite> {
  const fpm = await preparePhpFpm(t, { scripts, maxChildren: 2 });
  await fpm.start();
  const folder = tempFolder(t, 'gg-init');
  const port = await freePort();
  for (const name of ['conf.d', 'sites-available', 'sites-enabled', 'temp']) mkdirSync(join(folder, name));
  for (const name of ['snippets', 'fastcgi.conf']) cpSync(join('/etc/nginx', name), join(folder, name), { recursive: true });
  chmodSync(folder, 0o755);
  const nginxConf = join(folder, 'nginx.conf');
  const siteFile = join(folder, 'sites-available', 'default');
  writeFileSync(nginxConf, mainText(folder));
  writeFileSync(siteFile, siteText(port, fpm));
  symlinkSync(siteFile, join(folder, 'sites-enabled', 'default'));
  await startNginx(t, nginxConf, port);
  const config = join(folder, 'goodgateway', 'goodgateway.yaml');
  const goodgateway: RealSite['goodgateway'] = (command, ...args) => finish([process.execPath, '--disable-warning=ExperimentalWarning', program, command, '--config', config, ...args]);
  const folders = ['runtime', 'state', 'audit'].flatMap((name) => [`--${name}`, join(folder, 'gg', name)]);
  const admin = `127.0.0.1:${await freePort()}`;
  return {
    folder,
    fpm,
    nginxConf,
    siteFile,
    config,
    goodgateway,
    url: `http://127.0.0.1:${port}`,
    audit: () => auditRecords(join(folder, 'gg', 'audit')),
    read: (file) => readFileSync(join(folder, file), 'utf8'),
    init: (...args) => goodgateway('init', '--nginx-conf', nginxConf, '--php-fpm', fpm.config, '--admin', admin, ...folders, ...args),
    run: (socket) => runGoodgateway(t, config, join(folder, 'gg', 'runtime', socket)),
  };
}

async function startNginx(t: TestScope, config: string, port: number): Promise<void> {
  const running = start([programPath('nginx'), '-c', config, '-g', 'daemon off;']);
  const mine = (): readonly ProcessInfo[] => family(running.pid).flatMap(({ pid }) => processInfo(pid) ?? []);
  t.teardown(() => endAll(mine, 'SIGTERM'));
  await until(() => accepts({ host: '127.0.0.1', port }), { timeoutMs: 20_000, what: () => `nginx to accept: ${running.output()}` });
}

async function runGoodgateway(t: TestScope, config: string, socket: string): Promise<void> {
  await succeed(['/bin/mkdir', '-p', join(socket, '..')]);
  const running = start([process.execPath, '--disable-warning=ExperimentalWarning', program, 'run', '--config', config]);
  const mine = (): readonly ProcessInfo[] => processes(({ command }) => command.includes(config) && !command.includes(' uninstall '));
  t.teardown(() => endAll(mine, 'SIGTERM'));
  await until(async () => processInfo(running.pid) === undefined || (await accepts({ path: socket })), { timeoutMs: 30_000, what: () => `the gateway: ${running.output()}` });
  if (processInfo(running.pid) === undefined) throw new Error(running.output());
}

function mainText(folder: string): string {
  return `${isRoot ? 'user www-data;\n' : ''}worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log notice;
events {
	worker_connections 768;
}
http {
	access_log ${folder}/access.log;
	client_body_temp_path ${folder}/temp;
	proxy_temp_path ${folder}/temp/proxy;
	fastcgi_temp_path ${folder}/temp/fastcgi;
	uwsgi_temp_path ${folder}/temp/uwsgi;
	scgi_temp_path ${folder}/temp/scgi;
	include ${folder}/conf.d/*.conf;
	include ${folder}/sites-enabled/*;
}
`;
}

/** Debian's own default site, with its PHP location. */
function siteText(port: number, fpm: PhpFpm): string {
  return `server {
	listen 127.0.0.1:${port} default_server;
	root ${fpm.docroot};
	index index.html index.php;
	server_name _;

	location / {
		try_files $uri $uri/ =404;
	}

	# pass PHP scripts to FastCGI server
	#
	location ~ \\.php$ {
		include snippets/fastcgi-php.conf;
	#
	#	# With php-fpm (or other unix sockets):
		fastcgi_pass ${fpm.address};
	#	# With php-cgi (or other tcp sockets):
	#	fastcgi_pass 127.0.0.1:9000;
	}
}
`;
}
