/**
 * What the kernel says about processes and listening sockets: parsing of /proc and small readers of it.
 * Read-only and bounded. A process that ends while it is read is simply absent: that is normal, never an error.
 * @see proc(5)
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync, realpathSync } from 'node:fs';
import { opendir, readlink } from 'node:fs/promises';
import { isIP } from 'node:net';
import { basename, dirname, join } from 'node:path';
import type { Address } from '../core/failure.ts';

/** One process as /proc/PID/stat shows it. `pid` and `startTicks` together name it for ever: pids are reused. */
export interface ProcessStat {
  readonly pid: number;
  readonly comm: string;
  /** `R`, `S`, `D` (waits for I/O), `T` (stopped), `Z` (zombie) and rarer ones. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Start time after boot, in 1/100 s. */
  readonly startTicks: number;
  /** Until now: processor time in 1/100 s, and waits for a page of memory to come from a disk. Now: threads, and pages in memory (0: a kernel thread). */
  readonly cpuTicks: number;
  readonly majorFaults: number;
  readonly threads: number;
  readonly residentPages: number;
}

/** A socket that listens on this host, as /proc/net shows it. */
export interface Listener {
  readonly address: Address;
  readonly inode: string;
}

/** More processes than any host of ours has; the rest would not be seen. */
const mostProcesses = 65_536;
const mostDescriptors = 65_536;
/** /proc/net/unix has about 80 bytes a line: 100,000 sockets. */
const mostTableBytes = 8 * 1024 ** 2;

/** Reads the text of /proc/PID/stat, whose third field is the state. The name may hold spaces and brackets, so everything counts from the last `)`. */
export function parseStat(text: string): ProcessStat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const fields = text.slice(close + 2).split(' ');
  if (open < 0 || close < open || fields.length < 22) return undefined;
  const at = (number: number): number => Number(fields[number - 3]);
  const name = { pid: Number(text.slice(0, open)), comm: text.slice(open + 1, close), state: fields[0] ?? '', parent: at(4), group: at(5), session: at(6), startTicks: at(22) };
  return { ...name, cpuTicks: at(14) + at(15), majorFaults: at(12), threads: at(20), residentPages: at(24) };
}

/** The process as it is now, zombies too; `undefined` when there is none. */
export function readStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

/** All processes that can be seen, at most 65,536. Costs about 20 microseconds each. */
export function readAllStats(): readonly ProcessStat[] {
  const pids = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .slice(0, mostProcesses);
  return pids.map((pid) => readStat(Number(pid))).filter((stat) => stat !== undefined);
}

/** Does it still run? A zombie does not: nothing of it is left but its exit status. */
export function isAlive(stat: ProcessStat | undefined): stat is ProcessStat {
  return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X';
}

/** Stopped by a signal (state T). Signals other than KILL and CONT stay pending on it. */
export function isStopped(stat: ProcessStat): boolean {
  return stat.state === 'T';
}

/** Is this very process still alive, and not another one that was given its pid? */
export function isStillAlive(known: ProcessStat): boolean {
  const now = readStat(known.pid);
  return isAlive(now) && now.startTicks === known.startTicks;
}

/** `PID:START`: identifies one run of one process until the next boot. */
export function processFence(stat: ProcessStat): string {
  return `${stat.pid}:${stat.startTicks}`;
}

/**
 * The living processes that come from `pid`: itself, its descendants, and whatever is in its session or process
 * group, which finds the children of a master that is dead (the kernel keeps a number while it names a session).
 */
export function familyOf(pid: number, all: readonly ProcessStat[]): readonly ProcessStat[] {
  const members = new Set([pid]);
  const belongs = (stat: ProcessStat): boolean => members.has(stat.parent) || stat.session === pid || stat.group === pid;
  for (let before = 0; before !== members.size;) {
    before = members.size;
    for (const stat of all) if (belongs(stat)) members.add(stat.pid);
  }
  return all.filter((stat) => members.has(stat.pid) && isAlive(stat));
}

/** Wall time at which the process began. USER_HZ is 100 on every architecture that Node runs on. */
export function startedAtMs(stat: ProcessStat): number {
  const boot = /^btime (\d+)$/m.exec(readTable('/proc/stat'));
  return Number(boot?.[1] ?? 0) * 1000 + stat.startTicks * 10;
}

/** Reads /proc/net/unix: listening stream sockets (flag 0x10000, SO_ACCEPTCON) that are bound to a path. */
export function parseUnixListeners(table: string): readonly Listener[] {
  const rows = table.matchAll(/^[0-9a-f]+: [0-9A-F]+ [0-9A-F]+ ([0-9A-F]{8}) 0001 [0-9A-F]+ +(\d+) (\/.+)$/gm);
  return [...rows].filter((row) => Number.parseInt(row[1]!, 16) & 0x10000).map((row) => ({ address: { kind: 'unix', path: row[3]! }, inode: row[2]! }));
}

/** Reads /proc/net/tcp or /proc/net/tcp6: the rows in state 0A, LISTEN. */
export function parseTcpListeners(table: string): readonly Listener[] {
  const rows = table.matchAll(/^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F:]+ 0A (?:\S+ +){5}(\d+)/gm);
  return [...rows].map((row) => ({ address: { kind: 'tcp', host: hostFromHex(row[1]!), port: Number.parseInt(row[2]!, 16) }, inode: row[3]! }));
}

