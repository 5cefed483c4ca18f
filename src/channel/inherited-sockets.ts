/**
 * Sockets that systemd listens on and hands over at the start (socket activation): whoever connects while no proxy runs
 * waits in them for the next one. Which is which says its own address, as the kernel has it.
 *
 * @see sd_listen_fds(3), proc_net(5)
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { isIP } from 'node:net';
import { formatAddress, type Address } from '../core/failure.ts';

const firstDescriptor = 3;

const taken = new Set<string>();

/** Address → descriptor, of those that nobody has taken. Read once: the descriptors are this process's from its start on. */
let inherited: Map<string, number> | undefined;

/** The descriptor that listens on exactly this address, for whoever asks first; `undefined` when there is none. */
export function takeInherited(address: Address): number | undefined {
  inherited ??= readInherited();
  const key = keyOf(address);
  const descriptor = inherited.get(key);
  if (inherited.delete(key)) taken.add(key);
  return descriptor;
}

/** Was a socket for this address handed over, and taken? systemd holds it as well: closed here, it still takes connections. */
export function isTaken(address: Address): boolean {
  return taken.has(keyOf(address));
}

/** Was a socket for this address handed over that nobody has taken yet? */
export function isInherited(address: Address): boolean {
  inherited ??= readInherited();
  return inherited.has(keyOf(address));
}

/** The addresses of sockets that were handed over and that nobody has taken: whoever connects there waits for nothing. */
export function inheritedInVain(): readonly string[] {
  inherited ??= readInherited();
  return [...inherited.keys()];
}

function readInherited(): Map<string, number> {
  const { LISTEN_PID: pid, LISTEN_FDS: count } = process.env;
  const found = new Map<string, number>();
  if (Number(pid) !== process.pid || !/^\d{1,4}$/.test(count ?? '')) return found;
  const addresses = boundAddresses();
  for (let descriptor = firstDescriptor; descriptor < firstDescriptor + Number(count); descriptor++) {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${descriptor}`))?.[1] ?? '';
    found.set(addresses.get(inode) ?? `descriptor ${descriptor}`, descriptor);
  }
  return found;
}

/** Inode → address, of every socket of this network namespace. */
function boundAddresses(): ReadonlyMap<string, string> {
  const addresses = new Map<string, string>();
  for (const line of tableOf('unix')) {
    const [, inode, path] = /^\S+ \S+ \S+ \S+ \S+ \S+ +(\d+) (.+)$/.exec(line) ?? [];
    if (inode !== undefined && path !== undefined) addresses.set(inode, keyOf({ kind: 'unix', path }));
  }
  for (const line of [...tableOf('tcp'), ...tableOf('tcp6')]) {
    const [, local = '', , , , , , , , inode = ''] = line.trim().split(/\s+/);
    const [host = '', port = ''] = local.split(':');
    if (/^([0-9A-F]{8}|[0-9A-F]{32})$/.test(host)) addresses.set(inode, keyOf({ kind: 'tcp', host: hostFrom(host), port: Number.parseInt(port, 16) }));
  }
  return addresses;
}

function tableOf(name: 'unix' | 'tcp' | 'tcp6'): readonly string[] {
  try {
    return readFileSync(`/proc/self/net/${name}`, 'utf8').split('\n').slice(1);
  } catch {
    return []; // a kernel without IPv6
  }
}

/** The kernel prints words of 32 bits as this machine has them in memory: the last byte first. */
function hostFrom(hex: string): string {
  const bytes = Buffer.from(hex, 'hex').swap32();
  if (bytes.length === 4) return bytes.join('.');
  return Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16)).join(':');
}

/** One spelling for each address: of IPv6 there are many. */
function keyOf(address: Address): string {
  if (address.kind === 'tcp' && isIP(address.host) === 6) return `${new URL(`http://[${address.host}]`).hostname}:${address.port}`;
  return formatAddress(address);
}
