/**
 * What becomes of a new TCP connection to a port of this host, by the rules of iptables and nftables. The rules are gone
 * through in their order; a rule that asks for something not known here (a state, an address, a set) may match or not,
 * and from the first such rule with a verdict on nothing is claimed. So a blocked port is only named where it is certain.
 */

/**
 * One rule that a new TCP connection over loopback could meet: what it asks for, as far as it is understood, and what it
 * does. `narrowed`: it asks for more than that. Rules that such a connection cannot match are left out by the parsers.
 */
export interface FilterRule {
  readonly ports?: readonly (readonly [from: number, to: number])[];
  readonly narrowed: boolean;
  /** `isGoto`: back from that chain, this one is over as well. */
  readonly verdict: 'accept' | 'drop' | 'reject' | 'return' | 'continue' | 'unknown' | { readonly jump: string; readonly isGoto?: boolean };
  readonly text: string;
}

/** Chains by name; `entry` are those that the kernel calls, each with its policy. */
export interface RuleSet {
  readonly tool: 'iptables' | 'nft';
  readonly chains: ReadonlyMap<string, readonly FilterRule[]>;
  readonly entry: readonly { readonly chain: string; readonly policy: 'accept' | 'drop' }[];
}

/** `chain`: where the kernel begins, as the tool names it; a rule that is to come first belongs there. */
export interface Blocked {
  readonly verdict: 'drop' | 'reject';
  readonly text: string;
  readonly tool: RuleSet['tool'];
  readonly chain: string;
}
type Fate = Pick<Blocked, 'verdict' | 'text'> | 'accept' | 'return' | 'uncertain';

const deepest = 16;

/** The rule that keeps a connection over the loopback interface to this port away; `undefined`: none certainly does. */
export function blockedBy(rules: RuleSet, port: number): Blocked | undefined {
  for (const { chain, policy } of rules.entry) {
    const fate = walk(rules, { chain, port, depth: 0 });
    const about = { tool: rules.tool, chain };
    if (typeof fate === 'object') return { ...fate, ...about };
    if (fate === 'return' && policy === 'drop') return { verdict: 'drop', text: `the policy of the chain ${chain}: drop`, ...about };
  }
  return undefined;
}

function walk(rules: RuleSet, { chain, port, depth }: { readonly chain: string; readonly port: number; readonly depth: number }): Fate {
  if (depth > deepest) return 'uncertain';
  for (const rule of rules.chains.get(chain) ?? []) {
    if (rule.verdict === 'continue' || (rule.ports && !rule.ports.some(([from, to]) => port >= from && port <= to))) continue;
    const fate = typeof rule.verdict === 'object' ? walk(rules, { chain: rule.verdict.jump, port, depth: depth + 1 }) : fateOf(rule.verdict, rule.text);
    // back in the calling chain
    if (typeof rule.verdict === 'object' && !rule.verdict.isGoto && fate === 'return') continue;
    return rule.narrowed ? 'uncertain' : fate;
  }
  return 'return';
}

function fateOf(verdict: 'accept' | 'drop' | 'reject' | 'return' | 'unknown', text: string): Fate {
  if (verdict === 'unknown') return 'uncertain';
  return verdict === 'drop' || verdict === 'reject' ? { verdict, text } : verdict;
}

/** The table `filter` as `iptables-save` prints it. */
export function parseIptablesSave(text: string): RuleSet {
  const chains = new Map<string, FilterRule[]>();
  let policy: 'accept' | 'drop' = 'accept';
  let isFilter = false;
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) isFilter = line.trim() === '*filter';
    if (!isFilter) continue;
    if (line.startsWith(':INPUT DROP')) policy = 'drop';
    const chain = cannotMatch(line) ? undefined : /^-A (\S+)/.exec(line)?.[1];
    if (chain) chains.set(chain, [...(chains.get(chain) ?? []), iptablesRule(line)]);
  }
  return { tool: 'iptables', chains, entry: [{ chain: 'INPUT', policy }] };
}

/** Another protocol, another interface, connections that are up already. */
function cannotMatch(line: string): boolean {
  const [protocol, from] = [/ (!?) ?-p (\S+)/.exec(line), / (!?) ?-i (\S+)/.exec(line)];
  const states = / --(?:ct)?state (\S+)/.exec(line)?.[1];
  return (
    (protocol?.[1] === '' && !['tcp', '6', 'all'].includes(protocol[2]!)) ||
    (from?.[1] === '' && from[2] !== 'lo') ||
    (from?.[1] === '!' && from[2] === 'lo') ||
    (states !== undefined && !/ ! --/.test(line) && !states.includes('NEW'))
  );
}

function iptablesRule(line: string): FilterRule {
  const words = line.match(/"[^"]*"|\S+/g)?.slice(2) ?? [];
  const at = (...names: string[]): string | undefined => names.map((name) => words[words.indexOf(name) + 1]).find((_, index) => words.includes(names[index]!));
  const ports = at('--dport', '--dports');
  const known = new Set([
    '-p',
    'tcp',
    '-m',
    '--dport',
    '--dports',
    ports ?? '',
    'multiport',
    'comment',
    '--comment',
    at('--comment') ?? '',
    '-i',
    'lo',
    '-j',
    at('-j') ?? '',
    '-g',
    at('-g') ?? '',
    '--reject-with',
    at('--reject-with') ?? '',
  ]);
  const [goal, other] = [at('-j'), at('-g')];
  const verdicts: Readonly<Record<string, FilterRule['verdict']>> = { ACCEPT: 'accept', DROP: 'drop', REJECT: 'reject', RETURN: 'return', LOG: 'continue', NFLOG: 'continue', MARK: 'continue' };
  return {
    ...(ports === undefined ? {} : { ports: ports.split(',').map(portRange) }),
    narrowed: words.some((word) => !known.has(word)),
    verdict: other !== undefined ? { jump: other, isGoto: true } : goal === undefined ? 'continue' : (verdicts[goal] ?? { jump: goal }),
    text: line.slice(0, 200),
  };
}

function portRange(text: string): readonly [number, number] {
  const [from, to = from] = text.split(':').map(Number);
  return [from ?? Number.NaN, to ?? Number.NaN];
}
