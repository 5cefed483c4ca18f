/** The packet filters of this host: which of their rules could keep a connection to a port away, and what they counted. */
import { isIP } from 'node:net';
import type { RunCommand } from '../commands.ts';
import type { BlockingRule } from './read-blocking-rule.ts';
import { parseIptables } from './read-iptables.ts';
import { parseNft } from './read-nft.ts';
import { findTool } from './read-tools.ts';

/** Most of a rule set that is read: tens of thousands of rules. */
const mostBytes = 4 * 1024 ** 2;

/** All rules of all tools that are on this host, and why those of a tool could not be read. Never rejects. */
export async function readFirewall(
  address: { readonly host: string; readonly port: number },
  run: RunCommand,
  signal: AbortSignal,
): Promise<{ readonly rules: readonly BlockingRule[]; readonly missing: readonly string[] }> {
  const iptables = isIP(address.host) === 6 ? 'ip6tables' : 'iptables';
  const [saved, listed] = await Promise.all([
    ask([`${iptables}-save`, '-c'], { run, signal, parse: (text) => parseIptables(text, address.port, iptables) }),
    ask(['nft', '-j', '-t', 'list', 'ruleset'], { run, signal, parse: (text) => parseNft(text, address.port) }),
  ]);
  // iptables-nft keeps its rules in nftables: what both show is told in the words of the tool that made it.
  const known = new Set(chainsOf(saved.text).map((place) => `${iptables === 'iptables' ? 'ip' : 'ip6'} ${place}`));
  return { rules: [...saved.rules, ...listed.rules.filter(({ place }) => !known.has(place))], missing: [saved.missing, listed.missing].filter((text) => text !== undefined) };
}

/** `filter INPUT` and so on: every chain that iptables-save prints. */
function chainsOf(text: string): readonly string[] {
  let table = '';
  return text.split('\n').flatMap((line) => {
    if (line.startsWith('*')) table = line.slice(1).trim();
    const chain = /^:(\S+)/.exec(line)?.[1];
    return chain === undefined ? [] : [`${table} ${chain}`];
  });
}

/** Rules whose counters moved between two readings. */
export function movedSince(before: readonly BlockingRule[], after: readonly BlockingRule[]): readonly BlockingRule[] {
  const counts = new Map(before.map((rule) => [keyOf(rule), rule.packets]));
  return after.filter((rule) => rule.packets !== undefined && rule.packets > (counts.get(keyOf(rule)) ?? 0));
}

function keyOf({ tool, place, rule, handle }: BlockingRule): string {
  return [tool, place, handle, rule].join('\n');
}

interface Asking {
  readonly run: RunCommand;
  readonly signal: AbortSignal;
  parse(text: string): readonly BlockingRule[];
}

async function ask(
  [name, ...words]: readonly [string, ...string[]],
  { run, signal, parse }: Asking,
): Promise<{ readonly rules: readonly BlockingRule[]; readonly text: string; readonly missing?: string }> {
  const program = findTool(name);
  if (program === undefined) return { rules: [], text: '' };
  const result = await run.run([program, ...words], { timeoutMs: 1000, signal, outputBytes: mostBytes });
  if (result.exitCode !== 0) return { rules: [], text: '', missing: `${name} did not tell its rules: ${(result.startError ?? result.output).slice(0, 200)}` };
  try {
    return { rules: parse(result.output), text: result.output };
  } catch {
    return { rules: [], text: '', missing: `the rules that ${name} printed could not be read` };
  }
}
