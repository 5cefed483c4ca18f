/** Who is at an address that a service's workers wait for. */
import { readlinkSync } from 'node:fs';
import { parseAddress, type Address } from '../../core/failure.ts';
import type { Dependency, ProbeContext } from '../leaves.ts';
import { executableOf, readStat } from '../proc.ts';
import { listenersAt } from '../socket-tables.ts';
import { processesOf, socketsOf } from './read-once.ts';
import { isLocal, readHolders } from './read-sockets.ts';

export interface Peer {
  readonly kind: Dependency['kind'] | 'dns';
  /** The policy's name of it, else the program that listens there; absent where neither is known. */
  readonly name?: string;
  /** It is a service of `depends_on`. */
  readonly known?: true;
}

const byPort: Readonly<Record<number, Dependency['kind']>> = { 3306: 'database', 5432: 'database', 27017: 'database', 1433: 'database', 6379: 'cache', 11211: 'cache' };
const databases = /^(?:mariadbd?|mysqld|postgres|mongod)/;
const caches = /^(?:redis|valkey|keydb|memcached)/;

/**
 * Our own configuration says it first; then who listens there, where that is this machine; then what the port is known
 * for. `pid`: who waits; what an address of the loopback means depends on its network namespace.
 */
export async function readPeer({ thing, udp, pid }: { readonly thing: string; readonly udp: boolean; readonly pid: number }, context: ProbeContext, signal: AbortSignal): Promise<Peer> {
  const address = parseAddress(thing);
  if (!address) return { kind: 'other' };
  const port = address.kind === 'tcp' ? address.port : 0;
  if (udp && port === 53) return { kind: 'dns', name: 'a name server' };
  const elsewhere = !sharesNetwork(pid);
  const known = elsewhere && isLocal(address) ? undefined : context.dependencies.find((one) => one.address && isSame(one.address, address));
  if (known) return { kind: known.kind, name: known.name, known: true };
  const program = elsewhere ? '' : await listenerOf(address, context, signal);
  const kind = databases.test(program) ? 'database' : caches.test(program) ? 'cache' : (byPort[port] ?? 'other');
  return { kind, ...(program !== '' && { name: program }) };
}

/** A name in the configuration can stand for any address: then the port decides. */
function isSame(configured: Address, found: Address): boolean {
  return listenersAt([configured], [{ address: found, inode: '' }]).length > 0;
}

function sharesNetwork(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync('/proc/self/ns/net');
  } catch {
    return false;
  }
}

async function listenerOf(address: Address, context: ProbeContext, signal: AbortSignal): Promise<string> {
  if (!isLocal(address)) return '';
  const inodes = new Set(listenersAt([address], socketsOf(context).listeners).map(({ inode }) => inode));
  if (inodes.size === 0) return '';
  const pids = processesOf(context).map((row) => row.pid);
  const [pid] = [...(await readHolders(inodes, pids, signal)).values()].flat();
  // by its file: a name that a program gives to its threads says less
  return pid === undefined ? '' : executableOf(pid) || (readStat(pid)?.comm ?? '');
}
