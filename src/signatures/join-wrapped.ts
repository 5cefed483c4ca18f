/**
 * Lines that a terminal, a mail or an editor has wrapped are one line again, where that is safe: the first is of a
 * known kind and long enough, and what follows begins no line of its own.
 */
import type { KnownLine, SignatureTable } from './compile.ts';
import { timeIn } from './log-time.ts';
import { mayBeRow, spellOut } from './spell-out.ts';

/** Wrapped lines are at least as long as a narrow terminal is wide. */
const narrowest = 60;
const mostParts = 8;

export interface Joiner {
  take(bytes: Uint8Array, from: number, to: number): void;
  /** Whatever this line is, it continues none. */
  skip(): void;
  end(): void;
}

/** `onKnown` gets each known line with its number, counted from 1 over everything. */
export function createJoiner(table: SignatureTable, onKnown: (line: KnownLine, number: number) => void): Joiner {
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let number = 0;
  let first = 0;
  const flush = (): void => {
    if (parts.length === 0) return;
    const known = best(table, parts);
    parts = [];
    if (known) onKnown(known, first);
  };
  return {
    take(bytes, from, to) {
      number += 1;
      const mayBeKnown = table.mayKnow(bytes, from, to);
      const isRow = mayBeRow(bytes, from, to);
      if (!mayBeKnown && !isRow && parts.length === 0) return;
      const text = decoder.decode(bytes.subarray(from, to));
      const row = isRow ? spellOut(text) : undefined;
      if (row !== undefined) {
        flush();
        const known = table.know(row);
        if (known) onKnown(known, number);
        return;
      }
      const last = parts.at(-1);
      if (!mayBeKnown && last !== undefined && last.length >= narrowest && parts.length < mostParts && continues(text)) {
        parts.push(text);
        return;
      }
      flush();
      if (!mayBeKnown) return;
      parts = [text];
      first = number;
    },
    skip() {
      number += 1;
      flush();
    },
    end: flush,
  };
}

/** No time of its own, no indentation as in a stack trace, no bullet, and not empty. */
function continues(text: string): boolean {
  return /^[\w/"'(,.;:)-]/.test(text) && timeIn(text) === undefined;
}

/** The line alone, or joined with what follows; the longer reading only where it says more. */
function best(table: SignatureTable, parts: readonly string[]): KnownLine | undefined {
  const alone = table.know(parts[0]!);
  if (parts.length === 1) return alone;
  const hard = table.know(parts.join(''));
  const soft = table.know(parts.join(' '));
  return [alone, soft, hard].reduce((most, each) => (each && (!most || saying(each) > saying(most)) ? each : most), undefined);
}

function saying({ weight, fields }: KnownLine): number {
  return weight + 5 * Object.keys(fields).length;
}
