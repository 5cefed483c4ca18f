/**
 * What the proxy is started with: its user, the files that it may read, the folders that it may write to. As root, and
 * with `proxy.user`, also the folders themselves: the names of all sockets are in folders that only root may write to.
 */
import { chmodSync, lchownSync, lstatSync, mkdirSync, symlinkSync, unlinkSync, type Stats } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { someoneListens } from '../channel/listen-on.ts';
import { proxyAccount, type Account } from '../config/account.ts';
import type { HostConfig } from '../config/host-schema.ts';
import type { Address } from '../core/failure.ts';
import type { ProxyRights } from '../supervisor/entry-points.ts';
import { whoMayWrite } from './who-may-write.ts';

/** The rights, or why it cannot be started like this, as a sentence. Makes the folders that are missing. */
export async function proxyRights(file: string, host: HostConfig): Promise<ProxyRights | string> {
  const found = await proxyAccount(host.proxy);
  if (!found.ok) return found.reason;
  const sockets = socketsOf(host);
  const reads = proxyReads(file, host);
  const appends = host.access_log ? [host.access_log.file] : [];
  const uid = process.getuid?.();
  if (found.account === undefined || found.account.uid === uid) {
    const folders = [...new Set(sockets.map((path) => dirname(path)))];
    // as its permissions are, the proxy could not make what leads there
    for (const folder of [...folders, ...appends.map((path) => dirname(path))]) mkdirSync(folder, { recursive: true });
    return { reads, writes: folders, appends, cache: join(host.state, 'compile-cache', 'proxy'), runtime: host.runtime };
  }
  if (uid !== 0) return `proxy.user: only root can start the proxy as "${host.proxy.user}"; goodgateway runs as the user ${uid}: leave proxy.user out, or start it as root`;
  const place = { host, account: found.account };
  const own = join(host.runtime, 'proxy');
  prepareRootsFolders(host);
  // before anything is given away in them: whoever could move it meanwhile would be given something else
  const wrong = whatItCouldChange(file, place) ?? giveFolder(own, found.account) ?? (await placeSockets(sockets, own, place)) ?? placeAccessLog(place);
  if (wrong !== undefined) return wrong;
  const elsewhere = sockets.map((path) => dirname(path)).filter((folder) => folder !== host.runtime);
  return { account: found.account, reads, writes: [...new Set([own, ...elsewhere])], appends, cache: join(own, 'compile-cache'), runtime: host.runtime };
}

/** The files and folders that a proxy with this configuration reads, beside goodgateway itself. */
export function proxyReads(file: string, host: HostConfig): readonly string[] {
  return [file, host.runtime, '/etc/passwd', '/etc/group', ...backendFolders(host), ...ownFiles(host)];
}

interface Place {
  readonly host: HostConfig;
  readonly account: Account;
}

/** The unix sockets that the proxy listens on. */
export function socketsOf({ gateways, admin }: HostConfig): readonly string[] {
  return unixPaths([...Object.values(gateways).flatMap(({ listen }) => listen), ...(admin ? [admin.listen] : [])]);
}

/** Looked at for a socket that comes back. */
function backendFolders({ gateways }: HostConfig): readonly string[] {
  return unixPaths(Object.values(gateways).flatMap(({ upstream, also_allowed: others }) => [upstream, ...others])).map((path) => dirname(path));
}

function ownFiles({ gateways, admin }: HostConfig): readonly string[] {
  return [...Object.values(gateways).flatMap(({ fallback, tls }) => [fallback.folder ?? [], tls?.ca ?? []].flat()), ...(admin?.token_file === undefined ? [] : [admin.token_file])];
}

function unixPaths(addresses: readonly Address[]): readonly string[] {
  return addresses.flatMap((address) => (address.kind === 'unix' ? [address.path] : []));
}

/** The sockets' names, the memory and the record are root's, or whose they were made before. */
function prepareRootsFolders({ runtime, state, audit }: HostConfig): void {
  const folders: readonly (readonly [folder: string, mode: number])[] = [
    [runtime, 0o755],
    [state, 0o700],
    [audit.folder, 0o750],
  ];
  for (const [folder, mode] of folders) mkdirSync(folder, { recursive: true, mode });
}

/** The one folder in `runtime` that is the proxy's. Others find their way to the sockets in it, whose own modes decide. */
function giveFolder(own: string, { uid, gid }: Account): string | undefined {
  mkdirSync(own, { recursive: true, mode: 0o755 });
  if (!lstatSync(own).isDirectory()) return `${own} is no folder: remove it, the proxy's sockets are made there`;
  lchownSync(own, uid, gid);
  chmodSync(own, 0o755);
  return undefined;
}

/** Whoever could change one of these could make the healer do what he likes. */
function whatItCouldChange(file: string, { host, account }: Place): string | undefined {
  for (const path of [file, host.runtime, host.state, host.audit.folder, import.meta.filename, process.execPath]) {
    const loose = whoMayWrite(path, account);
    if (loose !== undefined) return `proxy.user: as "${host.proxy.user}" the proxy could change ${loose}, which the healer relies on: chown root ${loose}; chmod go-w ${loose}`;
  }
  return undefined;
}

/** A socket whose name is in root's folder is made in the proxy's, and a link of root's leads there. */
async function placeSockets(sockets: readonly string[], own: string, { host, account }: Place): Promise<string | undefined> {
  for (const path of sockets) {
    const folder = dirname(path);
    if (folder === host.runtime) {
      const wrong = await link(path, join(relative(folder, own), basename(path)));
      if (wrong !== undefined) return wrong;
    } else if (isMade(folder, account)) {
      continue;
    } else if (whoMayWrite(folder, account) !== folder) {
      return `unix:${path}: the user "${host.proxy.user}" may make no socket in ${folder}: chown ${host.proxy.user} ${folder}, or listen in ${host.runtime}`;
    }
  }
  return undefined;
}

/** Its file is made, and made again after every rotation, by the proxy. */
function placeAccessLog({ host, account }: Place): string | undefined {
  if (!host.access_log) return undefined;
  const folder = dirname(host.access_log.file);
  if (isMade(folder, account) || whoMayWrite(folder, account) === folder) return undefined;
  return `access_log.file: the user "${host.proxy.user}" may make no file in ${folder}: name a file in a folder of its own, such as /var/log/goodgateway-access/access.log (a missing folder is made)`;
}

/** Gives a folder that was missing to the account; false when there is one. */
function isMade(folder: string, { uid, gid }: Account): boolean {
  if (lstatSync(folder, { throwIfNoEntry: false })) return false;
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  lchownSync(folder, uid, gid);
  return true;
}

async function link(path: string, target: string): Promise<string | undefined> {
  const found: Stats | undefined = lstatSync(path, { throwIfNoEntry: false });
  if (found && !found.isSocket() && !found.isSymbolicLink()) return `unix:${path}: a file that is no socket is in the way; move it or choose another path`;
  if (found?.isSocket() && (await someoneListens(path))) return `unix:${path}: another process listens there; is goodgateway running already?`;
  if (found) unlinkSync(path);
  symlinkSync(target, path);
  return undefined;
}
