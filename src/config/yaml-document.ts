/**
 * YAML text → plain values whose places are known. Only the plain part of YAML 1.2 is the language: maps, lists and
 * scalars. Anchors, aliases, tags, merge keys and directives make a file mean something else than it seems to say,
 * so they are refused, as are duplicate keys and tabs.
 */
import { CST, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, parseAllDocuments, type Document, type Node, type Pair } from 'yaml';
import { formatPath, type ConfigProblem, type Path } from './problem.ts';

/** One document of a file. */
export interface YamlDocument {
  readonly file: string;
  /** Maps, lists, texts, numbers, booleans and null; every key is text. */
  readonly value: unknown;
  /**
   * A problem at the key or the value at `path`. Where the path ends early (a missing key), the problem is placed at
   * the key of the innermost thing that exists. A value that is not there (`hold:` and nothing after it) is placed at its key.
   */
  problem(path: Path, at: 'key' | 'value', message: string): ConfigProblem;
}

/** All documents of a text, and what is wrong with it as YAML. With a syntax error there are no documents. */
export function parseYaml(file: string, text: string): { readonly documents: readonly YamlDocument[]; readonly problems: readonly ConfigProblem[] } {
  const lines = new LineCounter();
  const at = (offset: number, message: string, path: Path = []): ConfigProblem => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col), message, path: formatPath(path) };
  };
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, uniqueKeys: false, version: '1.2', schema: 'core', merge: false, logLevel: 'silent' });
  const problems = forbiddenTokens(text).map(({ offset, message }) => at(offset, message));
  const broken = syntaxErrors(text, [...parsed]).map(({ offset, message }) => at(offset, message));
  if (broken.length > 0) return { documents: [], problems: [...problems, ...broken] };
  if (parsed.length === 0) return { documents: [], problems: [at(0, 'the file is empty: expected at least `version: 1`')] };
  const documents = [...parsed].map((document): YamlDocument => {
    const root = document.contents as Node | null;
    const value = toPlain(root, [], (node, message, path) => problems.push(at(node.range![0], message, path)));
    return { file, value, problem: (path, side, message) => at(offsetOf(root, path, side), message, path) };
  });
  return { documents, problems };
}

const forbidden: Readonly<Record<string, string>> = {
  anchor: 'anchors (&) are not part of the language: write the value out in each place',
  alias: 'aliases (*) are not part of the language: write the value out in each place',
  tag: 'tags (!) are not part of the language: remove it; put text in quotes',
  'directive-line': 'directives (%) are not part of the language: remove the line',
};

/** Found in the token stream, because the parsed nodes do not keep the place of an anchor or a tag. */
function forbiddenTokens(text: string) {
  const found: { readonly offset: number; readonly message: string }[] = [];
  let offset = 0;
  for (const token of new Lexer().lex(text)) {
    // The lexer's own marks (start of document, of a scalar, end of a flow) are no part of the text.
    if (token === '\u0002' || token === '\u0018' || token === '\u001f') continue;
    const message = forbidden[CST.tokenType(token) ?? ''];
    if (message !== undefined) found.push({ offset, message });
    offset += token.length;
  }
  return found;
}

/** All tabs in the indentation; else the first error alone, because the later ones are mostly its consequences. */
function syntaxErrors(text: string, documents: readonly Document[]) {
  const errors = documents.flatMap((document) => document.errors).sort((a, b) => a.pos[0] - b.pos[0]);
  const tabs = errors.filter((error) => error.code === 'TAB_AS_INDENT').map((error) => tabIn(text, error.pos[0]) ?? error.pos[0]);
  const first = errors[0];
  if (tabs.length === 0 && first !== undefined) {
    const tab = tabIn(text, first.pos[0]);
    if (tab === undefined) return [{ offset: first.pos[0], message: syntaxMessage(first.code, first.message) }];
    tabs.push(tab);
  }
  return tabs.map((offset) => ({ offset, message: 'a tab in the indentation: use spaces' }));
}

/** The tab in the indentation of the line that holds `offset`. */
function tabIn(text: string, offset: number): number | undefined {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const tab = /^ *\t/.exec(text.slice(start, start + 1000));
  return tab ? start + tab[0].length - 1 : undefined;
}

function syntaxMessage(code: string, message: string): string {
  if (code === 'RESOURCE_EXHAUSTION') return 'nested too deeply';
  if (code === 'BLOCK_AS_IMPLICIT_KEY') return 'the indentation is wrong, or a text that contains ": " is not in quotes';
  if (code === 'MULTILINE_IMPLICIT_KEY' || message.startsWith('Implicit map keys')) return 'expected a key, a colon and a blank, such as `mode: observe`';
  return `not YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}`;
}

type Report = (node: Node, message: string, path: Path) => void;

function toPlain(node: Node | null, path: Path, report: Report): unknown {
  if (isScalar(node)) return node.value;
  if (isSeq<Node>(node)) return node.items.map((item, i) => toPlain(item, [...path, i], report));
  // An alias has been reported already; what it would stand for is not looked at.
  if (!isMap<Node, Node | null>(node) || isAlias(node)) return null;
  const entries = new Map<string, unknown>();
  for (const { key, value } of node.items) {
    const name = keyText(key);
    const at = [...path, name];
    if (name === '<<') report(key, 'merge keys (<<) are not part of the language: write the keys out', at);
    else if (entries.has(name)) report(key, `duplicate key \`${name}\`: each key may be set once`, at);
    else entries.set(name, toPlain(value, at, report));
  }
  // fromEntries defines plain properties, so that a key named __proto__ is a key like any other.
  return Object.fromEntries(entries);
}

function keyText(key: Node): string {
  return isScalar(key) ? String(key.value) : '';
}

function offsetOf(root: Node | null, path: Path, side: 'key' | 'value'): number {
  let offset = root?.range?.[0] ?? 0;
  let node: Node | null | undefined = root;
  for (const [i, part] of path.entries()) {
    if (isSeq<Node>(node)) {
      node = typeof part === 'number' ? node.items[part] : undefined;
      if (node === undefined) return offset;
      offset = node?.range?.[0] ?? offset;
      continue;
    }
    const pair: Pair<Node, Node | null> | undefined = isMap<Node, Node | null>(node) ? node.items.find(({ key }) => keyText(key) === part) : undefined;
    if (pair === undefined) return offset;
    offset = pair.key.range![0];
    node = pair.value;
    if (side === 'value' && i === path.length - 1 && isWritten(node)) return node!.range![0];
  }
  return offset;
}

/** `hold:` with nothing after it is parsed as an empty scalar. */
function isWritten(node: Node | null): boolean {
  return node?.range != null && node.range[1] > node.range[0];
}
