/** Changes in nginx's text: everything that is not named stays, byte for byte, and every change can be taken back. */
import { parseNginx, type Directive } from '../doctor/nginx/parse-nginx.ts';

/** Replaces what stands from `start` to `end`. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly to: string;
}

/** What stood there, and what stands there now. */
export interface Hunk {
  readonly from: string;
  readonly to: string;
}

/** Where a directive that ends in `;` stands, from its name to its semicolon; `undefined` when the text does not show it there. */
export function placeInText(text: string, directive: Directive): { readonly start: number; readonly end: number } | undefined {
  const [from, to] = lineAt(text, directive.line);
  const pattern = new RegExp(String.raw`(?<![\w$#"'-])${directive.name}(?=[\s;])(?:"(?:\\[^]|[^"\\])*"|'(?:\\[^]|[^'\\])*'|[^;"'])*;`, 'g');
  pattern.lastIndex = from;
  for (let found = pattern.exec(text); found && found.index < to; found = pattern.exec(text)) {
    const isComment = text.slice(from, found.index).includes('#');
    const words = parseNginx(found[0], '')[0]?.words ?? [];
    if (!isComment && words.join(' ') === directive.words.join(' ')) return { start: found.index, end: found.index + found[0].length };
  }
  return undefined;
}

/** Behind the opening brace of a block; `undefined` when the text does not show it there. */
export function insideBlock(text: string, { name, line }: Directive): number | undefined {
  const [from] = lineAt(text, line);
  const found = new RegExp(String.raw`(?<![\w$#-])${name}\b[^;{}#]*\{`, 'g');
  found.lastIndex = from;
  const place = found.exec(text);
  return place ? place.index + place[0].length : undefined;
}

/** The blanks before the first word of the line at this place. */
export function indentAt(text: string, place: number): string {
  const line = text.slice(text.lastIndexOf('\n', place - 1) + 1, place);
  return /^[ \t]*/.exec(line)?.[0] ?? '';
}

/** All edits at once; none may overlap another. The hunks say how to go back in a text that was changed elsewhere since. */
export function applyEdits(text: string, edits: readonly Edit[]): { readonly after: string; readonly hunks: readonly Hunk[] } {
  const ordered = edits.toSorted((a, b) => a.start - b.start);
  let after = '';
  let at = 0;
  for (const { start, end, to } of ordered) {
    after += text.slice(at, start) + to;
    at = end;
  }
  return { after: after + text.slice(at), hunks: ordered.map(({ start, end, to }) => ({ from: text.slice(start, end), to })) };
}

/** The text without these changes, wherever they stand now; `undefined` when one of them cannot be found any more. */
export function takeBack(text: string, hunks: readonly Hunk[]): string | undefined {
  let at = 0;
  let before = '';
  for (const { from, to } of hunks) {
    const found = text.indexOf(to, at);
    if (found < 0) return undefined;
    before += text.slice(at, found) + from;
    at = found + to.length;
  }
  return before + text.slice(at);
}

function lineAt(text: string, line: number): readonly [from: number, to: number] {
  let from = 0;
  for (let count = 1; count < line; count++) from = text.indexOf('\n', from) + 1;
  const to = text.indexOf('\n', from);
  return [from, to < 0 ? text.length : to];
}
