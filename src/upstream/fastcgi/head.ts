/**
 * The head of a CGI answer: header lines up to an empty one, ended by LF or CRLF, with the status in `Status`.
 * Strict where two readers could disagree (folded lines, control characters, two lengths), lenient in line ends only.
 * @see https://www.rfc-editor.org/rfc/rfc3875.html#section-6
 */
import type { FailureKind } from '../../core/failure.ts';
import type { ResponseHead } from '../exchange.ts';

/** Longest head that is read: more than any application sends, little enough to be kept per request. */
export const maxHeadBytes = 128 * 1024;

export type HeadProgress =
  | { readonly kind: 'incomplete' }
  /** `rest` is the beginning of the body, a view into the last piece; it may be empty. */
  | { readonly kind: 'complete'; readonly head: ResponseHead; readonly rest: Buffer }
  | { readonly kind: 'invalid'; readonly failure: FailureKind; readonly detail: string };

/** Collects the pieces of one head. Keeps at most {@link maxHeadBytes}, and nothing when the head comes in one piece. */
export class CgiHeadReader {
  #kept = Buffer.alloc(0);
  #length = 0;

  /** To be called until it says something else than `incomplete`, then never again. */
  push(piece: Buffer): HeadProgress {
    const before = this.#length;
    const bytes = before === 0 ? piece : this.#keep(piece);
    // The two bytes before may be the beginning of the empty line.
    const end = endOfHead(bytes, Math.max(0, before - 2));
    if (end > maxHeadBytes || (end === -1 && bytes.length > maxHeadBytes)) return tooLarge;
    if (end !== -1) return parseHead(bytes.toString('latin1', 0, end), piece.subarray(end - before));
    if (before === 0) this.#keep(piece);
    return incomplete;
  }

  // Doubling keeps a head that comes byte by byte from being copied once per byte.
  #keep(piece: Buffer): Buffer {
    const needed = this.#length + piece.length;
    if (needed > this.#kept.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#kept.length * 2, 1024));
      this.#kept.copy(larger, 0, 0, this.#length);
      this.#kept = larger;
    }
    piece.copy(this.#kept, this.#length);
    this.#length = needed;
    return this.#kept.subarray(0, needed);
  }
}

const incomplete: HeadProgress = { kind: 'incomplete' };
const tooLarge: HeadProgress = {
  kind: 'invalid',
  failure: 'http_response_header_section_size',
  detail: `the head of the answer is longer than ${maxHeadBytes / 1024} KiB`,
};

/** The index after the empty line, -1 when it has not come yet. */
function endOfHead(bytes: Buffer, from: number): number {
  if (bytes[0] === 10) return 1;
  if (bytes[0] === 13 && bytes[1] === 10) return 2;
  for (let at = bytes.indexOf(10, from); at !== -1; at = bytes.indexOf(10, at + 1)) {
    if (bytes[at + 1] === 10) return at + 2;
    if (bytes[at + 1] === 13 && bytes[at + 2] === 10) return at + 3;
  }
  return -1;
}

/** They belong to one connection (RFC 9110 section 7.6.1), and CGI has none of its own. */
const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade']);
const fieldLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*(.*)$/;
// Everything below SP but TAB, and DEL: none of it may be in a field value, and some readers end a line at it.
// oxlint-disable-next-line no-control-regex
const forbidden = /[\0-\x08\x0a-\x1f\x7f]/;

function parseHead(text: string, rest: Buffer): HeadProgress {
  const rawHeaders: string[] = [];
  let status: number | undefined;
  let location = false;
  let contentLength: number | undefined;
  for (const ended of text.split('\n')) {
    const line = ended.endsWith('\r') ? ended.slice(0, -1) : ended;
    if (line === '') continue;
    const found = fieldLine.exec(line);
    if (!found || forbidden.test(line)) return protocolError(`expected a header line in the answer, got ${quote(line)}`);
    const name = found[1]!;
    const value = found[2]!.trimEnd();
    const lower = name.toLowerCase();
    if (lower === 'status') {
      if (!/^[2-9]\d\d(?:\s|$)/.test(value)) return protocolError(`expected Status to be a final status such as "200 OK", got ${quote(value)}`);
      status = Number(value.slice(0, 3));
      continue;
    }
    if (hopByHop.has(lower)) continue;
    if (lower === 'content-length') {
      const length = /^\d{1,15}$/.test(value) ? Number(value) : NaN;
      if (Number.isNaN(length)) return protocolError(`expected Content-Length to be a number of bytes, got ${quote(value)}`);
      if (contentLength !== undefined && contentLength !== length) return protocolError(`two values of Content-Length, ${contentLength} and ${length}`);
      if (contentLength === length) continue;
      contentLength = length;
    }
    if (lower === 'location') location = true;
    rawHeaders.push(name, value);
  }
  return { kind: 'complete', head: { status: status ?? (location ? 302 : 200), rawHeaders, contentLength }, rest };
}

function protocolError(detail: string): HeadProgress {
  return { kind: 'invalid', failure: 'http_protocol_error', detail };
}

/** At most 60 characters of what a backend sent, with everything unprintable as an escape. */
function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
