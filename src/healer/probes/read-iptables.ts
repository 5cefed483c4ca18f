/** Rules of iptables that may keep a connection to a port away, from the output of `iptables-save -c`. */
import { hooksOf, type BlockingRule, type Chains } from './read-blocking-rule.ts';

/** What narrows nothing that matters here. */
const harmless = new Set(['-p', '-m', '--comment', '-j', '--reject-with', '--dport', '--dports', '--destination-ports', '-A']);

/** The rules that drop or reject TCP to `port`, and the policies of INPUT and OUTPUT that drop. */
export function parseIptables(text: string, port: number, tool: 'iptables' | 'ip6tables'): readonly BlockingRule[] {
  const chains = chainsIn(text);
  let table = '';
  return text.split('\n').flatMap((line) => {
    if (line.startsWith('*')) table = line.slice(1).trim();
    const found = fromPolicy(line, { table, tool }) ?? fromRule(line, { table, tool, port });
    return found ? [{ ...found, hooks: hooksOf(found.place, chains) }] : [];
  });
}

const builtIn = ['INPUT', 'OUTPUT', 'PREROUTING', 'POSTROUTING', 'FORWARD'];

function chainsIn(text: string): Chains {
  const hooks = new Map<string, string>();
  const calls: [string, string][] = [];
  let table = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1).trim();
    const name = /^:(\S+)/.exec(line)?.[1];
    if (name && builtIn.includes(name)) hooks.set(`${table} ${name}`, name.toLowerCase());
    const call = /^(?:\[\d+:\d+\] )?-A (\S+) (?:.* )?-[jg] (\S+)/.exec(line);
    if (call) calls.push([`${table} ${call[1]!}`, `${table} ${call[2]!}`]);
  }
  return { hooks, calls };
}

type Unplaced = Omit<BlockingRule, 'hooks'>;

/** `[packets:bytes] -A CHAIN -p tcp -m tcp --dport 9000 -j DROP` */
function fromRule(line: string, { table, tool, port }: { readonly table: string; readonly tool: BlockingRule['tool']; readonly port: number }): Unplaced | undefined {
  const parts = /^(?:\[(\d+):\d+\] )?-A (\S+) (.*)$/.exec(line);
  const words = parts ? wordsOf(parts[3]!) : [];
  const target = after(words, '-j');
  if (!parts || (target !== 'DROP' && target !== 'REJECT')) return undefined;
  const ports = after(words, '--dport') ?? after(words, '--dports') ?? after(words, '--destination-ports');
  const protocol = after(words, '-p') ?? 'tcp';
  if (protocol !== 'tcp' && protocol !== 'all') return undefined;
  if (ports !== undefined && includesPort(ports, port) === isNegated(words)) return undefined;
  return {
    tool,
    place: `${table} ${parts[2]!}`,
    chain: parts[2]!,
    rule: parts[3]!.slice(0, 200),
    handle: '',
    verdict: target === 'DROP' ? 'drop' : 'reject',
    exact: ports !== undefined && !isNegated(words),
    narrowed: words.some((word) => word.startsWith('-') && !harmless.has(word)),
    packets: parts[1] === undefined ? undefined : Number(parts[1]),
  };
}

/** `:INPUT DROP [packets:bytes]` */
function fromPolicy(line: string, { table, tool }: { readonly table: string; readonly tool: BlockingRule['tool'] }): Unplaced | undefined {
  const parts = /^:(INPUT|OUTPUT) DROP \[(\d+):\d+\]/.exec(line);
  if (!parts) return undefined;
  return { tool, place: `${table} ${parts[1]!}`, chain: parts[1]!, rule: `-P ${parts[1]!} DROP`, handle: '', verdict: 'drop', exact: false, narrowed: false, packets: Number(parts[2]) };
}

/** A comment in quotes is one word. */
function wordsOf(rule: string): readonly string[] {
  return rule.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
}

function after(words: readonly string[], option: string): string | undefined {
  const at = words.indexOf(option);
  return at < 0 ? undefined : words[at + 1];
}

/** `! --dport 22` */
function isNegated(words: readonly string[]): boolean {
  return words.some((word, index) => word === '!' && /^--(?:dports?|destination-ports)$/.test(words[index + 1] ?? ''));
}

/** `9000`, `80,9000:9010` */
function includesPort(list: string, port: number): boolean {
  return list.split(',').some((part) => {
    const [from, to = from] = part.split(':').map(Number);
    return from! <= port && port <= to!;
  });
}
