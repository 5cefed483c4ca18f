/** One rule, or the policy of a chain, that drops or rejects. */
export interface BlockingRule {
  readonly tool: 'nft' | 'iptables' | 'ip6tables';
  /** Family, table and chain, as the tool writes them: `inet filter input`, `filter INPUT`. */
  readonly place: string;
  readonly chain: string;
  /** As text for people. */
  readonly rule: string;
  /** nft's number of it; empty where there is none. */
  readonly handle: string;
  readonly verdict: 'drop' | 'reject';
  /** It names the port itself. */
  readonly exact: boolean;
  /** It also asks for something else (an address, an interface, a state): only its counter tells whether it matched. */
  readonly narrowed: boolean;
  /** How many packets it met so far; `undefined`: it does not count. */
  readonly packets: number | undefined;
  /** Which ways of a packet lead to it; empty: none that is seen. */
  readonly hooks: readonly string[];
}

/** Which chain calls which, and where the kernel begins: by {@link BlockingRule.place}. */
export interface Chains {
  /** `input`, `output`, `prerouting`, `postrouting`, `forward`, … */
  readonly hooks: ReadonlyMap<string, string>;
  readonly calls: readonly (readonly [from: string, to: string])[];
}

/** The hooks that lead to a chain, through any number of others. */
export function hooksOf(place: string, { hooks, calls }: Chains): readonly string[] {
  const seen = new Set([place]);
  // a set gives what is added to it while it is gone through
  for (const at of seen) for (const [from, to] of calls) if (to === at) seen.add(from);
  return [...new Set([...seen].flatMap((at) => hooks.get(at) ?? []))];
}

/** Does a connect of ours to such an address pass one of these hooks? To this host it goes out and comes in, to another only out. */
export function isOnTheWay(hooks: readonly string[], isLocal: boolean): boolean {
  return hooks.some((hook) => hook === 'output' || hook === 'postrouting' || (isLocal && hook !== 'forward'));
}
