/**
 * FastCGI records: 8 bytes of header, up to 65535 of content, padding. The parser hands content on as views into the
 * chunk that it was given and keeps nothing but an unfinished header, so its memory does not depend on its input.
 * @see https://fastcgi-archives.github.io/FastCGI_Specification.html#S3.3
 */

export const recordType = {
  beginRequest: 1,
  abortRequest: 2,
  endRequest: 3,
  params: 4,
  stdin: 5,
  stdout: 6,
  stderr: 7,
  data: 8,
  getValues: 9,
  getValuesResult: 10,
  unknownType: 11,
} as const;

/** The last word of an END_REQUEST: whether the application took the request at all. */
export const protocolStatus = { requestComplete: 0, cannotMultiplex: 1, overloaded: 2, unknownRole: 3 } as const;

/** The only role that web servers use: one request in, one answer out. */
export const responderRole = 1;
/** Flag of BEGIN_REQUEST: the connection stays open after the answer. */
export const keepConnectionFlag = 1;

export const headerBytes = 8;
/** Of one record. */
export const maxContentBytes = 65535;
const version = 1;

/** Who is told what a parser finds. Called synchronously, in the order of the bytes. */
export interface RecordHandler {
  /** Once per record, before its content; a record of length 0 has no more than this. */
  begin(type: number, requestId: number, length: number): void;
  /**
   * A piece of the record's content, never empty; `last` when nothing of the record follows it.
   * Returns how many bytes were taken: fewer than given stops the parser there.
   */
  content(piece: Buffer, last: boolean): number;
}

/** Reads records from bytes that arrive in any pieces: the same bytes give the same records, however they are split. */
export class RecordParser {
  readonly #handler: RecordHandler;
  readonly #header = Buffer.allocUnsafe(headerBytes);
  #headerLength = 0;
  #contentLeft = 0;
  #paddingLeft = 0;
  #broken = false;

  constructor(handler: RecordHandler) {
    this.#handler = handler;
  }

  /** A record of another version was met: the peer does not speak FastCGI, and nothing after it means anything. */
  get broken(): boolean {
    return this.#broken;
  }

  /** The last byte of a record, its padding included, was the last byte that came. */
  get betweenRecords(): boolean {
    return this.#headerLength === 0 && this.#contentLeft === 0 && this.#paddingLeft === 0 && !this.#broken;
  }

