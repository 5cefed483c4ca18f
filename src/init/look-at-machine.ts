/** Reads the machine once, from its files; only `nginx -t` is asked, and only by root on the machine itself. */
import { readlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readAccounts, type Accounts } from '../doctor/accounts.ts';
import type { Unseen } from '../doctor/finding.ts';
import type { HostFiles } from '../doctor/host-files.ts';
import { parseNginx } from '../doctor/nginx/parse-nginx.ts';
import { inForce, nginxFrom, topNumber, workerCount, type Nginx } from '../doctor/nginx/passes.ts';
import { readNginx } from '../doctor/nginx/read-nginx.ts';
import { fpmProgram, readPools, type Pool } from '../doctor/pools.ts';
import { readHostProcesses, type HostProcess } from '../doctor/processes.ts';
import type { RunCommand } from '../healer/commands.ts';
import { findApache } from './find-apache.ts';
import { findPanels } from './control-panels.ts';
import type { FoundNginx, FoundPool, Machine, NginxTest } from './machine.ts';
import { whoListens } from './who-listens.ts';

export interface LookOptions {
  readonly files: HostFiles;
  readonly run: RunCommand;
  readonly isRoot: boolean;
  readonly cpus: number;
  readonly nginxFile: string;
  /** php-fpm's main files beside those at the usual places. */
  readonly fpmFiles: readonly string[];
}

const usualPrograms = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/local/nginx/sbin/nginx', '/usr/local/openresty/nginx/sbin/nginx'];
const testMs = 60_000;
/** What nginx is built with where nothing is written. */
const builtInConnections = 512;

/** Everything that decides what is written. Never rejects for what a machine may be like: what was not seen is listed. */
export async function lookAtMachine(options: LookOptions): Promise<Machine> {
  const { files, isRoot, fpmFiles } = options;
  const [accounts, processes, listening, panels] = await Promise.all([readAccounts(files), readHostProcesses(files), whoListens(files), findPanels(files)]);
  const { pools, unseen } = await readPools(files, fpmFiles);
  const nginx = await findNginx(options, accounts, processes);
  return {
    isRoot,
    nginx,
    listening,
    panels,
    systemd: (await files.stat('/run/systemd/system')) !== undefined,
    pools: await Promise.all(pools.map((pool) => foundPool(pool, processes, files))),
    apache: await findApache(files),
    hasOwnUser: accounts.user('goodgateway') !== undefined,
    unseen: [...unseen, ...unreadable(options), ...hiddenOwners(options)],
  };
}

async function findNginx(options: LookOptions, accounts: Accounts, processes: readonly HostProcess[]): Promise<FoundNginx | undefined> {
  const { files, nginxFile: file, cpus } = options;
  const directives = await readNginx(files, file);
  const text = await files.text(file);
  if (!directives || text === undefined) return undefined;
  const read = nginxFrom(file, directives);
  const master = await masterOf(read, files, processes);
  const program = (master === undefined ? undefined : await programOf(master, files)) ?? (await files.first(usualPrograms));
  return {
    file,
    read,
    program,
    master,
    errorLog: read.main.directives.findLast(({ name }) => name === 'error_log')?.words.find((word) => word.startsWith('/')),
    main: parseNginx(text, file),
    ...whoRunsIt(read, accounts, await workerStatus(master, processes, files)),
    workerConnections: topNumber(read, 'worker_connections') ?? builtInConnections,
    workers: workerCount(read, cpus),
    test: await testNginx({ ...options, program }),
  };
}

/** The running nginx of this configuration, by its pid file. */
async function masterOf(read: Nginx, files: HostFiles, processes: readonly HostProcess[]): Promise<number | undefined> {
  const written = inForce(read.main, 'pid')[0]?.words[0];
  const names = written === undefined ? ['/run/nginx.pid', 'logs/nginx.pid'] : [written];
  // relative names are below the prefix that nginx was built with: of its sources, of nginx.org, of distributions
  const prefixes = [dirname(dirname(read.file)), dirname(read.file), '/usr/share/nginx'];
  for (const path of names.flatMap((name) => (name.startsWith('/') ? [name] : prefixes.map((prefix) => `${prefix}/${name}`)))) {
    const pid = Number((await files.text(path))?.trim());
    const master = processes.find((one) => one.pid === pid && one.command.startsWith('nginx: master'));
    if (master) return master.pid;
  }
  return undefined;
}

