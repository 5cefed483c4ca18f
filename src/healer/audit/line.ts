/** From an event to the bytes of its line: secrets out, everything bounded, what the log adds around it. */
import { maxLineBytes } from './files.ts';
import { maxListLength, maxTextLength, type AuditEvent } from './record.ts';
import { redact, redactWords } from './redact.ts';

/** What the log knows about every record. */
export interface Envelope {
  readonly seq: number;
  readonly ts: string;
  readonly mono_ms: number;
  readonly boot: string;
  readonly host: string;
  readonly agent: string;
}

interface Bounds {
  readonly text: number;
  readonly list: number;
}

/** The normal bounds, and those for a record that is still too long with them. */
const bounds: readonly Bounds[] = [
  { text: maxTextLength, list: maxListLength },
  { text: 256, list: 20 },
];

/** The line with its newline; `undefined` when it is longer than a line may be even after cutting. */
export function buildLine(envelope: Envelope, event: AuditEvent, prev: string): Buffer | undefined {
  for (const bound of bounds) {
    const { body, redacted } = clean(event, bound);
    const before = JSON.stringify({ v: 1, ...envelope });
    const after = JSON.stringify({ ...(redacted > 0 ? { redacted } : {}), prev });
    const line = Buffer.from(`${before.slice(0, -1)},${body.slice(1, -1)},${after.slice(1)}\n`);
    if (line.length <= maxLineBytes) return line;
  }
  return undefined;
}

function clean(event: AuditEvent, bound: Bounds): { readonly body: string; readonly redacted: number } {
  let redacted = 0;
  const body = JSON.stringify(event, (key, value: unknown) => {
    if (Array.isArray(value)) {
      const found = key === 'argv' ? redactWords(value.map(String)) : { text: value, replaced: 0 };
      redacted += found.replaced;
      return found.text.slice(0, bound.list);
    }
    // A number that JSON cannot say would become null, which no reader expects.
    if (typeof value === 'number' && !Number.isFinite(value)) return undefined;
    if (typeof value !== 'string') return value;
    const found = redact(value);
    redacted += found.replaced;
    return shorten(key, found.text, bound.text);
  });
  return { body, redacted };
}

/** Of a program's output the end matters, of everything else the beginning. A pair that is cut in two is no text that every reader of JSON takes. */
function shorten(key: string, text: string, length: number): string {
  if (text.length <= length) return text;
  return (key === 'output' ? `…${text.slice(1 - length)}` : `${text.slice(0, length - 1)}…`).toWellFormed();
}