  /** Returns how many bytes were used. Fewer than given: the handler took no more, or the stream is broken. */
  push(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length && !this.#broken) {
      if (this.#contentLeft > 0) {
        const offered = Math.min(chunk.length - at, this.#contentLeft);
        const piece = offered === chunk.length ? chunk : chunk.subarray(at, at + offered);
        const taken = this.#handler.content(piece, offered === this.#contentLeft);
        this.#contentLeft -= taken;
        at += taken;
        if (taken < offered) return at;
      } else if (this.#paddingLeft > 0) {
        const skipped = Math.min(chunk.length - at, this.#paddingLeft);
        this.#paddingLeft -= skipped;
        at += skipped;
      } else {
        at = this.#readHeader(chunk, at);
      }
    }
    return at;
  }

  #readHeader(chunk: Buffer, at: number): number {
    if (this.#headerLength === 0 && chunk.length - at >= headerBytes) {
      this.#startRecord(chunk, at);
      return at + headerBytes;
    }
    const copied = chunk.copy(this.#header, this.#headerLength, at, at + headerBytes - this.#headerLength);
    this.#headerLength += copied;
    // One byte is enough to know a stranger: waiting for eight would turn a short junk answer into a timeout.
    if (this.#header[0] !== version) this.#broken = true;
    else if (this.#headerLength === headerBytes) {
      this.#headerLength = 0;
      this.#startRecord(this.#header, 0);
    }
    return at + copied;
  }

  #startRecord(bytes: Buffer, at: number): void {
    if (bytes[at] !== version) {
      this.#broken = true;
      return;
    }
    this.#contentLeft = (bytes[at + 4]! << 8) | bytes[at + 5]!;
    this.#paddingLeft = bytes[at + 6]!;
    this.#handler.begin(bytes[at + 1]!, (bytes[at + 2]! << 8) | bytes[at + 3]!, this.#contentLeft);
  }
}

/** Where a record is to be sent: a socket, or a list in a test. Returns false when the receiver is full. */
export type WriteBytes = (bytes: Buffer) => boolean;

/**
 * Sends `content` as records of one type, without copying it; empty content sends nothing (an empty record would end
 * the stream). Returns the last word of `write`.
 */
export function writeContent(write: WriteBytes, stream: { readonly type: number; readonly requestId: number }, content: Buffer): boolean {
  let ready = true;
  for (let at = 0; at < content.length; at += maxContentBytes) {
    const part = content.length <= maxContentBytes ? content : content.subarray(at, at + maxContentBytes);
    write(encodeHeader(stream.type, stream.requestId, part.length));
    ready = write(part);
  }
  return ready;
}

/** The record that ends a stream of its type. */
export function encodeStreamEnd(type: number, requestId: number): Buffer {
  return encodeHeader(type, requestId, 0);
}

/** A whole record in one buffer, for the small ones of the management kind. Content of at most 65535 bytes. */
export function encodeRecord(type: number, requestId: number, content: Buffer): Buffer {
  return Buffer.concat([encodeHeader(type, requestId, content.length), content]);
}

/** What the first records of a request say. */
export interface RequestStart {
  readonly requestId: number;
  readonly role: number;
  /** Name-value pairs without record headers. */
  readonly params: Buffer;
  readonly hasBody: boolean;
  /** Ask the backend to leave the connection open after its answer. */
  readonly keepConnection: boolean;
}

/**
 * Everything of a request before its body, in one buffer: BEGIN_REQUEST, all PARAMS, their closing record, and for a
 * request without a body the closing STDIN as well.
 */
export function encodeRequestStart({ requestId, role, params, hasBody, keepConnection }: RequestStart): Buffer {
  const paramRecords = Math.ceil(params.length / maxContentBytes);
  const bytes = Buffer.allocUnsafe(headerBytes * (3 + paramRecords + (hasBody ? 0 : 1)) + params.length);
  let at = putHeader(bytes, 0, recordType.beginRequest, requestId, 8);
  bytes.fill(0, at, at + 8);
  bytes.writeUInt16BE(role, at);
  if (keepConnection) bytes[at + 2] = keepConnectionFlag;
  at += 8;
  for (let from = 0; from < params.length; from += maxContentBytes) {
    const to = Math.min(params.length, from + maxContentBytes);
    at = putHeader(bytes, at, recordType.params, requestId, to - from);
    at += params.copy(bytes, at, from, to);
  }
  at = putHeader(bytes, at, recordType.params, requestId, 0);
  if (!hasBody) putHeader(bytes, at, recordType.stdin, requestId, 0);
  return bytes;
}

/** An END_REQUEST with application status 0. `status` is one of {@link protocolStatus}. */
export function encodeEndRequest(requestId: number, status: number): Buffer {
  const bytes = Buffer.alloc(headerBytes + 8);
  putHeader(bytes, 0, recordType.endRequest, requestId, 8);
  bytes[headerBytes + 4] = status;
  return bytes;
}

/**
 * A whole answer in one buffer: its head and body as STDOUT, the end of STDOUT, END_REQUEST. `head` is Latin-1 text;
 * both together have at most {@link maxContentBytes}.
 */
export function encodeSmallAnswer(requestId: number, head: string, body: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(4 * headerBytes + head.length + body.length);
  let at = putHeader(bytes, 0, recordType.stdout, requestId, head.length + body.length);
  at += bytes.write(head, at, 'latin1');
  at += body.copy(bytes, at);
  at = putHeader(bytes, at, recordType.stdout, requestId, 0);
  at = putHeader(bytes, at, recordType.endRequest, requestId, 8);
  bytes.fill(0, at);
  return bytes;
}

function encodeHeader(type: number, requestId: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(headerBytes);
  putHeader(bytes, 0, type, requestId, length);
  return bytes;
}

// Five plain numbers instead of an object: it runs once for every record that passes.
function putHeader(bytes: Buffer, at: number, type: number, requestId: number, length: number): number {
  bytes[at] = version;
  bytes[at + 1] = type;
  bytes[at + 2] = requestId >> 8;
  bytes[at + 3] = requestId & 255;
  bytes[at + 4] = length >> 8;
  bytes[at + 5] = length & 255;
  bytes[at + 6] = 0;
  bytes[at + 7] = 0;
  return at + headerBytes;
}
