/**
 * Why a connect over TCP fails although somebody listens, or nobody can tell: how it fails, which rules of the packet
 * filter could do that, and whether their counters moved with our own connect. Evidence `blocked_connect` for the
 * connect, `firewall_rule` for each rule. Nothing is read where a connect works, or where it is clear that nobody listens.
 */
import { isIP } from 'node:net';
import type { Evidence } from '../../core/diagnosis.ts';
import { formatAddress, type Address } from '../../core/failure.ts';
import { connectTo } from '../../upstream/connect.ts';
import type { Probe, ProbeContext } from '../leaves.ts';
import { readText } from '../proc.ts';
import { listenersAt } from '../socket-tables.ts';
import { isOnTheWay, type BlockingRule } from './read-blocking-rule.ts';
import { movedSince, readFirewall } from './read-firewall.ts';
import { socketsOf, workersOf } from './read-once.ts';
import { isLocal, queueOf } from './read-sockets.ts';
import { findTool } from './read-tools.ts';

type TcpAddress = Extract<Address, { readonly kind: 'tcp' }>;

/** A connect on this host takes microseconds; on a machine that has no time left the timer may be the first to run. */
const connectMs = 500;
/** Rules that are named, the best first. */
const mostRules = 5;
/** How a connect may fail that something between us and the service brings about. */
const blockedErrors = new Set(['timeout', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EACCES', 'EPERM', 'EINVAL']);

/** Applies to services that are reached over TCP. */
export const firewall: Probe = {
  name: 'firewall',
  deadlineMs: 4000,
  quick: false,
  applies: (target) => target.upstreams[target.current]?.kind === 'tcp',
  async look(context, signal) {
    const address = context.target.upstreams[context.target.current];
    if (address?.kind !== 'tcp' || (await explainsItself(context, address))) return [];
    const first = await failureOf(address, signal);
    const listening = isListening(context, address);
    if (first === undefined || (first === 'ECONNREFUSED' && listening === false)) return [];
    const before = await readFirewall(address, context.run, signal);
    const again = await failureOf(address, signal);
    // Only what stays is worth a word: it may have come back meanwhile.
    if (again !== first) return [];
    const after = before.rules.some(({ packets }) => packets !== undefined) ? await readFirewall(address, context.run, signal) : before;
    const met = after.rules.filter(({ hooks }) => isOnTheWay(hooks, isLocal(address)));
    const rules = pick(met, { moved: movedSince(before.rules, met), failure: again });
    return [connectEvidence(address, { failure: again, listening, rulesRead: after.missing.length === 0 }), ...rules.map((rule) => ruleEvidence(rule, address)), ...after.missing.map(notRead)];
  },
};

/** A queue in front of a busy service looks like a packet filter that drops, and one more connect would only lengthen it. */
async function explainsItself(context: ProbeContext, address: Address): Promise<boolean> {
  const { tables, listeners } = socketsOf(context);
  if (listenersAt([address], listeners).some((row) => queueOf(row, tables) > 0)) return true;
  return (await workersOf(context))?.idle.length === 0;
}

/** `timeout`, or the system's name of the error; `undefined` when it connects, or the failure is no question of the way. */
async function failureOf(address: Address, signal: AbortSignal): Promise<string | undefined> {
  const result = await connectTo(address, { timeoutMs: connectMs, signal });
  if (result.kind === 'connected') result.socket.destroy();
  if (result.kind !== 'failure' || result.failure.phase !== 'connect') return undefined;
  const how = result.failure.errno ?? 'timeout';
  return blockedErrors.has(how) ? how : undefined;
}

function isListening(context: ProbeContext, address: Address): boolean | undefined {
  return isLocal(address) ? listenersAt([address], socketsOf(context).listeners).length > 0 : undefined;
}

interface Counted extends BlockingRule {
  readonly moved: boolean;
}

/** A rule that counts and did not count our connect did not stop it. What drops gives no error, what rejects gives one. */
function pick(rules: readonly BlockingRule[], { moved, failure }: { readonly moved: readonly BlockingRule[]; readonly failure: string }): readonly Counted[] {
  const verdict = failure === 'timeout' ? 'drop' : 'reject';
  return rules
    .map((rule) => ({ ...rule, moved: moved.includes(rule) }))
    .filter((rule) => rule.verdict === verdict && (rule.packets === undefined || rule.moved))
    .toSorted((one, other) => weight(other) - weight(one))
    .slice(0, mostRules);
}

function weight({ moved, exact, narrowed }: Counted): number {
  return (moved ? 4 : 0) + (exact ? 2 : 0) + (narrowed ? 0 : 1);
}

function ruleEvidence(rule: Counted, address: TcpAddress): Evidence {
  const { tool, place, verdict, exact, moved, narrowed } = rule;
  const counted = moved ? ', and its counter moved with our connect' : rule.packets === undefined ? '; it does not count' : '';
  const text = `A rule of ${ownerOf(rule)} ${verdict}s ${exact ? `connections to port ${address.port}` : 'what no other rule lets in'}: "${rule.rule}" in ${place}${counted}.`;
  return {
    kind: 'firewall_rule',
    source: tool,
    text,
    facts: { address: formatAddress(address), tool: ownerOf(rule), place, rule: rule.rule, verdict, exact, moved, narrowed, ...commandsFor(rule, address) },
  };
}

/** Whose rule it is, as far as the names of its tables and chains tell. */
function ownerOf({ tool, place, chain }: BlockingRule): string {
  if (/^ufw6?-/.test(chain) && findTool('ufw')) return 'ufw';
  return /\bfirewalld\b|^(?:IN|FWDI|FWDO)_/.test(place) && findTool('firewall-cmd') ? 'firewalld' : tool;
}

/**
 * What a person would type to look at the rule, and to let this host's own connects through: never anybody else's, and
 * never by taking a rule away, which may keep others from this port, and all from other ports.
 */
export function commandsFor(rule: BlockingRule, address: TcpAddress): { readonly look: string; readonly allow: string } {
  const { place, chain, tool } = rule;
  const { host, port } = address;
  const isOut = rule.hooks.includes('output') || rule.hooks.includes('postrouting');
  const to = isIP(host) === 0 ? '' : host;
  const words = wayWords({ isOut, isOurs: isLocal(address), to });
  switch (ownerOf(rule)) {
    case 'ufw':
      return { look: 'ufw status numbered', allow: `ufw insert 1 allow ${words.ufw} port ${port} proto tcp` };
    case 'firewalld': {
      const rich = `--add-rich-rule='rule ${words.rich} port port="${port}" protocol="tcp" accept'`;
      return {
        look: 'firewall-cmd --list-all',
        allow: isOut ? 'firewall-cmd --list-all-policies names the policy that forbids it; let it out there' : `firewall-cmd ${rich} && firewall-cmd --permanent ${rich}`,
      };
    }
    case 'nft':
      return { look: `nft -a list chain ${place}`, allow: `nft insert rule ${place} ${words.nft}tcp dport ${port} accept` };
    default: {
      const table = place.split(' ')[0];
      return { look: `${tool} -t ${table} -nvL ${chain} --line-numbers`, allow: `${tool} -t ${table} -I ${chain} ${words.iptables}-p tcp --dport ${port} -j ACCEPT` };
    }
  }
}

interface Way {
  readonly isOut: boolean;
  readonly isOurs: boolean;
  /** The address that is connected to; empty where only a name of it is known. */
  readonly to: string;
}

/** How each tool names the connects of this host to the service: over loopback, or out to its address. */
function wayWords({ isOut, isOurs, to }: Way): Readonly<Record<'ufw' | 'rich' | 'nft' | 'iptables', string>> {
  const isSix = isIP(to) === 6;
  const rich = `family="${isSix ? 'ipv6' : 'ipv4'}" source address="${to === '' || to.startsWith('127.') ? '127.0.0.1' : to}"`;
  if (isOurs) return { ufw: `${isOut ? 'out' : 'in'} on lo to any`, rich, nft: `${isOut ? 'oif' : 'iif'} lo `, iptables: `${isOut ? '-o' : '-i'} lo ` };
  return { ufw: `out to ${to || 'any'}`, rich, nft: to && `${isSix ? 'ip6' : 'ip'} daddr ${to} `, iptables: to && `-d ${to} ` };
}

interface Connect {
  readonly failure: string;
  readonly listening: boolean | undefined;
  readonly rulesRead: boolean;
}

function connectEvidence(address: TcpAddress, { failure, listening, rulesRead }: Connect): Evidence {
  const at = formatAddress(address);
  const neighbour = neighbourOf(address.host);
  const how = failure === 'timeout' ? `Twice a connect to ${at} got no answer within ${connectMs} ms` : `Twice a connect to ${at} was refused with ${failure}`;
  const who = listening === undefined ? '' : listening ? ', although somebody listens there and nobody waits in its queue' : ', and nobody listens there';
  const enforcing = readText('/sys/fs/selinux/enforce').trim() === '1';
  return {
    kind: 'blocked_connect',
    source: 'connect test',
    text: `${how}${who}.`,
    facts: {
      address: at,
      result: failure,
      listening: listening === undefined ? 'unseen' : listening ? 'yes' : 'no',
      neighbour,
      rulesRead,
      selinux: enforcing,
      semanage: findTool('semanage') !== undefined,
    },
  };
}

/** In the kernel's table of neighbours: `known`, `gone` (asked for, and nobody answered), or `unseen` (behind a router, or this host). */
function neighbourOf(host: string): 'known' | 'gone' | 'unseen' {
  const row = readText('/proc/net/arp')
    .split('\n')
    .map((line) => line.split(/\s+/))
    .find((fields) => fields[0] === host);
  if (!row) return 'unseen';
  return Number(row[2]) & 0x2 ? 'known' : 'gone';
}

function notRead(missing: string): Evidence {
  return { kind: 'firewall_rule', source: 'packet filter', text: 'The rules of the packet filter could not all be read.', facts: {}, missing };
}