/** Reads /proc/net/tcp or /proc/net/tcp6: the connections that are up, or being made (states 01 and 02). */
export function parseTcpPeers(table: string): readonly { readonly inode: string; readonly localPort: number; readonly peer: string }[] {
  const rows = table.matchAll(/^ *\d+: [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) 0[12] (?:\S+ +){5}(\d+)/gm);
  return [...rows].map((row) => ({ inode: row[4]!, localPort: Number.parseInt(row[1]!, 16), peer: `${hostFromHex(row[2]!)}:${Number.parseInt(row[3]!, 16)}` }));
}

/** The kernel's tables of sockets, each read at one moment; of TCP only the listening ones, which come first. */
export interface SocketTables {
  readonly unix: string;
  readonly tcp: string;
  readonly tcp6: string;
}

/** Costs some milliseconds on a host with many thousand unix sockets, and next to nothing elsewhere. */
export function readSocketTables(): SocketTables {
  return { unix: readTable('/proc/net/unix'), tcp: readTable('/proc/net/tcp', endOfListening), tcp6: readTable('/proc/net/tcp6', endOfListening) };
}

/** All of /proc/net/tcp, at most 8 MiB of it: some 55,000 connections. */
export function readTcpTable(): string {
  return readTable('/proc/net/tcp');
}

/** Every listening socket of this network namespace. */
export function readListeners(tables: SocketTables = readSocketTables()): readonly Listener[] {
  return [...parseUnixListeners(tables.unix), ...parseTcpListeners(tables.tcp), ...parseTcpListeners(tables.tcp6)];
}

/** Those of `listeners` that answer at one of `addresses`; a listener on all addresses answers at each. */
export function listenersAt(addresses: readonly Address[], listeners: readonly Listener[]): readonly Listener[] {
  return listeners.filter((listener) => addresses.some((address) => answersAt(listener.address, address)));
}

/** The pids that hold one of these sockets open, found through /proc/PID/fd. Needs root for other users' processes. */
export async function socketOwners(inodes: readonly string[], pids: readonly number[]): Promise<readonly number[]> {
  const links = new Set(inodes.map((inode) => `socket:[${inode}]`));
  if (links.size === 0) return [];
  const owners: number[] = [];
  for (const pid of pids) if (await holdsAny(pid, links)) owners.push(pid);
  return owners;
}

async function holdsAny(pid: number, links: ReadonlySet<string>): Promise<boolean> {
  try {
    let seen = 0;
    for await (const entry of await opendir(`/proc/${pid}/fd`)) {
      if (links.has(await readlink(`/proc/${pid}/fd/${entry.name}`).catch(() => ''))) return true;
      if (++seen >= mostDescriptors) return false;
    }
  } catch {
    // Ended meanwhile, or not ours to see.
  }
  return false;
}

function answersAt(listening: Address, asked: Address): boolean {
  if (listening.kind === 'unix') return asked.kind === 'unix' && (listening.path === asked.path || realPath(listening.path) === realPath(asked.path));
  if (asked.kind === 'unix' || listening.port !== asked.port) return false;
  // A name in the configuration can stand for any of the host's addresses: the port decides.
  return listening.host === '0.0.0.0' || listening.host === '::' || isIP(asked.host) === 0 || listening.host === plainHost(asked.host);
}

/** /var/run is a link to /run on every current system, and both spellings are in use; also of a socket whose file was removed. */
function realPath(path: string): string {
  const folder = (): string => join(realpathSync(dirname(path)), basename(path));
  for (const read of [() => realpathSync(path), folder]) {
    try {
      return read();
    } catch {
      // The file is gone; its folder may be there.
    }
  }
  return path;
}

/** The kernel prints addresses as 32-bit words in host byte order (little-endian wherever Node is supported but s390x). */
function hostFromHex(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, 'hex')].reverse());
  if (bytes.length === 4) return bytes.join('.');
  return plainHost(Buffer.from(bytes).toString('hex').match(/.{4}/g)?.join(':') ?? '');
}

/** One spelling for each address: `::1`, and `127.0.0.1` for the same address mapped into IPv6. */
function plainHost(host: string): string {
  if (isIP(host) !== 6) return host;
  const short = new URL(`http://[${host}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short);
  if (!mapped) return short;
  const [high, low] = [Number.parseInt(mapped[1]!, 16), Number.parseInt(mapped[2]!, 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** Tables are kept here while they are read; it grows to the largest one and stays, so that a look leaves no garbage behind. */
let tableBuffer = Buffer.alloc(65_536);

/**
 * A table of /proc, at most 8 MiB of it, and no further than the part of which `isEnough` is true; empty when it does
 * not exist (no IPv6, no such kernel option). The kernel hands out some 4 KiB at a read.
 */
function readTable(path: string, isEnough: (part: Buffer) => boolean = () => false): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    let length = 0;
    for (let more = true; more && length < mostTableBytes;) {
      if (tableBuffer.length === length) tableBuffer = Buffer.concat([tableBuffer], 2 * length);
      const got = readSync(file, tableBuffer, length, tableBuffer.length - length, null);
      length += got;
      more = got > 0 && !isEnough(tableBuffer.subarray(length - got, length));
    }
    return tableBuffer.toString('latin1', 0, length);
  } finally {
    closeSync(file);
  }
}

/** Is there a row in another state than 0A, LISTEN? */
function endOfListening(part: Buffer): boolean {
  return /^ *\d+: \S+ \S+ (?!0A)[0-9A-F]{2} /m.test(part.toString('latin1'));
}

/** A small text of /proc or of a configuration, empty when it cannot be read: the process may be gone by now. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
