/** Pieces of bytes → lines. Of a line that is longer than the limit only the beginning is kept. */

/** Far above any line that a program of ours writes; a longer one is no log line, or hostile. */
const longestLine = 16 * 1024;
const newline = 10;

export interface Splitter {
  take(piece: Uint8Array): void;
  /** Hands on the last line, where it has no end. */
  end(): void;
  readonly lines: number;
}

/** `onLine` gets a view that is valid only during the call. */
export function createSplitter(onLine: (bytes: Uint8Array, from: number, to: number) => void): Splitter {
  const rest = new Uint8Array(longestLine);
  let kept = 0;
  let begun = false;
  let lines = 0;
  const keep = (piece: Uint8Array): void => {
    const part = piece.subarray(0, longestLine - kept);
    rest.set(part, kept);
    kept += part.length;
    begun ||= piece.length > 0;
  };
  const finish = (): void => {
    lines += 1;
    onLine(rest, 0, kept);
    kept = 0;
    begun = false;
  };
  return {
    take(piece) {
      let from = 0;
      for (let end = piece.indexOf(newline); end >= 0; end = piece.indexOf(newline, from)) {
        if (begun) {
          keep(piece.subarray(from, end));
          finish();
        } else {
          lines += 1;
          onLine(piece, from, Math.min(end, from + longestLine));
        }
        from = end + 1;
      }
      keep(piece.subarray(from));
    },
    end() {
      if (begun) finish();
    },
    get lines() {
      return lines;
    },
  };
}
