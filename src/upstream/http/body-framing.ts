/** Where a response body ends: by length, by chunks, or when the connection closes. Bytes in, content out. */
import { safeTrailers } from './hop-by-hop.ts';
import type { AnswerFault, ParsedHead } from './response-head.ts';

/** Longest chunk extensions of one body together, which are dropped; and longest trailer section. */
export const sectionLimitBytes = 16 * 1024;
const trailerLimitBytes = 8 * 1024;

/** One body being read. After a fault, or once `complete`, it is not fed again. */
export interface BodyFraming {
  /** The content in these bytes, which may be moved about in place; empty where they hold none. */
  decode(bytes: Buffer): Buffer | AnswerFault;
  /** The last byte was seen. */
  readonly complete: boolean;
  /** Bytes came behind the last one, which belong to nobody. */
  readonly surplus: boolean;
  /** Name, value, name, value …: the trailer fields that may pass, once it is complete. */
  readonly trailers: readonly string[];
  /** The end of the connection is the proper end of this body. */
  readonly endsAtClose: boolean;
}

/** How the answer to `method` is framed; `undefined` when it has no body, whatever its head says. */
export function bodyFraming(method: string, head: ParsedHead): BodyFraming | undefined {
  if (method === 'HEAD' || head.status === 204 || head.status === 304 || head.contentLength === 0) return undefined;
  if (head.chunked) return new ChunkedBody();
  return head.contentLength === undefined ? new BodyUntilClose() : new BodyOfLength(head.contentLength);
}

/**
 * Does a head announce a body that must not follow it (HEAD, 304)? A backend that sends it all the same, a moment later,
 * would answer the next request of its connection with it.
 */
export function mayBringBody(framing: BodyFraming | undefined, { chunked, contentLength = 0 }: ParsedHead): boolean {
  return framing === undefined && (chunked || contentLength > 0);
}

/** Is this what `decode` says instead of content? */
export function isFault(result: Buffer | AnswerFault): result is AnswerFault {
  return !Buffer.isBuffer(result);
}

class BodyOfLength implements BodyFraming {
  readonly endsAtClose = false;
  readonly trailers = none;
  surplus = false;
  #rest: number;
  constructor(length: number) {
    this.#rest = length;
  }
  get complete(): boolean {
    return this.#rest === 0;
  }
  decode(bytes: Buffer): Buffer {
    this.surplus = bytes.length > this.#rest;
    const content = this.surplus ? bytes.subarray(0, this.#rest) : bytes;
    this.#rest -= content.length;
    return content;
  }
}

class BodyUntilClose implements BodyFraming {
  readonly endsAtClose = true;
  readonly complete = false;
  readonly surplus = false;
  readonly trailers = none;
  decode(bytes: Buffer): Buffer {
    return bytes;
  }
}

// oxlint-disable-next-line no-control-regex -- control characters are what it refuses, all but tab
const trailerLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:[^\0-\x08\x0a-\x1f\x7f]*[^\0-\x20\x7f])?)[ \t]*$/;
const cr = 13;
const lf = 10;
const semicolon = 59;
/** Eight digits are 4 GiB: more in one chunk is a mistake or an attack on the sum. */
const sizeDigits = 8;

type ChunkState = 'size' | 'extension' | 'size_lf' | 'data' | 'data_cr' | 'data_lf' | 'trailer_start' | 'trailer' | 'trailer_lf' | 'end_lf' | 'end';

/**
 * Strict: hexadecimal digits only, CRLF everywhere, since a lenient reader and a strict one see different bodies.
 * Content is moved together in place, so that one read gives one piece however small the chunks are.
 */
class ChunkedBody implements BodyFraming {
  readonly endsAtClose = false;
  #state: ChunkState = 'size';
  #size = 0;
  #digits = 0;
  #extensionBytes = 0;
  #trailerText = '';
  #lineBytes = 0;
  surplus = false;
  trailers: readonly string[] = none;

  get complete(): boolean {
    return this.#state === 'end';
  }

