/** One rule, or the policy of a chain, that drops or rejects. */
export interface BlockingRule {
  readonly tool: 'nft' | 'iptables' | 'ip6tables';
  /** Family, table and chain, as the tool writes them: `inet filter input`, `filter INPUT`. */
  readonly place: string;
  readonly chain: string;
  /** As text for people. */
  readonly rule: string;
  /** What `nft delete rule` wants; empty where there is none. */
  readonly handle: string;
  readonly verdict: 'drop' | 'reject';
  /** It names the port itself. */
  readonly exact: boolean;
  /** It also asks for something else (an address, an interface, a state): only its counter tells whether it matched. */
  readonly narrowed: boolean;
  /** How many packets it met so far; `undefined`: it does not count. */
  readonly packets: number | undefined;
}
