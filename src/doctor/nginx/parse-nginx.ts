/**
 * A tolerant reader of nginx's configuration language: directives with their words, blocks, file and line. It knows no
 * directive by name but those that hold foreign text (Lua). What is wrong is left out: `nginx -t` is there to complain.
 */

/** `block` is there for directives that end in `{ … }`. */
export interface Directive {
  readonly name: string;
  readonly words: readonly string[];
  readonly file: string;
  readonly line: number;
  readonly block?: readonly Directive[];
}

interface Token {
  readonly text: string;
  readonly line: number;
  /** `{`, `}` and `;` outside of quotes. */
  readonly isMark: boolean;
}

const tokensAtMost = 500_000;
const deepest = 32;

/** The directives of one file; an `include` is a directive like the others. */
export function parseNginx(text: string, file: string): readonly Directive[] {
  const tokens = tokenize(text);
  return directivesFrom({ tokens, at: 0, file }, 0);
}

interface Reading {
  readonly tokens: readonly Token[];
  at: number;
  readonly file: string;
}

function directivesFrom(reading: Reading, depth: number): readonly Directive[] {
  const found: Directive[] = [];
  let words: Token[] = [];
  while (reading.at < reading.tokens.length) {
    const token = reading.tokens[reading.at++]!;
    if (!token.isMark) {
      words.push(token);
      continue;
    }
    if (token.text === '}') return found;
    const [first, ...rest] = words;
    words = [];
    const block = token.text === '{' && depth < deepest ? directivesFrom(reading, depth + 1) : undefined;
    if (first) found.push({ name: first.text, words: rest.map((word) => word.text), file: reading.file, line: first.line, ...(block ? { block } : {}) });
  }
  return found;
}

function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length && tokens.length < tokensAtMost) {
    const char = text[at]!;
    if (char === '\n') line++;
    if (/\s/.test(char)) at++;
    else if (char === '#') at = endOf(text, '\n', at);
    else if ('{};'.includes(char)) {
      tokens.push({ text: char, line, isMark: true });
      at++;
      if (char === '{' && tokens.at(-2)?.text.endsWith('_by_lua_block')) {
        const from = at;
        at = skipForeign(text, from);
        line += linesIn(text.slice(from, at));
      }
    } else {
      const [word, end] = char === '"' || char === "'" ? quoted(text, at) : bare(text, at);
      tokens.push({ text: word, line, isMark: false });
      line += linesIn(text.slice(at, end));
      at = end;
    }
  }
  return tokens;
}

function endOf(text: string, mark: string, from: number): number {
  const found = text.indexOf(mark, from);
  return found < 0 ? text.length : found;
}

function quoted(text: string, from: number): readonly [string, number] {
  let word = '';
  let at = from + 1;
  for (; at < text.length && text[at] !== text[from]; at++) {
    if (text[at] === '\\' && (text[at + 1] === text[from] || text[at + 1] === '\\')) at++;
    word += text[at] ?? '';
  }
  return [word, at + 1];
}

/** A brace after `$` belongs to the word: `${name}`. Names are short; a bound keeps the search for their end so. */
function bare(text: string, from: number): readonly [string, number] {
  const word = /(?:\\[^]|\$\{[^}]{0,64}\}|[^\s{};\\])+/y;
  word.lastIndex = from;
  const found = word.exec(text)?.[0] ?? text[from]!;
  return [found, from + found.length];
}

function linesIn(text: string): number {
  return text.split('\n').length - 1;
}

/** Lua between braces: as many closing as opening ones outside of strings and comments. The place of the last one. */
function skipForeign(text: string, from: number): number {
  const part = /"(?:\\[^]|[^"\\\n])*"|'(?:\\[^]|[^'\\\n])*'|--[^\n]*|[{}]|[^{}"'-]+|[^]/gy;
  part.lastIndex = from;
  for (let depth = 1; ;) {
    const found = part.exec(text)?.[0];
    if (found === undefined) return text.length;
    depth += found === '{' ? 1 : found === '}' ? -1 : 0;
    if (depth === 0) return part.lastIndex - 1;
  }
}
