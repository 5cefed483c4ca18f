/**
 * The page as a template: HTML in which `{{name}}` stands for a value. Nothing is evaluated; whoever fills it escapes
 * every value, so the places are refused here where an escaped value could still do harm: outside of quotes in a tag,
 * and in <style> and <script>.
 */
import { didYouMean } from './did-you-mean.ts';
import type { ConfigProblem } from './problem.ts';

export const placeholders = ['language', 'direction', 'title', 'sentence', 'time', 'advice', 'help', 'code', 'contact'] as const;
export type Placeholder = (typeof placeholders)[number];

export type TemplatePiece = { readonly kind: 'html'; readonly html: string } | { readonly kind: 'value'; readonly name: Placeholder };

export interface Template {
  readonly pieces: readonly TemplatePiece[];
  /** What stands in its <style> elements, for the hashes of the Content-Security-Policy. */
  readonly styles: readonly string[];
}

export interface ParsedTemplate {
  readonly template: Template;
  /** With one of these the page is not to be used. */
  readonly problems: readonly ConfigProblem[];
  /** What will not look, or not say, as its writer thinks. */
  readonly warnings: readonly ConfigProblem[];
}

type Tell = (offset: number, message: string) => void;

/** Reads the text of one page. */
export function parseTemplate(file: string, text: string): ParsedTemplate {
  // as browsers read it: the hash of a style is that of its text with these line ends
  const html = text.replace(/\r\n?/g, '\n');
  const problems: ConfigProblem[] = [];
  const warnings: ConfigProblem[] = [];
  const into =
    (list: ConfigProblem[]): Tell =>
    (offset, message) =>
      void list.push({ file, ...placeOf(html, offset), message, path: '' });
  const pieces = cut(html, into(problems));
  refuseRefresh(html, into(problems));
  warnOfBlocked(html, into(warnings));
  warnOfMissing(pieces, into(warnings));
  return { template: { pieces, styles: [...html.matchAll(elementText('style'))].map(([, style = '']) => style) }, problems, warnings };
}

function cut(html: string, wrong: Tell): readonly TemplatePiece[] {
  const pieces: TemplatePiece[] = [];
  const refused = refusedPlaces(html);
  let from = 0;
  for (const { 0: written, 1: inner, index } of html.matchAll(/\{\{(?:([^{}\n]*)\}\})?/g)) {
    const name = placeholders.find((one) => one === inner?.trim());
    const problem = inner === undefined ? 'expected `}}` after `{{` in the same line' : name === undefined ? unknownName(inner.trim()) : refused(index, name);
    if (problem !== undefined) wrong(index, problem);
    if (name === undefined) continue;
    pieces.push({ kind: 'html', html: html.slice(from, index) }, { kind: 'value', name });
    from = index + written.length;
  }
  return [...pieces, { kind: 'html', html: html.slice(from) }];
}

function unknownName(name: string): string {
  const meant = didYouMean(name, placeholders);
  return `there is no {{${name.slice(0, 64)}}}: ${meant === undefined ? `expected one of ${placeholders.join(', ')}` : `did you mean {{${meant}}}?`}`;
}

/** An escaped value cannot leave its quotes; without them a blank in it would begin another attribute. */
function refusedPlaces(html: string): (at: number, name: Placeholder) => string | undefined {
  const closed = [...html.matchAll(elementText('(?:style|script)'))].map(rangeOf);
  const tags = [...html.matchAll(/<[a-z/](?:"[^"]*"|'[^']*'|[^"'<>])*>/gi)].map(rangeOf);
  return (at, name) => {
    if (closed.some(contains(at))) return `{{${name}}} may not stand in <style> or <script>`;
    const tag = tags.find(contains(at));
    if (!tag) return undefined;
    const quoted = [...html.slice(tag.from, tag.to).matchAll(/"[^"]*"|'[^']*'/g)].map(rangeOf);
    if (!quoted.some(contains(at - tag.from))) return `{{${name}}} inside a tag stands in quotes, as in lang="{{language}}"`;
    return name === 'contact' ? '{{contact}} may not stand inside a tag: it is a link already' : undefined;
  };
}

interface Range {
  readonly from: number;
  readonly to: number;
}

function rangeOf(match: RegExpExecArray): Range {
  return { from: match.index, to: match.index + match[0].length };
}

function contains(at: number): (range: Range) => boolean {
  return ({ from, to }) => from < at && at < to;
}

function refuseRefresh(html: string, wrong: Tell): void {
  for (const { index } of html.matchAll(/<meta\b[^>]*http-equiv\s*=\s*["']?refresh/gi))
    wrong(index, 'a page for a POST would repeat itself, too: leave the refresh out, the answer to a GET carries it as a header');
}

const worthSaying: readonly { readonly name: Placeholder; readonly what: string }[] = [
  { name: 'sentence', what: 'what happened' },
  { name: 'advice', what: 'whether what a visitor sent may have been processed' },
  { name: 'code', what: 'the code by which the incident is found' },
];

function warnOfMissing(pieces: readonly TemplatePiece[], warn: Tell): void {
  const missing = worthSaying.filter(({ name }) => !pieces.some((piece) => piece.kind === 'value' && piece.name === name));
  if (missing.length > 0) warn(0, missing.map(({ name, what }) => `the page has no {{${name}}}: it does not say ${what}`).join('; '));
}

/** The Content-Security-Policy that goes with the page, told before somebody wonders. */
const blocked: readonly { readonly pattern: RegExp; readonly message: string }[] = [
  { pattern: /<script\b/gi, message: 'a script does not run: our Content-Security-Policy forbids it' },
  { pattern: /<[a-z][^>]*\son[a-z]+\s*=/gi, message: 'a script does not run: our Content-Security-Policy forbids it' },
  { pattern: /<[a-z][^>]*\sstyle\s*=/gi, message: 'a style= attribute is ignored: our Content-Security-Policy allows <style> only' },
  { pattern: /<form\b/gi, message: 'a form cannot be sent: our Content-Security-Policy forbids it' },
  {
    pattern: /<(?:img|link|iframe|frame|video|audio|source|track|embed|object|input|image|use)\b[^>]*\s(?:src|srcset|data|poster|(?:xlink:)?href)\s*=\s*["']?(?!data:|#|["'\s])/gi,
    message: 'nothing is fetched for the page: our Content-Security-Policy forbids it; write an image as a data: address',
  },
  { pattern: /@import\b|\burl\(\s*["']?(?!data:|#|["'\s])/gi, message: 'nothing is fetched for the page: our Content-Security-Policy forbids it; write an image as a data: address' },
];

function warnOfBlocked(html: string, warn: Tell): void {
  for (const { pattern, message } of blocked) for (const { index } of html.matchAll(pattern)) warn(index, message);
}

function elementText(name: string): RegExp {
  return new RegExp(`<${name}\\b[^>]*>([^]*?)</${name}\\s*>`, 'gi');
}

function placeOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}
