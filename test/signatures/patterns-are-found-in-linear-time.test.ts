import t from 'tap';
import { shippedSignatures } from '../../src/config/load-signatures.ts';
import { parsePattern, type SignaturePattern } from '../../src/config/signature-pattern.ts';
import type { SignatureEntry } from '../../src/config/signature-schema.ts';
import { compileSignatures } from '../../src/signatures/compile.ts';
import { createLiteralScan } from '../../src/signatures/literal-scan.ts';
import { matchPattern } from '../../src/signatures/match-pattern.ts';
import { explainText, signatureTable } from '../fixtures/signatures/explain-lines.ts';

const entries = await shippedSignatures();

t.test('a pattern is literals with typed fields', async (t) => {
  const match = (pattern: string, line: string) => matchPattern(parsePattern(pattern) as SignaturePattern, line)?.fields;
  t.same(match('[pool {pool}] child {pid:int} exited', 'WARNING: [pool www] child 17 exited on'), { pool: 'www', pid: 17 });
  t.equal(match('child {pid:int} exited', 'child x17 exited'), undefined);
  t.same(match('child {pid:int} exited', 'child x, child 17 exited'), { pid: 17 }, 'a later place counts, too');
  t.equal(match('begin {b} the end', 'begin  the end'), undefined, 'a field is never empty');
  t.same(match('address {address}', 'bind to address [::]:80'), { address: '[::]:80' });
  t.same(match('{process:word}[{pid:int}]: segfault', 'kernel: php-fpm[5]: segfault at 0'), { process: 'php-fpm', pid: 5 }, 'a field at the beginning is the word before');
  t.same(match('wait {share:number} %', 'wait 61.44 % of the time'), { share: 61.44 });
  t.equal(match('socket {socket:word} (*)', 'socket /run/a b (*)'), undefined, 'a word holds no blank');
  t.same(match('avc: denied { {permission} } for', 'avc: denied { connectto } for pid=1'), { permission: 'connectto' }, 'braces stand for themselves');
  for (const [pattern, wrong] of [
    ['a{b:float}c and more', /expected \{name\}/],
    ['{a}{b} and more', /between two fields/],
    ['abc {x}', /at least 5 characters/],
    ['from {x} and to {x}', /twice/],
  ] as const)
    t.match(parsePattern(pattern), wrong);
});

t.test('all literals are found in one pass, as a search for each finds them', async (t) => {
  const words = ['he said', 'she', 'hers', 'his', 'said no', 'a b'];
  const scan = createLiteralScan(words);
  const encoder = new TextEncoder();
  for (const text of ['ushers', 'then he said no', 'his', 'a  \t b', 'nothing here', '', 'sshe said, hers']) {
    const bytes = encoder.encode(text);
    const plain = text.replaceAll(/[ \t]+/g, ' ');
    const expected = words.flatMap((word, i) => (plain.includes(word) ? [i] : []));
    t.same(scan.find(bytes, 0, bytes.length).toSorted(), expected, text);
  }
});

t.test('each shipped entry is recognised by lines that its own patterns describe', async (t) => {
  const table = compileSignatures(entries);
  t.ok(entries.length > 150);
  for (const entry of entries) {
    const lines = entry.patterns.map((pattern) => exampleOf(pattern, entry));
    const known = lines.filter((line) => table.know(line)?.entry.id === entry.id);
    t.ok(known.length > 0, `${entry.id}: ${lines.map((line) => `${line} → ${table.know(line)?.entry.id}`).join('; ')}`);
    t.ok(entry.kind === 'noise' || entry.kind === 'trigger' || entry.for.length > 0, `${entry.id} speaks for something`);
  }
});

t.test('the work grows with the length of a line, not faster', async (t) => {
  const hostile = (length: number): readonly string[] => [
    'connect() to unix:'.repeat(length / 18),
    `connect() to unix:${'/a'.repeat(length / 2)}`,
    'connect() failed ('.repeat(length / 18),
    '{'.repeat(length),
    ' '.repeat(length),
    `${'['.repeat(length / 2)}${']'.repeat(length / 2)}`,
    'aaaaaaaaab'.repeat(length / 10),
    '"GET /?'.repeat(length / 7),
    '22/Nov/2026:04:05:06 '.repeat(length / 21),
    '[pool '.repeat(length / 6),
    '1 '.repeat(length / 2),
    'Nov 22 '.repeat(length / 7),
    'FastCGI sent in stderr: "PHP message: '.repeat(length / 38),
  ];
  const table = await signatureTable();
  const comparisons = (text: string): number => {
    let count = 0;
    // indexOf, startsWith and charCodeAt are all that the matcher asks of a text: each is counted with the characters it walks over
    const counted = new Proxy(Object(text), {
      get: (target: object, key) => {
        const value: unknown = Reflect.get(target, key);
        if (typeof value !== 'function') return value;
        return (...args: readonly unknown[]) => {
          const result: unknown = Reflect.apply(value, text, args);
          count += key === 'indexOf' || key === 'lastIndexOf' ? walked(text, args, result) : 1;
          return result;
        };
      },
    }) as string;
    for (const pattern of entries.flatMap((entry) => entry.patterns)) matchPattern(parsePattern(pattern) as SignaturePattern, counted);
    return count;
  };
  for (const [i, text] of hostile(2000).entries()) {
    const [small, large] = [comparisons(text), comparisons(hostile(8000)[i]!)];
    t.ok(large <= small * 5, `${text.slice(0, 20)}: ${small} steps for 2000 characters, ${large} for 8000`);
  }
  // a megabyte in one line is read to its end, and what follows it, too
  t.match(explainText(table, `${hostile(1_000_000).join('\n')}\nnf_conntrack: table full, dropping packet\n`).causes, [{ cause: 'load.network' }]);
});

function walked(text: string, [searched, from]: readonly unknown[], result: unknown): number {
  const start = typeof from === 'number' ? Math.max(0, from) : 0;
  return 1 + (typeof result === 'number' && result >= 0 ? Math.abs(result - start) : text.length) + String(searched).length;
}

/** A line that the pattern describes, with values that the entry asks for. */
function exampleOf(pattern: string, { where = {} }: SignatureEntry): string {
  const value = (name: string, type = 'text'): string => {
    const bound = where[name];
    if (Array.isArray(bound)) return String(bound[0]);
    if (typeof bound === 'object' && bound.contains !== undefined) return `/run${bound.contains}x`;
    if (typeof bound === 'object') return String(bound.at_least ?? (bound.below ?? 2) - 1);
    if (bound !== undefined) return String(bound);
    return type === 'int' || type === 'number' ? '7' : 'xyz';
  };
  const message = pattern.replaceAll(/\{([a-z_]+)(?::(int|number|word))?\}/g, (_all, name: string, type: string | undefined) => value(name, type));
  const { protocol, family, path } = where;
  const url = protocol ? `${value('protocol')}://` : family ? 'http://[::1]:80/' : path ? `http://127.0.0.1${value('path')}` : undefined;
  return url === undefined ? message : `${message}, request: "GET ${path ? value('path') : '/'} HTTP/1.1", upstream: "${url}"`;
}
