/** What a process waits for, as the kernel tells: for the record, so that a person finds the bug that its end hides. */
import { readdirSync, readlinkSync } from 'node:fs';
import { readText } from '../proc.ts';
import { parseTcpPeers } from '../socket-tables.ts';

const mostDescriptors = 4096;
const mostPeers = 5;

/** A few words, such as `sleeps in hrtimer_nanosleep, connected to 10.0.0.5:3306`. `ownPorts`: where the service itself listens. */
export function readWorkerWait(pid: number, ownPorts: readonly number[]): string {
  const where = readText(`/proc/${pid}/wchan`).trim();
  const sleeps = /lock_inode|flock/.test(where) ? 'waits for a lock on a file' : where === '' || where === '0' ? 'computes, or cannot be seen to wait' : `sleeps in ${where}`;
  const peers = peersOf(pid, ownPorts);
  const more = peers.length > mostPeers ? ` and ${peers.length - mostPeers} more` : '';
  return peers.length === 0 ? sleeps : `${sleeps}, connected to ${peers.slice(0, mostPeers).join(', ')}${more}`;
}

function peersOf(pid: number, ownPorts: readonly number[]): readonly string[] {
  const inodes = socketsOf(pid);
  if (inodes.size === 0) return [];
  // the process's own tables: it may be in another network namespace
  const connections = ['tcp', 'tcp6'].flatMap((name) => parseTcpPeers(readText(`/proc/${pid}/net/${name}`)));
  const own = connections.filter(({ inode, localPort }) => inodes.has(inode) && !ownPorts.includes(localPort));
  return [...new Set(own.map(({ peer }) => peer))];
}

function socketsOf(pid: number): ReadonlySet<string> {
  const found = new Set<string>();
  try {
    for (const name of readdirSync(`/proc/${pid}/fd`).slice(0, mostDescriptors)) {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${name}`))?.[1];
      if (inode !== undefined) found.add(inode);
    }
  } catch {
    // A descriptor was closed, or the process ended, while it was read: what was seen is told.
  }
  return found;
}