/** Of other users' processes only root sees it; a removed program's name has a note behind it. */
async function programOf(pid: number, files: HostFiles): Promise<string | undefined> {
  const program = await readlink(`${files.root}/proc/${pid}/exe`).catch(() => undefined);
  return program?.startsWith('/') && !program.endsWith(' (deleted)') ? program : undefined;
}

/** As a running worker is; else as it is written; else as nginx is usually built. */
function whoRunsIt(read: Nginx, accounts: Accounts, status: string): { readonly user: string | undefined; readonly group: string | undefined } {
  const [uid, gid] = ['Uid', 'Gid'].map((key) => new RegExp(String.raw`^${key}:\s+\d+\s+(\d+)`, 'm').exec(status)?.[1]);
  if (uid !== undefined && gid !== undefined) return { user: accounts.userName(Number(uid)), group: accounts.groupName(Number(gid)) };
  const [user, group] = inForce(read.main, 'user')[0]?.words ?? [];
  const name = user ?? ['www-data', 'nginx', 'nobody'].find((each) => accounts.user(each));
  const account = name === undefined ? undefined : accounts.user(name);
  return { user: name, group: group ?? (account?.gids[0] === undefined ? undefined : accounts.groupName(account.gids[0])) };
}

async function workerStatus(master: number | undefined, processes: readonly HostProcess[], files: HostFiles): Promise<string> {
  const worker = processes.find(({ parent, command }) => parent === master && command.startsWith('nginx: worker process'));
  return worker ? ((await files.text(`/proc/${worker.pid}/status`)) ?? '') : '';
}

async function testNginx({ program, nginxFile, run, isRoot, files }: LookOptions & { readonly program: string | undefined }): Promise<NginxTest> {
  if (files.root !== '') return { kind: 'untried', why: 'nothing of another root is run' };
  if (!isRoot) return { kind: 'untried', why: 'only root can: nginx opens its logs and keys' };
  if (program === undefined) return { kind: 'untried', why: `no nginx is installed at ${usualPrograms[0]} or its like` };
  const { exitCode, output, startError, timedOut } = await run.run([program, '-t', '-c', nginxFile], { timeoutMs: testMs });
  if (exitCode === 0) return { kind: 'passes' };
  return { kind: 'fails', output: startError ?? (timedOut ? `no result within ${testMs / 1000} s` : output) };
}

async function foundPool(pool: Pool, processes: readonly HostProcess[], files: HostFiles): Promise<FoundPool> {
  const version = /^\/etc\/php\/([\d.]+)\/fpm\//.exec(pool.main)?.[1];
  // `php81`, as Remi's packages and others write it
  const [, major, minor] = /\/php(\d)(\d+)\//.exec(pool.main) ?? [];
  const master = processes.find(({ command }) => command === `php-fpm: master process (${pool.main})`);
  const program = fpmProgram(pool.main) ?? (master && (await programOf(master.pid, files)));
  const unit = version === undefined ? (pool.main === '/etc/php-fpm.conf' ? 'php-fpm.service' : undefined) : `php${version}-fpm.service`;
  return { pool, version: version ?? (major === undefined ? undefined : `${major}.${minor}`), program, unit };
}

function unreadable({ files, nginxFile }: LookOptions): readonly Unseen[] {
  const refused = files.refused.map((path) => ({ subject: path, why: 'this user may not read it' }));
  return files.refused.includes(nginxFile) ? [{ subject: 'nginx', why: `this user may not read ${nginxFile}` }, ...refused] : refused;
}

function hiddenOwners({ isRoot, files }: LookOptions): readonly Unseen[] {
  if (isRoot || files.root !== '') return [];
  return [{ subject: 'who listens on which port', why: "only root sees other users' processes" }];
}
