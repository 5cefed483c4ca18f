import { describeForeign } from './foreign-answer.ts';
import { looksLikeHttp, readHead, type AnswerFault, type HeadResult } from './response-head.ts';

/** Where no HTTP answer is recognised, five bytes are enough to name most of what answers instead. */
const recognisableBytes = 5;
/** 102 Processing comes every 20 s at most (RFC 2518); more interim heads than this are a flood. */
const interimLimit = 100;

/**
 * Reads heads, interim ones included, from bytes that come in any pieces. The usual head comes in one read and is never
 * copied; one that comes byte by byte goes into a buffer that doubles, so that a slow backend costs linear time.
 * Bounded by the limit of {@link readHead}: after a fault it is not fed again.
 */
export class HeadReader {
  #store: Buffer = Buffer.alloc(0);
  #length = 0;
  #searched = 0;
  #interims = 0;

  append(more: Buffer): void {
    const length = this.#length + more.length;
    if (this.#length === 0) this.#store = more;
    else {
      if (length > this.#store.length) this.#store = Buffer.concat([this.rest], Math.max(length, this.#length * 2));
      more.copy(this.#store, this.#length);
    }
    this.#length = length;
  }

  /** The next head, taken off; or why there is none. */
  next(): HeadResult {
    const bytes = this.rest;
    if (bytes.length >= recognisableBytes && !looksLikeHttp(bytes)) return { kind: 'fault', fault: foreign(bytes) };
    const result = readHead(bytes, this.#searched);
    this.#searched = result.kind === 'incomplete' ? bytes.length : 0;
    if (result.kind === 'head') {
      if (result.status < 200 && ++this.#interims > interimLimit) return { kind: 'fault', fault: { kind: 'http_protocol_error', says: `sent more than ${interimLimit} interim answers` } };
      this.#store = bytes.subarray(result.end);
      this.#length = this.#store.length;
    }
    return result;
  }

  /** What came after the last head that was taken. */
  get rest(): Buffer {
    return this.#store.subarray(0, this.#length);
  }

  /** The connection ended here: is what came something other than the beginning of an HTTP answer? */
  faultAtEnd(): AnswerFault | undefined {
    return looksLikeHttp(this.rest) ? undefined : foreign(this.rest);
  }
}

function foreign(bytes: Buffer): AnswerFault {
  return { kind: 'http_protocol_error', says: describeForeign(bytes) };
}
