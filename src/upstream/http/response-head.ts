/**
 * Reads one response head, strictly, whatever way its bytes were split. A bare LF ends a line as well as CRLF does,
 * because old applications send it and every native proxy takes it; obs-fold, control characters and doubtful framing
 * are refused, because two readers would understand two different answers (RFC 9112 sections 2.2, 5.2 and 6.3).
 */
import type { FailureKind } from '../../core/failure.ts';
import type { ResponseHead } from '../exchange.ts';
import { addNamedByConnection, hopByHopNames, withoutNamed } from './hop-by-hop.ts';

/** Longest head, its interim heads not counted: four times what nginx takes with large buffers. */
export const headLimitBytes = 128 * 1024;
/** Longest single line inside it. */
export const fieldLimitBytes = 64 * 1024;

/** Why an answer is refused; `says` follows the backend's address in a sentence. */
export interface AnswerFault {
  readonly kind: FailureKind;
  readonly says: string;
}

/** One complete head, interim or final, checked: its framing is unambiguous. */
export interface ParsedHead extends ResponseHead {
  readonly kind: 'head';
  readonly chunked: boolean;
  /** The backend leaves the connection open behind this answer, for long enough to be used again. */
  readonly keepsOpen: boolean;
  /** Where the head ended in the bytes that were given: the body, or the next head, begins there. */
  readonly end: number;
}

/** `incomplete`: nothing wrong so far, more bytes are needed. */
export type HeadResult = ParsedHead | { readonly kind: 'incomplete' } | { readonly kind: 'fault'; readonly fault: AnswerFault };

/** Reads the head at the beginning of `bytes`. `searchFrom` is how much of it was already searched in vain. */
export function readHead(bytes: Buffer, searchFrom: number): HeadResult {
  const blank = findBlankLine(bytes, Math.max(0, searchFrom - 2));
  // One byte more while incomplete: it may be the CR of the blank line, whichever way the bytes were split.
  const length = blank === -1 ? bytes.length - 1 : blank + 1;
  if (length > headLimitBytes) return { kind: 'fault', fault: tooLong(bytes) };
  if (blank === -1) return { kind: 'incomplete' };
  const end = bytes[length] === lineFeed ? length + 1 : length + 2;
  const fields = new Fields();
  const fault = hasControl(bytes, length) ? refused('a control character in the head of its answer') : fields.read(bytes.toString('latin1', 0, length));
  return fault ? { kind: 'fault', fault } : fields.head(end);
}

/** Could `bytes` still become an HTTP/1.x answer? Five bytes are enough to know, fewer are judged as far as they go. */
export function looksLikeHttp(bytes: Buffer): boolean {
  const length = Math.min(bytes.length, httpMark.length);
  return bytes.compare(httpMark, 0, length, 0, length) === 0;
}

const lineFeed = 10;
const httpMark = Buffer.from('HTTP/');
const blankAfterCrlf = Buffer.from('\n\r\n');
const blankAfterLf = Buffer.from('\n\n');
const statusLine = /^HTTP\/1\.([01]) ([1-5][0-9][0-9])(?: .*)?$/;
const closePattern = /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i;
const shortestKeepAliveSeconds = 2;
const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Fifteen digits are a petabyte, and exact in a number. */
const lengthPattern = /^\d{1,15}$/;

/** The index of the line feed that the blank line follows, or -1. */
function findBlankLine(bytes: Buffer, from: number): number {
  const strict = bytes.indexOf(blankAfterCrlf, from);
  const bare = (strict === -1 ? bytes : bytes.subarray(0, strict + 1)).indexOf(blankAfterLf, from);
  return bare === -1 ? strict : bare;
}

/** Everything below space except tab and line ends, and DEL. A CR counts as a line end only before LF. */
function hasControl(bytes: Buffer, length: number): boolean {
  for (let i = 0; i < length; i++) {
    const byte = bytes[i]!;
    if (byte >= 32 ? byte === 127 : byte !== 9 && byte !== lineFeed && (byte !== 13 || bytes[i + 1] !== lineFeed)) return true;
  }
  return false;
}

/** Judged on the first bytes only, so that it does not depend on how many came at once. */
function tooLong(bytes: Buffer): AnswerFault {
  const seen = bytes.subarray(0, headLimitBytes);
  for (let at = 0; at < seen.length;) {
    const next = seen.indexOf(lineFeed, at);
    const stop = next === -1 ? seen.length : next;
    if (stop - at > fieldLimitBytes) return { kind: 'http_response_header_size', says: `sent a header field longer than ${fieldLimitBytes / 1024} KiB` };
    at = stop + 1;
  }
  return { kind: 'http_response_header_section_size', says: `sent a header section longer than ${headLimitBytes / 1024} KiB` };
}

function refused(what: string): AnswerFault {
  return { kind: 'http_protocol_error', says: `sent ${what}` };
}

/** What is gathered while the lines go by: one array for the headers, no object per field. */
class Fields {
  #status = 0;
  #minor = '1';
  readonly #rawHeaders: string[] = [];
  #named: Set<string> | undefined;
  #length: string | undefined;
  #coding: string | undefined;
  #closes = false;