  decode(bytes: Buffer): Buffer | AnswerFault {
    let start = -1;
    let stop = 0;
    let at = 0;
    while (at < bytes.length && this.#state !== 'end') {
      if (this.#state !== 'data') {
        const fault = this.#step(bytes[at++]!);
        if (fault) return fault;
        continue;
      }
      const take = Math.min(this.#size, bytes.length - at);
      if (start === -1) start = stop = at;
      else bytes.copyWithin(stop, at, at + take);
      stop += take;
      at += take;
      this.#size -= take;
      if (this.#size === 0) this.#state = 'data_cr';
    }
    this.surplus = at < bytes.length;
    return start === -1 ? nothing : bytes.subarray(start, stop);
  }

  #step(byte: number): AnswerFault | undefined {
    switch (this.#state) {
      case 'size':
        return this.#readSize(byte);
      case 'extension':
        return byte === cr ? this.#go('size_lf') : byte === lf ? broken('a chunk size line that ends without CR') : this.#dropExtension();
      case 'size_lf':
        return byte === lf ? this.#beginChunk() : broken('a chunk size line with a stray CR');
      case 'data_cr':
        return byte === cr ? this.#go('data_lf') : broken('a chunk longer than its size');
      case 'data_lf':
        return byte === lf ? this.#beginSize() : broken('a chunk without CRLF after it');
      case 'trailer_start':
        return byte === cr ? this.#go('end_lf') : this.#readTrailer(byte);
      case 'trailer':
        return byte === cr ? this.#go('trailer_lf') : this.#readTrailer(byte);
      case 'trailer_lf':
        return byte === lf ? this.#endTrailer() : broken('a trailer line with a stray CR');
      case 'end_lf':
        return byte === lf ? this.#end() : broken('a chunked body with a stray CR at its end');
      case 'data':
      case 'end':
        return undefined;
    }
  }

  #readSize(byte: number): AnswerFault | undefined {
    const digit = hexDigit(byte);
    if (digit !== -1) {
      this.#size = this.#size * 16 + digit;
      return ++this.#digits > sizeDigits ? broken(`a chunk size of more than ${sizeDigits} digits`) : undefined;
    }
    if (this.#digits === 0) return broken('a chunk without a size');
    if (byte === cr) return this.#go('size_lf');
    return byte === semicolon ? this.#go('extension') : broken('a chunk size that is no hexadecimal number');
  }

  #beginChunk(): undefined {
    return this.#go(this.#size === 0 ? 'trailer_start' : 'data');
  }

  #beginSize(): undefined {
    this.#digits = 0;
    return this.#go('size');
  }

  #readTrailer(byte: number): AnswerFault | undefined {
    if (byte === lf) return broken('a trailer line that ends without CR');
    if (this.#state === 'trailer_start') this.#lineBytes = 0;
    this.#state = 'trailer';
    if (++this.#lineBytes > trailerLimitBytes) return tooMuch('http_response_trailer_size', 'a trailer field longer than', trailerLimitBytes);
    if (this.#trailerText.length >= sectionLimitBytes) return tooMuch('http_response_trailer_section_size', 'trailers of more than', sectionLimitBytes);
    this.#trailerText += String.fromCharCode(byte);
    return undefined;
  }

  #endTrailer(): undefined {
    this.#trailerText += '\n';
    return this.#go('trailer_start');
  }

  #dropExtension(): AnswerFault | undefined {
    return ++this.#extensionBytes > sectionLimitBytes ? tooMuch('http_protocol_error', 'chunk extensions of more than', sectionLimitBytes) : undefined;
  }

  #end(): AnswerFault | undefined {
    this.#state = 'end';
    const trailers = this.#trailerText === '' ? none : readTrailers(this.#trailerText);
    if (trailers === undefined) return broken('a trailer that is no header field');
    this.trailers = trailers;
    return undefined;
  }

  #go(state: ChunkState): undefined {
    this.#state = state;
  }
}

const nothing = Buffer.alloc(0);
const none: readonly string[] = [];

function broken(what: string): AnswerFault {
  return { kind: 'http_protocol_error', says: `sent ${what}` };
}

function tooMuch(kind: AnswerFault['kind'], what: string, bytes: number): AnswerFault {
  return { kind, says: `sent ${what} ${bytes / 1024} KiB` };
}

/** Lines that end with LF; `undefined` when one is no field. */
function readTrailers(text: string): readonly string[] | undefined {
  const fields: string[] = [];
  for (const line of text.slice(0, -1).split('\n')) {
    const found = trailerLine.exec(line);
    if (!found) return undefined;
    fields.push(found[1]!, found[2]!);
  }
  return safeTrailers(fields);
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = byte | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
