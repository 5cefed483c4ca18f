import { redact } from '../healer/audit/redact.ts';

/** The search for secrets looks at the end of a longer text only. */
const pieceLength = 60_000;

/** A whole file's text without what looks like a secret, piece by piece at ends of lines, and how many were replaced. */
export function redactFile(text: string): { readonly text: string; readonly replaced: number } {
  let replaced = 0;
  const pieces = piecesOf(text).map((piece) => {
    const found = redact(piece);
    replaced += found.replaced;
    return found.text;
  });
  return { text: pieces.join(''), replaced };
}

/** The same for a configuration: of addresses elsewhere only the host is kept, because a webhook's path is its password. */
export function redactConfiguration(text: string): { readonly text: string; readonly replaced: number } {
  let replaced = 0;
  const found = redactFile(text);
  const clean = found.text.replace(/(\bhttps:\/\/[^\s/"'<>]{1,255}\/)(?!\[redacted\])[^\s"'<>]+/gi, (_all, kept: string) => {
    replaced += 1;
    return `${kept}[redacted]`;
  });
  return { text: clean, replaced: found.replaced + replaced };
}

/** A record's line; byte for byte the same where nothing in it looks like a secret. */
export function redactRecord(line: string): { readonly text: string; readonly replaced: number } {
  let replaced = 0;
  const clean = JSON.stringify(JSON.parse(line), (_key, value: unknown) => {
    if (typeof value !== 'string') return value;
    const found = redactFile(value);
    replaced += found.replaced;
    return found.text;
  });
  return { text: replaced === 0 ? line : clean, replaced };
}

/** A line that is longer than a piece is cut anyway. */
function piecesOf(text: string): readonly string[] {
  const pieces: string[] = [];
  for (let from = 0; from < text.length;) {
    const end = from + pieceLength;
    const stop = end >= text.length ? text.length : text.lastIndexOf('\n', end - 1) + 1;
    const to = stop > from ? stop : end;
    pieces.push(text.slice(from, to));
    from = to;
  }
  return pieces;
}