  read(text: string): AnswerFault | undefined {
    let at = 0;
    while (at < text.length) {
      const lineEnd = text.indexOf('\n', at);
      const stop = text.charCodeAt(lineEnd - 1) === 13 ? lineEnd - 1 : lineEnd;
      if (stop - at > fieldLimitBytes) return { kind: 'http_response_header_size', says: `sent a header field longer than ${fieldLimitBytes / 1024} KiB` };
      const fault = at === 0 ? this.#readStatus(text.slice(0, stop)) : this.#readField(text, at, stop);
      if (fault) return fault;
      at = lineEnd + 1;
    }
    return this.#checkFraming();
  }

  head(end: number): ParsedHead {
    const status = this.#status;
    // RFC 9110 section 8.6: no Content-Length in 1xx and 204. A client that believed it would wait for a body.
    const lengthless = status < 200 || status === 204;
    if (lengthless && this.#length !== undefined) (this.#named ??= new Set()).add('content-length');
    return {
      kind: 'head',
      status,
      rawHeaders: this.#named?.size ? withoutNamed(this.#rawHeaders, this.#named) : this.#rawHeaders,
      contentLength: lengthless || this.#length === undefined ? undefined : Number(this.#length),
      chunked: this.#coding !== undefined,
      keepsOpen: this.#minor === '1' && !this.#closes,
      end,
    };
  }

  #readStatus(line: string): AnswerFault | undefined {
    const found = statusLine.exec(line);
    if (!found) return refused(`a broken status line: ${JSON.stringify(line.slice(0, 60))}`);
    this.#minor = found[1]!;
    this.#status = Number(found[2]);
    return undefined;
  }

  #readField(text: string, at: number, stop: number): AnswerFault | undefined {
    if (isBlank(text.charCodeAt(at))) return refused('a folded header line, which was abolished because readers disagree about it');
    const colon = text.indexOf(':', at);
    if (colon === -1 || colon >= stop) return refused(`a header line without a colon: ${JSON.stringify(text.slice(at, Math.min(stop, at + 60)))}`);
    const name = trimmed(text, at, colon); // RFC 9112 section 5.1: blanks before the colon are removed by a proxy
    if (!fieldName.test(name)) return refused(`a header with an impossible name: ${JSON.stringify(name.slice(0, 60))}`);
    return this.#sort(name, trimmed(text, colon + 1, stop));
  }

  #sort(name: string, value: string): AnswerFault | undefined {
    const key = name.toLowerCase();
    if (key === 'content-length') return this.#addLength(name, value);
    if (key === 'transfer-encoding') this.#coding = this.#coding === undefined ? value : `${this.#coding}, ${value}`;
    if (key === 'connection') this.#readConnection(value);
    if (key === 'keep-alive' && endsSoon(value)) this.#closes = true;
    const upgraded = this.#status === 101 && key === 'upgrade';
    if (upgraded || !hopByHopNames.has(key)) this.#rawHeaders.push(name, value);
    return undefined;
  }

  #readConnection(value: string): void {
    if (closePattern.test(value)) this.#closes = true;
    addNamedByConnection(value, (this.#named ??= new Set()));
  }

  /** Equal lengths are one length (RFC 9112 section 6.3); the first field stays, its twins vanish. */
  #addLength(name: string, value: string): AnswerFault | undefined {
    for (const part of value.split(',')) {
      const length = trimmed(part, 0, part.length);
      if (!lengthPattern.test(length)) return refused(`an impossible Content-Length: ${JSON.stringify(value.slice(0, 60))}`);
      if (this.#length === undefined) {
        this.#length = length;
        this.#rawHeaders.push(name, length);
      } else if (Number(this.#length) !== Number(length)) {
        return refused(`two different lengths for one answer: ${this.#length} and ${length}`);
      }
    }
    return undefined;
  }

  #checkFraming(): AnswerFault | undefined {
    if (this.#coding === undefined) return undefined;
    const kind = 'http_response_transfer_coding';
    if (this.#length !== undefined) return { kind, says: 'sent Content-Length and Transfer-Encoding in one answer' };
    if (this.#minor === '0') return { kind, says: 'sent Transfer-Encoding in an HTTP/1.0 answer' };
    if (this.#coding.toLowerCase() === 'chunked') return undefined;
    return { kind, says: `used a transfer coding other than chunked: ${JSON.stringify(this.#coding.slice(0, 60))}` };
  }
}

/** `Keep-Alive: timeout=1` would end about when the connection is used again. */
function endsSoon(value: string): boolean {
  const found = /(?:^|[,;\s])timeout\s*=\s*"?(\d{1,9})/i.exec(value);
  return found !== null && Number(found[1]) < shortestKeepAliveSeconds;
}

/** Only space and tab: String.trim would also take the latin-1 no-break space, which is content. */
function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let stop = to;
  while (start < stop && isBlank(text.charCodeAt(start))) start++;
  while (stop > start && isBlank(text.charCodeAt(stop - 1))) stop--;
  return text.slice(start, stop);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/** What is wrong with this 101, if anything is. */
export function faultOfSwitch({ rawHeaders }: ParsedHead, asked: boolean): AnswerFault | undefined {
  if (!asked) return { kind: 'http_protocol_error', says: 'switched protocols (101) though nobody asked for it' };
  const named = rawHeaders.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'upgrade');
  return named ? undefined : { kind: 'http_upgrade_failed', says: 'switched protocols (101) without saying to which' };
}

/** What the listener gets of a parsed head. */
export function forListener({ status, rawHeaders, contentLength }: ParsedHead): ResponseHead {
  return { status, rawHeaders, contentLength };
}
