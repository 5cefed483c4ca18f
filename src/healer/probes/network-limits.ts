/**
 * Limits of this host that new connections run into: local ports towards the upstream and what the service needs
 * (evidence `local_ports`), and the table in which the packet filter keeps connections (`conntrack`). Both only when
 * most of the room is used.
 */
import type { Evidence } from '../../core/diagnosis.ts';
import { formatAddress, type Address } from '../../core/failure.ts';
import type { Probe, ProbeContext } from '../leaves.ts';
import { readText, readTcpTable } from '../proc.ts';
import { readKernelLog } from './read-kernel-log.ts';

/** From here on it is told. */
const nearlyFull = 0.8;
/** The kernel says it again and again while it drops. */
const latelyMs = 120_000;

/** Applies to every service. */
export const networkLimits: Probe = {
  name: 'network-limits',
  deadlineMs: 1000,
  quick: false,
  applies: () => true,
  look: async (context) => [...localPorts(context), ...conntrack(context)],
};

function localPorts({ target, dependencies }: ProbeContext): readonly Evidence[] {
  const addresses = [target.upstreams[target.current], ...dependencies.map(({ address }) => address)].filter((address) => address?.kind === 'tcp');
  const [low, high] = readText('/proc/sys/net/ipv4/ip_local_port_range').trim().split(/\s+/).map(Number);
  if (addresses.length === 0 || !low || !high) return [];
  const range = high - low + 1;
  // The whole table is only read where so many connections exist at all.
  if (connections() < range * nearlyFull) return [];
  const table = readTcpTable();
  return addresses
    .map((address) => ({ address, used: countTo(address, table) }))
    .flatMap(({ address, used }) => (used < range * nearlyFull ? [] : [portsEvidence(address, used, { low, high, range })]));
}

/** Those in use and those that are kept for a minute after their end (TIME-WAIT). */
function connections(): number {
  const line = /^TCP: (.*)$/m.exec(readText('/proc/net/sockstat'))?.[1] ?? '';
  const count = (name: string): number => Number(new RegExp(String.raw`\b${name} (\d+)`).exec(line)?.[1] ?? 0);
  return count('inuse') + count('tw');
}

/** The remote side of a row ends in `:PORT` in hex; the host is compared where it is an IPv4 address. */
function countTo(address: Extract<Address, { readonly kind: 'tcp' }>, table: string): number {
  const port = address.port.toString(16).toUpperCase().padStart(4, '0');
  const parts = address.host.split('.').map(Number);
  const isV4 = parts.length === 4 && parts.every((part) => part >= 0 && part <= 255);
  const host = isV4
    ? [...parts]
        .reverse()
        .map((part) => part.toString(16).toUpperCase().padStart(2, '0'))
        .join('')
    : '';
  const needle = `${host}:${port} `;
  let count = 0;
  // The second address of a row stands before its state, and 0A (listening) has no remote port.
  for (let at = table.indexOf(needle); at >= 0; at = table.indexOf(needle, at + needle.length)) if (/^[0-9A-F]{2} /.test(table.slice(at + needle.length, at + needle.length + 3))) count++;
  return count;
}

function portsEvidence(address: Address, used: number, { low, high, range }: { readonly low: number; readonly high: number; readonly range: number }): Evidence {
  const to = formatAddress(address);
  return {
    kind: 'local_ports',
    source: '/proc/net/tcp',
    text: `${used} of ${range} local ports (${low} to ${high}) are used for connections to ${to}, counting those that just ended.`,
    facts: { address: to, used, range },
  };
}

function conntrack({ clock }: ProbeContext): readonly Evidence[] {
  const read = (name: string): number => Number(readText(`/proc/sys/net/netfilter/nf_conntrack_${name}`).trim() || NaN);
  const [count, max] = [read('count'), read('max')];
  if (!(max > 0) || count < max * nearlyFull) return [];
  const log = readKernelLog();
  const line = typeof log === 'string' ? undefined : log.findLast(({ atMs, text }) => atMs > clock.wallMs() - latelyMs && /nf_conntrack: table full/.test(text));
  const said: readonly Evidence[] = line ? [{ kind: 'log', source: '/dev/kmsg', text: line.text.slice(0, 300), facts: { signature: 'conntrack_full', count: 1 } }] : [];
  return [...said, { kind: 'conntrack', source: '/proc/sys/net/netfilter', text: `The packet filter keeps ${count} connections in its table, which has room for ${max}.`, facts: { count, max } }];
}
