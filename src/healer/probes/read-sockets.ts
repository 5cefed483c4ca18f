/**
 * Who holds a listening socket and how many wait at it, from /proc. No program is needed: it works when nothing can
 * be started any more. It sees the healer's own network namespace only.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Address } from '../../core/failure.ts';
import type { Listener } from '../proc.ts';

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

/** The inode of the socket that a descriptor of a process stands for; `undefined` when it is none. */
export function readSocketInode(pid: number, descriptor: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1];
  } catch {
    return undefined;
  }
}

/** Connections that wait to be accepted. */
export async function readQueue(listener: Listener): Promise<number> {
  const { address, inode } = listener;
  if (address.kind === 'unix') {
    // A connection that nobody has accepted shows its listener's path, state 02 (connecting) and no inode.
    const rows = (await tableHead('/proc/net/unix')).split('\n');
    return rows.filter((row) => row.endsWith(` ${address.path}`) && /^\S+ \S+ \S+ \S+ \S+ 02 +0 /.test(row)).length;
  }
  const table = `${await tableHead('/proc/net/tcp')}\n${await tableHead('/proc/net/tcp6')}`;
  const fields = table.split('\n').map((row) => row.trim().split(/\s+/)).find((row) => row[3] === '0A' && row[9] === inode);
  // The receive queue of a listening socket is the count of connections that wait.
  return parseInt(fields?.[4]?.split(':')[1] ?? '0', 16);
}

function socketsOf(pid: number): readonly string[] {
  try {
    // 4096: a listening socket is opened early, so that it has one of the first descriptors.
    return readdirSync(`/proc/${pid}/fd`).slice(0, 4096).map((name) => readSocketInode(pid, name)).filter((inode) => inode !== undefined);
  } catch {
    return [];
  }
}

/** At most 4 MiB. Listening sockets come first in the TCP tables; the unix table has about 80 bytes a socket. */
async function tableHead(path: string): Promise<string> {
  const buffer = Buffer.alloc(64 * 1024);
  let text = '';
  try {
    await using file = await open(path);
    for (let got = 1; got > 0 && text.length < 4 * 1024 ** 2; text += buffer.toString('latin1', 0, got)) {
      got = (await file.read(buffer, 0, buffer.length, null)).bytesRead;
    }
  } catch {
    // A kernel without IPv6 has no tcp6; then nothing waits there.
  }
  return text;
}
