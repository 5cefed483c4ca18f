/**
 * Limits of this host that new connections run into: local ports towards the upstream and what the service needs
 * (evidence `local_ports`), the table in which the packet filter keeps connections (`conntrack`), and the line itself
 * (`line_full`). Each only when most of the room is used.
 */
import { isIPv4 } from 'node:net';
import type { Evidence } from '../../core/diagnosis.ts';
import { formatAddress, type Address } from '../../core/failure.ts';
import type { Probe, ProbeContext } from '../leaves.ts';
import { readText } from '../proc.ts';
import { readTcpTable } from '../socket-tables.ts';
import { readLineDrops } from './read-line-drops.ts';
import { kernelLogOf } from './read-once.ts';

/** From here on it is told. */
const nearlyFull = 0.8;
/** The kernel says it again and again while it drops. */
const latelyMs = 120_000;
/** TCP finds its own speed by losing a packet in a hundred: only far more keeps connections from coming about. */
const mostDropped = 0.2;
const mostDroppedPerS = 20;

/** Applies to every service. */
export const networkLimits: Probe = {
  name: 'network-limits',
  deadlineMs: 1000,
  quick: false,
  applies: () => true,
  look: async (context, signal) => [...localPorts(context), ...conntrack(context), ...(await fullLine(context, signal))],
};

type TcpAddress = Extract<Address, { readonly kind: 'tcp' }>;

/** `net.ipv4.ip_local_port_range`: from which port to which the kernel gives ports to new connections. */
interface Range {
  readonly low: number;
  readonly high: number;
}

function localPorts({ target, dependencies }: ProbeContext): readonly Evidence[] {
  const addresses = [target.upstreams[target.current], ...dependencies.map(({ address }) => address)].filter((address) => address?.kind === 'tcp');
  const [low, high] = readText('/proc/sys/net/ipv4/ip_local_port_range').trim().split(/\s+/).map(Number);
  if (addresses.length === 0 || !low || !high) return [];
  const most = high - low + 1;
  // The whole table is only read where so many connections exist at all.
  if (connections() < most * nearlyFull) return [];
  const table = readTcpTable();
  return addresses
    .map((address) => ({ address, used: countTo(address, { low, high }, table) }))
    .flatMap(({ address, used }) => (used < most * nearlyFull ? [] : [portsEvidence(address, used, { low, high })]));
}

/** Those in use and those that are kept for a minute after their end (TIME-WAIT). */
function connections(): number {
  const line = /^TCP: (.*)$/m.exec(readText('/proc/net/sockstat'))?.[1] ?? '';
  const count = (name: string): number => Number(new RegExp(String.raw`\b${name} (\d+)`).exec(line)?.[1] ?? 0);
  return count('inuse') + count('tw');
}

/** Rows with a local port of the range and this remote side, in any state. The host is compared where it is an IPv4 address. */
function countTo({ host, port }: TcpAddress, { low, high }: Range, table: string): number {
  const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0');
  const bytes = isIPv4(host) ? host.split('.').map(Number).toReversed() : [];
  const remote = new RegExp(String.raw`^ *\d+: [0-9A-F]+:([0-9A-F]{4}) ${bytes.map((byte) => hex(byte, 2)).join('') || '[0-9A-F]+'}:${hex(port, 4)} `, 'gm');
  return [...table.matchAll(remote)].map((row) => Number.parseInt(row[1]!, 16)).filter((local) => local >= low && local <= high).length;
}

function portsEvidence(address: Address, used: number, { low, high }: Range): Evidence {
  const to = formatAddress(address);
  const range = high - low + 1;
  const text = `${used} of ${range} local ports (${low} to ${high}) are used for connections to ${to}, counting those that just ended.`;
  return { kind: 'local_ports', source: '/proc/net/tcp', text, facts: { address: to, used, range } };
}

function conntrack(context: ProbeContext): readonly Evidence[] {
  const read = (name: string): number => Number(readText(`/proc/sys/net/netfilter/nf_conntrack_${name}`).trim() || NaN);
  const [count, max] = [read('count'), read('max')];
  if (!(max > 0) || count < max * nearlyFull) return [];
  const log = kernelLogOf(context);
  const line = typeof log === 'string' ? undefined : log.findLast(({ atMs, text }) => atMs > context.clock.wallMs() - latelyMs && /nf_conntrack: table full/.test(text));
  const said: readonly Evidence[] = line ? [{ kind: 'log', source: '/dev/kmsg', text: line.text.slice(0, 300), facts: { signature: 'conntrack_full', count: 1 } }] : [];
  return [...said, { kind: 'conntrack', source: '/proc/sys/net/netfilter', text: `The packet filter keeps ${count} connections in its table, which has room for ${max}.`, facts: { count, max } }];
}

async function fullLine(context: ProbeContext, signal: AbortSignal): Promise<readonly Evidence[]> {
  const address = context.target.upstreams[context.target.current];
  const drops = address && (await readLineDrops(address, context, signal));
  if (!address || !drops) return [];
  const { device, sent, dropped, elapsedMs } = drops;
  const share = dropped / (dropped + sent);
  const droppedPerS = Math.round((dropped * 1000) / elapsedMs);
  if (share < mostDropped || droppedPerS < mostDroppedPerS) return [];
  const text = `The way to ${formatAddress(address)} is full: a queue of the interface ${device} throws away ${Math.round(100 * share)} % of what is sent, ${droppedPerS} packets a second.`;
  return [{ kind: 'line_full', source: 'tc -s qdisc', text, facts: { address: formatAddress(address), device, droppedShare: share, droppedPerS } }];
}
