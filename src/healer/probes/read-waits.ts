/**
 * What a process waits for: an address at the other end of a connection, a lock and who holds it, a program that it
 * started, a timer, a disk. From /proc alone, but for the other end of a unix socket, which only `ss` can tell.
 */
import { readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import type { RunCommand } from '../commands.ts';
import { readStat, readText, type ProcessStat } from '../proc.ts';
import { parseTcpListeners, parseTcpPeers } from '../socket-tables.ts';
import { readSystemCall, type SystemCall } from './read-system-call.ts';

/** One thing that is waited for. */
export interface Wait {
  /**
   * `address`: an answer, or a connection; `lock`: on a file; `program`: one that it started; `sleep`: a timer; `disk`:
   * state D; `gateway`: its own visitor's bytes; `computing`: nothing; `itself`: another thread; `unclear`: not known.
   */
  readonly on: 'address' | 'lock' | 'program' | 'sleep' | 'disk' | 'gateway' | 'computing' | 'itself' | 'unclear';
  /** Tells this thing from others of its kind. */
  readonly key: string;
  /** `10.0.0.5:3306`, `unix:/run/x.sock`, a file for people, a program's name; empty where the kind says all. */
  readonly thing: string;
  readonly udp?: true;
  /** Of a unix connection whose other end is not known yet. @see nameUnixPeers */
  readonly inode?: string;
  /** Who has the lock. */
  readonly holder?: number;
}

/** `own`, `needed`: the unix sockets of the service itself, and of what it needs by its policy. */
export interface PeerSearch {
  readonly run: RunCommand;
  readonly own: ReadonlySet<string>;
  readonly needed: ReadonlySet<string>;
  readonly signal: AbortSignal;
}

interface Sockets {
  readonly peers: ReadonlyMap<string, { readonly peer: string; readonly udp: boolean }>;
  /** Inodes of the service's ends of connections that others made to it. */
  readonly incoming: ReadonlySet<string>;
}

/** The tables of the network namespace that the processes are in, and the locks; each is read when it is first asked for. */
export interface WaitTables {
  readonly sockets: () => Sockets;
  readonly unix: () => string;
  readonly locks: () => string;
}

const ssTimeoutMs = 500;
const ssOutputBytes = 2 * 1024 ** 2;
/** Longer paths are cut in the middle of nowhere, but no text grows without bound. */
const longestThing = 200;

/** The tables of one moment, for many processes of one network namespace; `pid` is one of them. */
export function readWaitTables(pid: number): WaitTables {
  const unix = once(() => readText(`/proc/${pid}/net/unix`));
  return { unix, sockets: once(() => readSockets(pid, unix())), locks: once(() => readText('/proc/locks')) };
}

function once<Value>(read: () => Value): () => Value {
  let known: { readonly value: Value } | undefined;
  return () => (known ??= { value: read() }).value;
}

function readSockets(pid: number, unix: string): Sockets {
  const tcp = ['tcp', 'tcp6'].map((name) => readText(`/proc/${pid}/net/${name}`));
  const ports = new Set(tcp.flatMap(parseTcpListeners).map(({ address }) => (address.kind === 'tcp' ? address.port : 0)));
  const connections = tcp.flatMap(parseTcpPeers);
  const outgoing = connections.filter(({ localPort }) => !ports.has(localPort)).map((row) => ({ ...row, udp: false }));
  const datagrams = ['udp', 'udp6'].flatMap((name) => parseTcpPeers(readText(`/proc/${pid}/net/${name}`))).map((row) => ({ ...row, udp: true }));
  return {
    peers: new Map([...outgoing, ...datagrams].map((row) => [row.inode, row])),
    incoming: new Set([...connections.filter(({ localPort }) => ports.has(localPort)).map(({ inode }) => inode), ...pathsByInode(unix).keys()]),
  };
}

/** What the thread waits for; `undefined` when it is gone, or not ours to see. `all`: to find the programs that it started. */
export function readWait(row: Pick<ProcessStat, 'pid' | 'state'>, tables: WaitTables, all: readonly ProcessStat[], thread = row.pid): Wait | undefined {
  const call = readSystemCall(row.pid, thread);
  const state = stateOf(row.pid, thread) ?? row.state;
  if (state === 'D') return plain('disk');
  switch (call.kind) {
    case 'unseen':
      return undefined;
    case 'running':
      return plain('computing');
    case 'asleep':
      return plain(state === 'R' ? 'computing' : 'unclear');
    case 'call':
      return state === 'R' ? plain('computing') : callWait(row.pid, call, tables, all);
  }
}

function callWait(pid: number, { name, descriptors }: Extract<SystemCall, { kind: 'call' }>, tables: WaitTables, all: readonly ProcessStat[]): Wait {
  switch (name) {
    case 'sleep':
      return plain('sleep');
    case 'futex':
    case 'semaphore':
      return plain('itself');
    case 'accept':
    case 'file':
      return plain('unclear');
    case 'child':
      return programOf(pid, all) ?? plain('unclear');
    case 'lock':
      return lockOf(pid, descriptors[0] ?? -1, tables.locks());
    case 'read':
    case 'write':
    case 'poll':
    case 'select':
    case 'connect': {
      const seen = descriptors.map((descriptor) => descriptorWait(pid, descriptor, tables, all));
      // a poll for nothing is a sleep with another name
      return seen.find((wait) => wait?.on === 'address') ?? seen.find((wait) => wait !== undefined) ?? plain(name === 'poll' && descriptors.length === 0 ? 'sleep' : 'unclear');
    }
  }
}

function plain(on: Wait['on']): Wait {
  return { on, key: on, thing: '' };
}

function stateOf(pid: number, thread: number): string | undefined {
  if (thread === pid) return readStat(pid)?.state;
  const text = readText(`/proc/${pid}/task/${thread}/stat`);
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[0] || undefined;
}

function descriptorWait(pid: number, descriptor: number, tables: WaitTables, all: readonly ProcessStat[]): Wait | undefined {
  const [, kind, inode = ''] = /^(socket|pipe):\[(\d+)\]$/.exec(linkOf(pid, descriptor)) ?? [];
  if (kind === 'pipe') return programOf(pid, all);
  if (kind !== 'socket') return undefined;
  const found = tables.sockets().peers.get(inode);
  if (found) return { on: 'address', key: found.peer, thing: found.peer, ...(found.udp && { udp: true }) };
  if (tables.sockets().incoming.has(inode)) return plain('gateway');
  const isUnix = new RegExp(String.raw`^[0-9a-f]+: \S+ \S+ \S+ 0001 \S+ +${inode}$`, 'm').test(tables.unix());
  return isUnix ? { on: 'address', key: `socket ${inode}`, thing: '', inode } : undefined;
}

function linkOf(pid: number, descriptor: number): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${descriptor}`);
  } catch {
    return '';
  }
}

/** The program at the end of the line: `sh -c convert` waits for `convert`. */
function programOf(pid: number, all: readonly ProcessStat[]): Wait | undefined {
  let last: ProcessStat | undefined;
  for (let of: number | undefined = pid, depth = 0; of !== undefined && depth < 8; depth++) {
    const child: ProcessStat | undefined = all.find((row) => row.parent === of && row.state !== 'Z');
    last = child ?? last;
    of = child?.pid;
  }
  return last && { on: 'program', key: `program ${last.comm}`, thing: last.comm };
}

/** `1: FLOCK  ADVISORY  WRITE 31933 fe:00:2261541 0 EOF`; who waits for it stands below, behind an arrow, with its number. */
function lockOf(pid: number, descriptor: number, locks: string): Wait {
  const waits = new RegExp(String.raw`^(\d+): +-> \S+ +\S+ +\S+ +${pid} (\S+) `, 'm').exec(locks);
  const holder = waits && new RegExp(String.raw`^${waits[1]}: (?!.*->)\S+ +\S+ +\S+ +(\d+) `, 'm').exec(locks)?.[1];
  const path = linkOf(pid, descriptor);
  return { on: 'lock', key: `lock ${waits?.[2] ?? path}`, thing: fileForPeople(path), ...(holder !== undefined && holder !== null && Number(holder) > 0 && { holder: Number(holder) }) };
}

/** The name of a session's file is the session's password. */
function fileForPeople(path: string): string {
  return /\/sess_[^/]+$/.test(path) ? `a session file in ${dirname(path)}`.slice(0, longestThing) : path.slice(0, longestThing);
}

/** Of the ends that have one: where they are bound, or were accepted from. */
function pathsByInode(table: string): ReadonlyMap<string, string> {
  return new Map([...table.matchAll(/^[0-9a-f]+: \S+ \S+ \S+ 0001 \S+ +(\d+) (\/.+)$/gm)].map((row) => [row[1]!, row[2]!]));
}

/**
 * The waits with the paths at which the other ends of their unix connections listen; those that stay unknown are
 * `unclear`. The kernel's table shows where an end is bound, not who is at the other: `ss` does. A connection that nobody
 * has accepted has no other end yet: then it is the one other listener at which connections wait, one that the service is
 * known to need before all others, where there is just one.
 */
export async function nameUnixPeers(waits: readonly Wait[], tables: WaitTables, { run, own, needed, signal }: PeerSearch): Promise<readonly Wait[]> {
  if (!waits.some(({ inode }) => inode !== undefined)) return waits;
  const { output } = await run.run(['/usr/bin/ss', '-xnH'], { timeoutMs: ssTimeoutMs, signal, outputBytes: ssOutputBytes });
  const others = new Map([...output.matchAll(/^u_str +ESTAB +\d+ +\d+ +\S+ (\d+) +\* (\d+)/gm)].map(([, end = '', other = '']) => [end, other]));
  const table = tables.unix();
  const paths = pathsByInode(table);
  const waiting = new Set([...table.matchAll(/^[0-9a-f]+: \S+ \S+ \S+ 0001 02 +0 (\/.+)$/gm)].map((row) => row[1]!));
  // at the service's own socket its visitors wait, not its workers
  const candidates = [...waiting].filter((path) => !own.has(path));
  const likely = candidates.some((path) => needed.has(path)) ? candidates.filter((path) => needed.has(path)) : candidates;
  const unaccepted = likely.length === 1 ? likely[0] : undefined;
  return waits.map((wait) => {
    if (wait.inode === undefined) return wait;
    const other = others.get(wait.inode);
    const path = other === '0' ? unaccepted : paths.get(other ?? '');
    return path === undefined ? plain('unclear') : { on: 'address', key: path, thing: `unix:${path}`.slice(0, longestThing) };
  });
}
