/**
 * Finds many literals in one pass over the bytes of a line: one table look-up a byte, whatever the number of literals
 * (Aho and Corasick, 1975). Lines in which none is found, nearly all of a log, cost nothing more.
 */

/** Which literals a line holds, by their index. */
export interface LiteralScan {
  /** Those between `from` and `to`, each once, in no order. The same array is used again by the next call. */
  find(bytes: Uint8Array, from: number, to: number): readonly number[];
}

const blank = 32;
const tab = 9;

/** The literals must not be empty. A run of blanks in the bytes is one blank. */
export function createLiteralScan(literals: readonly string[]): LiteralScan {
  const encoder = new TextEncoder();
  const words = literals.map((literal) => encoder.encode(literal));
  const classes = new Uint8Array(256);
  let width = 1;
  for (const word of words) for (const byte of word) if (classes[byte] === 0) classes[byte] = width++;
  const { next, ends } = automaton(words, { classes, width });
  const seenAt = new Uint32Array(literals.length);
  const found: number[] = [];
  let turn = 0;
  return {
    find(bytes, from, to) {
      found.length = 0;
      turn += 1;
      let state = 0;
      let afterBlank = false;
      for (let i = from; i < to; i++) {
        const byte = bytes[i] === tab ? blank : bytes[i]!;
        if (byte === blank && afterBlank) continue;
        afterBlank = byte === blank;
        state = next[state * width + classes[byte]!]!;
        const here = ends[state];
        if (here === undefined) continue;
        for (const index of here) {
          if (seenAt[index] === turn) continue;
          seenAt[index] = turn;
          found.push(index);
        }
      }
      return found;
    },
  };
}

interface Alphabet {
  readonly classes: Uint8Array;
  readonly width: number;
}

/** The tree of all words with the way to go at every mismatch filled in, so that a scan never goes back. */
function automaton(words: readonly Uint8Array[], { classes, width }: Alphabet): { readonly next: Int32Array; readonly ends: readonly (readonly number[] | undefined)[] } {
  const next = new Int32Array((1 + words.reduce((sum, word) => sum + word.length, 0)) * width);
  const ends: (number[] | undefined)[] = [undefined];
  for (const [index, word] of words.entries()) {
    let state = 0;
    for (const byte of word) {
      const at = state * width + classes[byte]!;
      if (next[at] === 0) next[at] = ends.push(undefined) - 1;
      state = next[at]!;
    }
    (ends[state] ??= []).push(index);
  }
  completeByLevels(next, ends, width);
  return { next, ends };
}

function completeByLevels(next: Int32Array, ends: (number[] | undefined)[], width: number): void {
  const fallback = new Int32Array(ends.length);
  const queue: number[] = [];
  for (let letter = 0; letter < width; letter++) if (next[letter]! > 0) queue.push(next[letter]!);
  for (const state of queue) {
    const instead = fallback[state]!;
    if (ends[instead]) ends[state] = [...(ends[state] ?? []), ...ends[instead]];
    for (let letter = 0; letter < width; letter++) {
      const to = next[state * width + letter]!;
      if (to === 0) next[state * width + letter] = next[instead * width + letter]!;
      else {
        fallback[to] = next[instead * width + letter]!;
        queue.push(to);
      }
    }
  }
}
