/**
 * Who holds a listening socket and how many wait at it, from /proc. No program is needed: it works when nothing can
 * be started any more. It sees the healer's own network namespace only.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Address } from '../../core/failure.ts';
import type { Listener, SocketTables } from '../socket-tables.ts';

/** Whether the address is of this machine, so that its listener can be seen. Host names other than localhost are not. */
export function isLocal(address: Address): boolean {
  if (address.kind === 'unix' || address.host === 'localhost' || address.host.startsWith('127.') || address.host === '::1') return true;
  return Object.values(networkInterfaces()).some((list) => list?.some((entry) => entry.address === address.host));
}

/**
 * Which of `pids` hold which of the sockets: inode → pids. Processes that are gone or forbidden are left out.
 * Gives way to other work every 64 processes, and ends early when the signal aborts.
 */
export async function readHolders(inodes: ReadonlySet<string>, pids: readonly number[], signal: AbortSignal): Promise<ReadonlyMap<string, readonly number[]>> {
  const holders = new Map<string, number[]>();
  for (const [index, pid] of pids.entries()) {
    if (index % 64 === 63) await nextTurn();
    if (signal.aborted) break;
    for (const inode of new Set(socketsOf(pid))) {
      if (inodes.has(inode)) holders.set(inode, [...(holders.get(inode) ?? []), pid]);
    }
  }
  return holders;
}

/** Does it wait for many descriptors at once, as an event loop does? Forbidden: not that one could see. */
export function hasEventPoll(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`)
      .slice(0, 256)
      .some((name) => linkOf(`/proc/${pid}/fd/${name}`) === 'anon_inode:[eventpoll]');
  } catch {
    return false;
  }
}

/** The inode of the socket that a descriptor of a process stands for; `undefined` when it is none. */
export function readSocketInode(pid: number, descriptor: string): string | undefined {
  return /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${descriptor}`))?.[1];
}

/** Empty when it is gone meanwhile, or forbidden. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** Connections that wait to be accepted at a listening socket, as the tables of one moment show them. */
export function queueOf({ address, inode }: Listener, tables: SocketTables): number {
  if (address.kind === 'unix') return countUnixWaiting(address.path, tables.unix);
  // The receive queue of a listening socket is the count of connections that wait.
  const row = new RegExp(String.raw`^ *\d+: \S+ \S+ 0A [0-9A-F]+:([0-9A-F]+) (?:\S+ +){4}${inode} `, 'm');
  return Number.parseInt((row.exec(tables.tcp) ?? row.exec(tables.tcp6))?.[1] ?? '0', 16);
}

/** A connection that nobody has accepted shows its listener's path, state 02 (connecting) and no inode. */
function countUnixWaiting(path: string, table: string): number {
  let count = 0;
  for (let at = table.indexOf(` ${path}\n`); at >= 0; at = table.indexOf(` ${path}\n`, at + 1)) {
    if (/^\S+ \S+ \S+ \S+ \S+ 02 +0$/.test(table.slice(table.lastIndexOf('\n', at) + 1, at))) count++;
  }
  return count;
}

function socketsOf(pid: number): readonly string[] {
  try {
    // 4096: a listening socket is opened early, so that it has one of the first descriptors.
    return readdirSync(`/proc/${pid}/fd`)
      .slice(0, 4096)
      .map((name) => readSocketInode(pid, name))
      .filter((inode) => inode !== undefined);
  } catch {
    return [];
  }
}
