/** Checked entries → a table that says of a line which of them it is. */
import { anchorOf, parsePattern, type SignaturePattern } from '../config/signature-pattern.ts';
import type { SignatureEntry } from '../config/signature-schema.ts';
import { createLiteralScan } from './literal-scan.ts';
import { matchPattern, type Fields } from './match-pattern.ts';
import { placeFields, readLine, type LogLine } from './read-line.ts';

/** A line of a known kind: `fields` are those of its pattern, and what nginx says behind every message. */
export interface KnownLine {
  readonly entry: SignatureEntry;
  readonly fields: Fields;
  readonly line: LogLine;
  /** How many of its characters, and how many of its values, the entry explains: of several entries the one that explains more is right. */
  readonly weight: number;
}

export interface SignatureTable {
  readonly entries: readonly SignatureEntry[];
  /** Can this be a known line? Cheap, and never wrong when it says no. */
  mayKnow(bytes: Uint8Array, from: number, to: number): boolean;
  /** The line as the entry that explains most of it, or `undefined`. Linear in its length. */
  know(text: string): KnownLine | undefined;
}

/** A value that has to fit says more than many words. */
const valueWeight = 40;
/** Every other entry outweighs a general one, and one of which only the beginning is there. */
const generalDivisor = 1000;

interface Compiled {
  readonly entry: SignatureEntry;
  readonly pattern: SignaturePattern;
  readonly weight: number;
}

/** Of entries that explain as much the first is right: own ones stand before the shipped ones. */
export function compileSignatures(entries: readonly SignatureEntry[]): SignatureTable {
  const compiled = entries.flatMap(compileEntry);
  const scan = createLiteralScan(compiled.map(({ pattern }) => searchedFor(anchorOf(pattern))));
  const encoder = new TextEncoder();
  return {
    entries,
    mayKnow: (bytes, from, to) => scan.find(bytes, from, to).length > 0,
    know(text) {
      const line = readLine(text);
      const bytes = encoder.encode(line.message);
      let best: KnownLine | undefined;
      for (const index of [...scan.find(bytes, 0, bytes.length)].sort((a, b) => a - b)) {
        const known = matchEntry(compiled[index]!, line);
        if (known && known.weight > (best?.weight ?? 0)) best = known;
      }
      return best;
    },
  };
}

function compileEntry(entry: SignatureEntry): readonly Compiled[] {
  return entry.patterns.flatMap((text) => {
    const pattern = parsePattern(text);
    if (typeof pattern === 'string') return []; // the schema has refused it
    const literal = pattern.literals.reduce((sum, each) => sum + each.length, 0);
    const says = literal + valueWeight * Object.keys(entry.where ?? {}).length;
    return [{ entry, pattern, weight: entry.general ? says / generalDivisor : says }];
  });
}

/** A line that was cut within a literal is found by the beginning of it. */
const searchedLength = 14;

/** Lines that went through word processors have other quotes: the search is for what stands between them. */
function searchedFor(anchor: string): string {
  const longest = anchor.split(/["'`]/).reduce((best, piece) => (piece.length > best.length ? piece : best), '');
  return (longest.length >= 4 ? longest : anchor).slice(0, searchedLength);
}

function matchEntry({ entry, pattern, weight }: Compiled, line: LogLine): KnownLine | undefined {
  const match = matchPattern(pattern, line.message);
  if (!match) return undefined;
  const fields = { ...line.fields, ...(match.fields['address'] === undefined ? {} : placeFields(String(match.fields['address']))), ...match.fields };
  if (!allows(entry.where ?? {}, fields)) return undefined;
  if (match.at > line.quotedFrom && !isPassedOn(entry)) return undefined;
  return { entry, fields, line, weight: match.cutAfter === undefined ? weight : (match.cutAfter - 0.5) / generalDivisor };
}

/** Programs that write for themselves. What others pass on of an application's words, and so of its visitors', is not theirs. */
const ownWords: ReadonlySet<string> = new Set(['nginx', 'php-fpm', 'apache', 'kernel', 'systemd', 'package-manager']);

/**
 * Can an application have written such a line: PHP, it itself, or a library that tells what a server answered it? What
 * a visitor or a tenant puts into it is no word of the servers beside it.
 */
export function isPassedOn({ program }: SignatureEntry): boolean {
  return !ownWords.has(program);
}

function allows(where: NonNullable<SignatureEntry['where']>, fields: Fields): boolean {
  return Object.entries(where).every(([name, bound]) => {
    const value = fields[name];
    if (value === undefined) return false;
    if (typeof bound !== 'object') return value === bound;
    if (Array.isArray(bound)) return bound.includes(value);
    if (bound.contains !== undefined) return String(value).includes(bound.contains);
    return typeof value === 'number' && value >= (bound.at_least ?? -Infinity) && value < (bound.below ?? Infinity);
  });
}
