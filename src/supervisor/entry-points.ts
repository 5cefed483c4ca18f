/** How goodgateway's own processes are started: by this very Node, from the source or from the built files, whichever runs now. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SupervisedProcess } from './supervise.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

/**
 * The proxy gets Node's permission model: no child processes, no worker threads, no native addons. Files stay
 * readable; writing is allowed for the sockets that it makes.
 */
const proxyRights = ['--permission', '--allow-fs-read=*', '--allow-fs-write=*'];

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
 * `state` is the configuration's folder of that name: compiled code is kept there, for a restart in half the time.
 */
export function ownProcesses(configFile: string, { state, log }: { readonly state: string; readonly log?: string }): readonly SupervisedProcess[] {
  const rest = { environment: { NODE_COMPILE_CACHE: join(state, 'compile-cache'), GOODGATEWAY_SUPERVISOR: String(process.pid) }, ...(log === undefined ? {} : { log }) };
  const quiet = '--disable-warning=ExperimentalWarning';
  return [
    { name: 'healer', argv: [process.execPath, quiet, smallRatherThanFast, entryPoint('healer/main'), '--config', configFile], ...rest },
    { name: 'proxy', argv: [process.execPath, quiet, smallNurseries, ...proxyRights, entryPoint('proxy/main'), '--config', configFile], ...rest },
  ];
}
