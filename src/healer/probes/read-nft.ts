/** Rules of nftables that may keep a connection to a port away, from the output of `nft -j list ruleset`. */
import { hooksOf, type BlockingRule, type Chains } from './read-blocking-rule.ts';

type Json = Readonly<Record<string, unknown>>;

/** Most rules that are looked at. */
const mostRules = 20_000;

/**
 * The rules that drop or reject TCP to `port`, and the policies of base chains that drop. Of a rule that names no port
 * nobody can say without its counter whether it is the one; `exact` is false then. Throws when the text is no JSON.
 */
export function parseNft(text: string, port: number): readonly BlockingRule[] {
  const parsed: unknown = JSON.parse(text);
  const entries = isJson(parsed) && Array.isArray(parsed['nftables']) ? parsed['nftables'].filter(isJson).slice(0, mostRules) : [];
  const rules = entries.map((entry) => entry['rule']).filter(isJson);
  const chains = entries.map((entry) => entry['chain']).filter(isJson);
  const found = [...rules.map((rule) => fromRule(rule, port)).filter((rule) => rule !== undefined), ...chains.filter(dropsByDefault).map(fromPolicy)];
  const ways = chainsIn(chains, rules);
  return found.map((rule) => ({ ...rule, hooks: hooksOf(rule.place, ways) }));
}

function chainsIn(chains: readonly Json[], rules: readonly Json[]): Chains {
  const based = chains.flatMap((chain): readonly [string, string][] => (typeof chain['hook'] === 'string' ? [[placeOf({ ...chain, chain: chain['name'] }), chain['hook']]] : []));
  const calls = rules.flatMap((rule) => targetsIn(rule['expr']).map((target) => [placeOf(rule), placeOf({ ...rule, chain: target })] as const));
  return { hooks: new Map(based), calls };
}

/** Every `jump` and `goto`, those of a map too. */
function targetsIn(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(targetsIn);
  if (!isJson(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => ((key === 'jump' || key === 'goto') && isJson(inner) ? [String(inner['target'])] : targetsIn(inner)));
}

type Unplaced = Omit<BlockingRule, 'hooks'>;

function fromRule(rule: Json, port: number): Unplaced | undefined {
  const parts = Array.isArray(rule['expr']) ? rule['expr'].filter(isJson) : [];
  const verdict = parts.map(verdictOf).find((found) => found !== undefined);
  const matches = parts.map((part) => part['match']).filter(isJson);
  const ports = matches.filter((match) => fieldOf(match) === 'dport');
  if (!verdict || matches.some(isOtherProtocol) || !ports.every((match) => allowsPort(match, port))) return undefined;
  const counter = parts.map((part) => part['counter']).find(isJson);
  const others = matches.filter((match) => !ports.includes(match) && !isAboutTcp(match));
  // What xtables match is not told here; iptables-save tells it.
  const opaque = parts.some((part) => isJson(part['xt']) && part['xt']['type'] === 'match');
  return {
    tool: 'nft',
    place: placeOf(rule),
    chain: String(rule['chain']),
    rule: ruleText(matches, verdict),
    handle: String(rule['handle']),
    verdict,
    exact: ports.length > 0 && ports.every(namesNumbers),
    narrowed: others.length > 0 || opaque,
    packets: typeof counter?.['packets'] === 'number' ? counter['packets'] : undefined,
  };
}

function fromPolicy(chain: Json): Unplaced {
  return {
    tool: 'nft',
    place: placeOf({ ...chain, chain: chain['name'] }),
    chain: String(chain['name']),
    rule: 'policy drop',
    handle: '',
    verdict: 'drop',
    exact: false,
    narrowed: false,
    packets: undefined,
  };
}

/** A forwarded packet is none of ours. */
function dropsByDefault(chain: Json): boolean {
  return chain['policy'] === 'drop' && (chain['hook'] === 'input' || chain['hook'] === 'output');
}

function placeOf(rule: Json): string {
  return `${String(rule['family'])} ${String(rule['table'])} ${String(rule['chain'])}`;
}

function verdictOf(part: Json): BlockingRule['verdict'] | undefined {
  const { xt } = part;
  if ('drop' in part || (isJson(xt) && xt['name'] === 'DROP')) return 'drop';
  return 'reject' in part || (isJson(xt) && xt['name'] === 'REJECT') ? 'reject' : undefined;
}

function fieldOf(match: Json): string | undefined {
  const left = isJson(match['left']) ? match['left'] : {};
  return isJson(left['payload']) ? String(left['payload']['field']) : undefined;
}

function isAboutTcp({ left, right, op }: Json): boolean {
  return op === '==' && isJson(left) && isJson(left['meta']) && left['meta']['key'] === 'l4proto' && right === 'tcp';
}

function isOtherProtocol({ left, right, op }: Json): boolean {
  if (!isJson(left)) return false;
  const byMeta = isJson(left['meta']) && left['meta']['key'] === 'l4proto' && op === '==' && typeof right === 'string' && right !== 'tcp';
  const byPayload = isJson(left['payload']) && ['udp', 'sctp', 'dccp', 'udplite', 'icmp', 'icmpv6'].includes(String(left['payload']['protocol']));
  return byMeta || byPayload;
}

/** `9000`, `{9000, 9010-9020}`, `9000-9010`; of a named set only the kernel knows, so it may. */
function allowsPort({ op, right }: Json, port: number): boolean {
  const found = holds(right, port);
  return found === undefined || (op === '!=' ? !found : found);
}

function holds(value: unknown, port: number): boolean | undefined {
  if (typeof value === 'number') return value === port;
  if (!isJson(value)) return undefined;
  if (Array.isArray(value['range'])) return Number(value['range'][0]) <= port && port <= Number(value['range'][1]);
  return Array.isArray(value['set']) ? value['set'].some((one) => holds(one, port) === true) : undefined;
}

function namesNumbers({ op, right }: Json): boolean {
  return op === '==' && typeof right !== 'string';
}

/** Close to what `nft list ruleset` prints; only for people. */
function ruleText(matches: readonly Json[], verdict: string): string {
  return [...matches.map((match) => [leftText(match), match['op'] === '==' ? '' : String(match['op']), rightText(match['right'])].filter(Boolean).join(' ')), verdict].join(' ').slice(0, 200);
}

function leftText({ left }: Json): string {
  if (!isJson(left)) return '?';
  const [kind, inner] = Object.entries(left)[0] ?? ['?', {}];
  if (!isJson(inner)) return kind;
  return kind === 'payload' ? `${String(inner['protocol'])} ${String(inner['field'])}` : String(inner['key'] ?? kind);
}

function rightText(right: unknown): string {
  if (!isJson(right)) return Array.isArray(right) ? right.map(rightText).join(', ') : String(right);
  if (Array.isArray(right['range'])) return right['range'].join('-');
  if (isJson(right['prefix'])) return `${String(right['prefix']['addr'])}/${String(right['prefix']['len'])}`;
  return Array.isArray(right['set']) ? `{ ${right['set'].map(rightText).join(', ')} }` : '?';
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
