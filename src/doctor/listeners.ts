/** Who listens on TCP, from the tables of /proc below the root of {@link HostFiles}; of this network namespace only. */
import { networkInterfaces } from 'node:os';
import { parseTcpListeners } from '../healer/socket-tables.ts';
import type { HostFiles } from './host-files.ts';
import { isLoopback } from './who-passes.ts';

export interface TcpListener {
  readonly host: string;
  readonly port: number;
}

/** `undefined` when the tables cannot be read: then nothing is known. */
export async function readTcpListeners(files: HostFiles): Promise<readonly TcpListener[] | undefined> {
  const [tcp, tcp6] = [await files.text('/proc/net/tcp'), await files.text('/proc/net/tcp6')];
  if (tcp === undefined) return undefined;
  return [...parseTcpListeners(tcp), ...parseTcpListeners(tcp6 ?? '')].flatMap(({ address }) => (address.kind === 'tcp' ? [address] : []));
}

/** Does one of them answer at this address? An IPv6 listener on all addresses takes IPv4 connections, too (bindv6only is 0 everywhere). */
export function listensAt(listeners: readonly TcpListener[], host: string, port: number): boolean {
  return listeners.some((one) => one.port === port && (one.host === host || one.host === '::' || (one.host === '0.0.0.0' && !host.includes(':'))));
}

/** Is it an address of this machine, so that its listener can be seen? */
export function isThisHost(host: string): boolean {
  return isLoopback(host) || Object.values(networkInterfaces()).some((list) => list?.some((entry) => entry.address === host));
}
