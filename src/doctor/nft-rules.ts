/** `nft -j list ruleset` as the rules of {@link RuleSet}: the chains that filter what comes in. @see libnftables-json(5) */
import { z } from 'zod';
import type { FilterRule, RuleSet } from './packet-filter.ts';

const chainSchema = z.object({ family: z.string(), table: z.string(), name: z.string(), hook: z.string().optional(), policy: z.string().optional(), prio: z.number().optional() });
const ruleSchema = z.object({ family: z.string(), table: z.string(), chain: z.string(), handle: z.number().optional(), expr: z.array(z.record(z.string(), z.unknown())) });
const rulesetSchema = z.object({ nftables: z.array(z.object({ chain: chainSchema.optional(), rule: ruleSchema.optional() })) });

const matchSchema = z.object({ op: z.string(), left: z.unknown(), right: z.unknown() });
const tcpPort = JSON.stringify({ payload: { protocol: 'tcp', field: 'dport' } });

/** `undefined` when the text is none of nft's. Only families that carry IPv4. */
export function parseNftRules(text: string): RuleSet | undefined {
  const parsed = rulesetSchema.safeParse(parseJson(text));
  if (!parsed.success) return undefined;
  const listed = parsed.data.nftables;
  const chains = new Map<string, FilterRule[]>();
  for (const { rule } of listed) {
    if (!rule || !['ip', 'inet'].includes(rule.family) || rule.expr.some(cannotMatch)) continue;
    const key = keyOf(rule.family, rule.table, rule.chain);
    chains.set(key, [...(chains.get(key) ?? []), ruleFrom(rule)]);
  }
  const entry = listed
    .flatMap(({ chain }) => (chain?.hook === 'input' && ['ip', 'inet'].includes(chain.family) ? [chain] : []))
    .toSorted((a, b) => (a.prio ?? 0) - (b.prio ?? 0))
    .map(({ family, table, name, policy }) => ({ chain: keyOf(family, table, name), policy: policy === 'drop' ? ('drop' as const) : ('accept' as const) }));
  return { tool: 'nft', chains, entry };
}

function ruleFrom({ family, table, chain, handle, expr }: z.output<typeof ruleSchema>): FilterRule {
  const text = `rule ${handle ?? '?'} of ${family} ${table} ${chain}`;
  let ports: FilterRule['ports'];
  let narrowed = false;
  let verdict: FilterRule['verdict'] = 'continue';
  for (const part of expr) {
    const [word = ''] = Object.keys(part);
    if (word === 'match') {
      const asked = portsAsked(part[word]);
      if (asked) ports = asked;
      else if (!isTrueHere(part[word])) narrowed = true;
    } else if (word === 'accept' || word === 'drop' || word === 'reject' || word === 'return') verdict = word;
    else if (word === 'jump' || word === 'goto') verdict = { jump: keyOf(family, table, targetOf(part[word])), isGoto: word === 'goto' };
    else if (word === 'vmap') verdict = 'unknown';
    else if (!['counter', 'log', 'comment'].includes(word)) narrowed = true;
  }
  return { ...(ports ? { ports } : {}), narrowed, verdict, text };
}

/** `tcp dport 9000`, `tcp dport { 80, 443, 8000-8100 }`; `undefined` when it asks for something else. */
function portsAsked(match: unknown): FilterRule['ports'] {
  const parsed = matchSchema.safeParse(match).data;
  if (!parsed || parsed.op !== '==' || JSON.stringify(parsed.left) !== tcpPort) return undefined;
  const right = z
    .union([z.number(), z.object({ set: z.array(z.union([z.number(), z.object({ range: z.tuple([z.number(), z.number()]) })])) }), z.object({ range: z.tuple([z.number(), z.number()]) })])
    .safeParse(parsed.right).data;
  if (right === undefined) return undefined;
  if (typeof right === 'number') return [[right, right]];
  if ('range' in right) return [right.range];
  return right.set.map((one) => (typeof one === 'number' ? [one, one] : one.range));
}

/** Another protocol, another interface, connections that are up already: no new TCP connection over loopback. */
function cannotMatch(part: Readonly<Record<string, unknown>>): boolean {
  const parsed = matchSchema.safeParse(part['match']).data;
  if (!parsed || (parsed.op !== '==' && parsed.op !== 'in')) return false;
  const left = JSON.stringify(parsed.left);
  const words = JSON.stringify(parsed.right);
  if (/"ct":\{"key":"state"/.test(left)) return !words.includes('"new"') && !words.includes('"untracked"');
  if (/"key":"iif(name)?"/.test(left)) return typeof parsed.right === 'string' && parsed.right !== 'lo';
  if (/"key":"l4proto"/.test(left) || /"protocol":"ip","field":"protocol"/.test(left)) return !words.includes('"tcp"') && !/\b6\b/.test(words);
  return /"protocol":"(udp|icmp|icmpv6|ip6)"/.test(left);
}

/** `iif lo`, `iifname "lo"`, `meta l4proto tcp`: true of every connection that is asked about here. */
function isTrueHere(match: unknown): boolean {
  const parsed = matchSchema.safeParse(match).data;
  if (/"key":"l4proto"/.test(JSON.stringify(parsed?.left))) return parsed?.op === '==' && parsed.right === 'tcp';
  return parsed?.op === '==' && parsed.right === 'lo' && /"key":"iif(name)?"/.test(JSON.stringify(parsed.left));
}

function targetOf(value: unknown): string {
  return z.object({ target: z.string() }).safeParse(value).data?.target ?? '';
}

function keyOf(family: string, table: string, chain: string): string {
  return `${family} ${table} ${chain}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
