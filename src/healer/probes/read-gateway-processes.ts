/**
 * The web servers and proxies of this host, as far as it is sure that they are such. What a process calls itself proves
 * nothing: any user may start a program named nginx, and the right to a socket must not be given to him for it.
 */
import { readlinkSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { readText, type ProcessStat } from '../proc.ts';
import { processUser } from './read-process-user.ts';

/** Programs that speak to a backend over its socket. */
const servers: ReadonlySet<string> = new Set(['nginx', 'apache2', 'httpd', 'caddy', 'haproxy', 'lighttpd', 'openresty', 'angie']);
/** Node names its first thread so. */
const nodes: ReadonlySet<string> = new Set(['node', 'MainThread']);

/**
 * What a process is for a backend: the name of a web server, or `goodgateway` for our own proxy; empty for all others. A
 * web server is a program that only root could install, and that root started: by a master of the same program, or as
 * the unit of its name. Our own proxy has the healer's parent; where that is process 1, who takes in the orphans of
 * everybody, it is not told from others.
 */
export function gatewayProgram(row: ProcessStat): string {
  if (servers.has(row.comm)) return isServer(row) ? row.comm : '';
  return nodes.has(row.comm) && isOwnProxy(row) ? 'goodgateway' : '';
}

function isServer({ pid, comm, parent }: ProcessStat): boolean {
  const program = programFile(pid);
  if (!program || program.name !== comm || program.uid !== 0 || (program.mode & 0o022) !== 0) return false;
  if (parent === 1 && readText(`/proc/${pid}/cgroup`).includes(`:/system.slice/${comm}.service\n`)) return true;
  return processUser(parent)?.uid === 0 && programFile(parent)?.id === program.id;
}

function isOwnProxy({ pid, parent }: ProcessStat): boolean {
  if (parent === 1 || parent !== process.ppid || programFile(pid)?.id !== programFile(process.pid)?.id) return false;
  return /\/proxy\/main\.[cm]?[jt]s\0/.test(readText(`/proc/${pid}/cmdline`));
}

/** The file that a process runs; `undefined` where it is gone, or not ours to see. */
function programFile(pid: number): { readonly name: string; readonly id: string; readonly uid: number; readonly mode: number } | undefined {
  try {
    const { dev, ino, uid, mode } = statSync(`/proc/${pid}/exe`);
    // the kernel says so of a program that was upgraded meanwhile
    return { name: basename(readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '')), id: `${dev}:${ino}`, uid, mode };
  } catch {
    return undefined;
  }
}
