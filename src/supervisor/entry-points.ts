/** How goodgateway's own processes are started: by this very Node, from the source or from the built files, whichever runs now. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SupervisedProcess } from './supervise.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

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
function permissionFlags({ reads, writes, appends, cache }: ProxyRights): readonly string[] {
  const whole = (path: string): readonly string[] => [path, `${path}/*`];
  const allow = (kind: 'read' | 'write', paths: readonly string[]): readonly string[] => [...new Set(paths.flatMap(whole))].map((path) => `--allow-fs-${kind}=${path}`);
  return ['--permission', ...allow('read', [...ownFolders(), ownDescriptors, ...reads, ...writes, cache]), ...allow('write', [...writes, ...appends, cache])];
}

/** Counted for its metrics. */
const ownDescriptors = '/proc/self/fd';

/** Where this program is, and the packages that it is made of: in its own folder, or beside it. */
function ownFolders(): readonly string[] {
  const own = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
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
  const path = fileURLToPath(new URL(`../${place}.${extension}`, import.meta.url));
  if (!existsSync(path)) throw new Error(`${path} is missing: install goodgateway again`);
  return path;
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
  const quiet = '--disable-warning=ExperimentalWarning';
  return [
    { name: 'healer', argv: [process.execPath, quiet, smallRatherThanFast, entryPoint('healer/main'), '--config', configFile], ...rest(join(state, 'compile-cache', 'healer')) },
    {
      name: 'proxy',
      argv: [process.execPath, quiet, smallNurseries, ...permissionFlags(proxy), entryPoint('proxy/main'), '--config', configFile, '--runtime', proxy.runtime],
      ...rest(proxy.cache),
      ...(proxy.account ? { account: proxy.account } : {}),
    },
  ];
}
