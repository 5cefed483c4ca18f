/** How goodgateway's own processes are started: by this very Node, from the source or from the built files, whichever runs now. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SupervisedProcess } from './supervise.ts';

/** Where goodgateway and the Node that runs it lie. */
export interface Installation {
  readonly node: string;
  /** The package's own folder. */
  readonly folder: string;
  /** What it is run from: `dist` (JavaScript), or `src` of a checkout (TypeScript). */
  readonly code: 'dist' | 'src';
}

/** The one that runs now. */
export const thisInstallation: Installation = {
  node: process.execPath,
  folder: fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, ''),
  code: import.meta.url.endsWith('.ts') ? 'src' : 'dist',
};

/** What the proxy may, beside speaking to whom its configuration names. */
export interface ProxyRights {
  /** Numbers of the user and group that it runs as. Default: those of whoever starts it. */
  readonly account?: { readonly uid: number; readonly gid: number };
  /** Files and folders that it reads beside goodgateway itself; all that is in a folder. */
  readonly reads: readonly string[];
  /** Folders in which it makes its sockets. */
  readonly writes: readonly string[];
  /** Files that it makes and writes to; it need not read them. */
  readonly appends: readonly string[];
  /** Where its compiled code is kept: a folder that the healer reads nothing from. */
  readonly cache: string;
  /** Where it meets the healer: what is in force is there when the file itself cannot be read any more. */
  readonly runtime: string;
}

/**
 * The proxy gets Node's permission model: no child processes, no worker threads, no native addons, and of the files
 * only those that it needs. What it may besides is a matter of the user that it runs as.
 */
function permissionFlags({ reads, writes, appends, cache }: ProxyRights, installation: Installation): readonly string[] {
  const whole = (path: string): readonly string[] => [path, `${path}/*`];
  const allow = (kind: 'read' | 'write', paths: readonly string[]): readonly string[] => [...new Set(paths.flatMap(whole))].map((path) => `--allow-fs-${kind}=${path}`);
  return ['--permission', ...allow('read', [...ownFolders(installation), ownDescriptors, ownSockets, ...reads, ...writes, cache]), ...allow('write', [...writes, ...appends, cache])];
}

/** Counted for its metrics, and looked at for sockets that were handed over. */
const ownDescriptors = '/proc/self/fd';
/** What those sockets are bound to. */
const ownSockets = '/proc/self/net';

/** Where the program is, and the packages that it is made of: in its own folder, or beside it. */
function ownFolders({ folder: own }: Installation): readonly string[] {
  const shared = own.indexOf('/node_modules/');
  return shared < 0 ? [own] : [own, own.slice(0, shared + '/node_modules'.length)];
}

/**
 * What waits most of its life is to be small (measured: 95 MB of resident memory become 81). Not for the proxy, whose
 * requests would pay for it.
 */
export const smallRatherThanFast = '--optimize-for-size';

/**
 * What the proxy may fill with short-lived objects before it collects them, in MiB. Measured under load: 190 MB of
 * resident memory instead of 300 with Node's default of 16, for 6 % more CPU a request; with 1 it is 30 % more.
 */
export const smallNurseries = '--max-semi-space-size=4';

/** The file of a program of ours, such as `proxy/main`. Throws when the installation is incomplete. */
export function entryPoint(place: string): string {
  const path = fileOf(place, thisInstallation);
  if (!existsSync(path)) throw new Error(`${path} is missing: install goodgateway again`);
  return path;
}

function fileOf(place: string, { folder, code }: Installation): string {
  return join(folder, code, `${place}.${code === 'src' ? 'ts' : 'js'}`);
}

const quiet = '--disable-warning=ExperimentalWarning';

/** How the healer is started. */
export function healerArgv(configFile: string, installation: Installation): readonly [string, ...string[]] {
  return [installation.node, quiet, smallRatherThanFast, fileOf('healer/main', installation), '--config', configFile];
}

/** How the proxy is started, with what it may do and nothing else. */
export function proxyArgv(configFile: string, rights: ProxyRights, installation: Installation): readonly [string, ...string[]] {
  return [installation.node, quiet, smallNurseries, ...permissionFlags(rights, installation), fileOf('proxy/main', installation), '--config', configFile, '--runtime', rights.runtime];
}

/**
 * Proxy and healer for one configuration file. Their log goes to the supervisor's own output, or to the file `log`.
 * `state` is the configuration's folder of that name: compiled code is kept there, for a restart in half the time. Each
 * has a folder of its own, because who may write compiled code decides what is executed.
 */
export function ownProcesses(configFile: string, { state, log, proxy }: { readonly state: string; readonly log?: string; readonly proxy: ProxyRights }): readonly SupervisedProcess[] {
  const rest = (cache: string): Partial<SupervisedProcess> => ({
    environment: { NODE_COMPILE_CACHE: cache, GOODGATEWAY_SUPERVISOR: String(process.pid) },
    ...(log === undefined ? {} : { log }),
  });
  for (const place of ['healer/main', 'proxy/main']) entryPoint(place);
  return [
    { name: 'healer', argv: healerArgv(configFile, thisInstallation), ...rest(join(state, 'compile-cache', 'healer')) },
    { name: 'proxy', argv: proxyArgv(configFile, proxy, thisInstallation), ...rest(proxy.cache), ...(proxy.account ? { account: proxy.account } : {}) },
  ];
}
