import type { FieldType, SignaturePattern } from '../config/signature-pattern.ts';

export type Fields = Readonly<Record<string, string | number>>;

/** Where in the text the pattern begins, and what its fields hold. */
export interface PatternMatch {
  readonly at: number;
  readonly fields: Fields;
  /** So many characters of the pattern are there, because the line was cut. */
  readonly cutAfter?: number;
}

/** Places of the first literal that are tried: the bound that keeps the work linear. */
const mostTries = 4;
/** The most of a field that is kept. */
const fieldLength = 200;

/**
 * The fields of a text that contains the pattern, or `undefined`. Each literal is looked for once, behind the one
 * before, from at most four places of the first: linear in the text's length.
 */
export function matchPattern(pattern: SignaturePattern, text: string): PatternMatch | undefined {
  const first = pattern.literals[0]!;
  let at = text.indexOf(first);
  for (let tries = 0; at >= 0 && tries < mostTries; tries++) {
    const match = matchAt(pattern, text, at);
    if (match) return match;
    at = text.indexOf(first, at + 1);
  }
  return matchCut(pattern, text);
}

/** Lines are pasted with their ends cut off: so much of a single literal is enough, at the end of the text. */
const shortestCut = 14;

function matchCut({ lead, literals, fields }: SignaturePattern, text: string): PatternMatch | undefined {
  const [only = ''] = literals;
  if (lead || fields.length > 0 || only.length <= shortestCut) return undefined;
  const at = text.lastIndexOf(only.slice(0, shortestCut));
  return at >= 0 && only.startsWith(text.slice(at)) ? { at, fields: {}, cutAfter: text.length - at } : undefined;
}

function matchAt({ lead, literals, fields }: SignaturePattern, text: string, start: number): PatternMatch | undefined {
  const found: Record<string, string | number> = {};
  if (lead) {
    const from = Math.max(text.lastIndexOf(' ', start - 1) + 1, start - fieldLength);
    const value = valueOf(lead.type, text.slice(from, start));
    if (start <= from || value === undefined) return undefined;
    found[lead.name] = value;
  }
  let at = start + literals[0]!.length;
  for (const [i, { name, type }] of fields.entries()) {
    const next = literals[i + 1]!;
    const end = endOf(type, { text, at, next });
    if (end <= at || !text.startsWith(next, end)) return undefined;
    const value = valueOf(type, text.slice(at, Math.min(end, at + fieldLength)).trim());
    if (value === undefined || value === '') return undefined;
    found[name] = value;
    at = end + next.length;
  }
  return { at: start, fields: found };
}

function endOf(type: FieldType, { text, at, next }: { readonly text: string; readonly at: number; readonly next: string }): number {
  if (type === 'int' || type === 'number') return digitsEnd(text, at, type === 'number');
  const end = next === '' ? (type === 'word' ? wordEnd(text, at) : text.length) : text.indexOf(next, at);
  return type === 'word' && end > wordEnd(text, at) ? -1 : end;
}

function wordEnd(text: string, from: number): number {
  const end = text.indexOf(' ', from);
  return end < 0 ? text.length : end;
}

/** At most 15 digits: more would not be an exact number any longer. */
function digitsEnd(text: string, from: number, withFraction: boolean): number {
  let end = from;
  let fraction = !withFraction;
  for (; end < from + 15; end++) {
    const code = text.charCodeAt(end);
    const point = !fraction && end > from && (code === 46 || code === 44);
    if (point) fraction = true;
    else if (!(code >= 48 && code <= 57)) break;
  }
  return end;
}

function valueOf(type: FieldType, text: string): string | number | undefined {
  if (type === 'text' || type === 'word') return text;
  const number = Number(text.replace(',', '.'));
  return text === '' || Number.isNaN(number) ? undefined : number;
}
