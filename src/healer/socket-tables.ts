/**
 * What the kernel says about listening sockets and who holds them: parsing of /proc/net and small readers of it.
 * Read-only and bounded.
 * @see proc(5)
 */
import { realpathSync } from 'node:fs';
import { opendir, readlink } from 'node:fs/promises';
import { isIP } from 'node:net';
import { basename, dirname, join } from 'node:path';
import type { Address } from '../core/failure.ts';
import { readTable } from './proc.ts';

/** A socket that listens on this host, as /proc/net shows it. */
export interface Listener {
  readonly address: Address;
  readonly inode: string;
}

const mostDescriptors = 65_536;

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

/** Is there a row in another state than 0A, LISTEN? */
function endOfListening(part: Buffer): boolean {
  return /^ *\d+: \S+ \S+ (?!0A)[0-9A-F]{2} /m.test(part.toString('latin1'));
}
