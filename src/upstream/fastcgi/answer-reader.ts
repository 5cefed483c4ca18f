/** The receiving half of a FastCGI exchange: records in; head, body, STDERR and the word of END_REQUEST out. */
import type { FailureKind } from '../../core/failure.ts';
import type { ResponseHead } from '../exchange.ts';
import { describeStranger } from './describe-stranger.ts';
import { CgiHeadReader } from './head.ts';
import { RecordParser, recordType } from './record.ts';

/** What an answer consists of, told synchronously in the order of its bytes. */
export interface AnswerEvents {
  onHead(head: ResponseHead): void;
  /** Never empty, never before the head. A view into the chunk that was pushed. */
  onBody(piece: Buffer): void;
  onStderr(text: Buffer): void;
  /** END_REQUEST came; `status` is one of `protocolStatus`. */
  onEnding(status: number): void;
  /** Nothing that follows can be used. `says` is the end of a sentence about the backend. */
  onUnusable(kind: FailureKind, says: string): void;
}

const endRequestBytes = 8;
/** Where the protocol status stands in it; the four bytes before are the application's own. */
const statusAt = 4;

/** Reads the answer to one request of one connection, and nothing that belongs to another. */
export class AnswerReader {
  readonly #requestId: number;
  readonly #events: AnswerEvents;
  readonly #parser = new RecordParser(this);
  #head: CgiHeadReader | undefined = new CgiHeadReader();
  #recordType = 0;
  #endingBytes = 0;
  #status = 0;
  #state: 'reading' | 'ended' | 'unusable' = 'reading';
  #bytesRead = 0;

  constructor(requestId: number, events: AnswerEvents) {
    this.#requestId = requestId;
    this.#events = events;
  }

  /** Bytes that came, whatever they mean. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** END_REQUEST came, and not a byte after it: the connection is where a new one would be. */
  get endedCleanly(): boolean {
    return this.#state === 'ended' && this.#parser.betweenRecords;
  }

  push(chunk: Buffer): void {
    const first = this.#bytesRead === 0;
    this.#bytesRead += chunk.length;
    this.#parser.push(chunk);
    if (this.#parser.broken) this.#unusable('http_protocol_error', first ? describeStranger(chunk) : 'sent a record of an unknown version');
  }

  /** Called by the parser. */
  begin(type: number, id: number, length: number): void {
    this.#recordType = type;
    if (this.#state === 'ended') this.#state = 'unusable'; // the answer is complete, the connection is of no more use
    if (this.#state === 'unusable' || id === 0) return; // management records say nothing about this request
    if (id !== this.#requestId) return this.#unusable('http_protocol_error', `answered request ${id} where only request ${this.#requestId} was asked`);
    const known = type === recordType.stdout || type === recordType.stderr || (type === recordType.endRequest && length >= endRequestBytes);
    if (!known) this.#unusable('http_protocol_error', `sent a record of type ${type} and length ${length}, which no answer contains`);
  }

  /** Called by the parser. */
  content(piece: Buffer, last: boolean): number {
    if (this.#state !== 'reading') return piece.length;
    if (this.#recordType === recordType.stdout) this.#readStdout(piece);
    else if (this.#recordType === recordType.stderr) this.#events.onStderr(piece);
    else if (this.#recordType === recordType.endRequest) this.#readEnding(piece, last);
    return piece.length;
  }

  #readStdout(piece: Buffer): void {
    if (!this.#head) return this.#events.onBody(piece);
    const found = this.#head.push(piece);
    if (found.kind === 'incomplete') return;
    if (found.kind === 'invalid') return this.#unusable(found.failure, `sent an answer that cannot be used: ${found.detail}`);
    this.#head = undefined;
    this.#events.onHead(found.head);
    if (found.rest.length > 0) this.#events.onBody(found.rest);
  }

  #readEnding(piece: Buffer, last: boolean): void {
    const at = statusAt - this.#endingBytes;
    if (at >= 0 && at < piece.length) this.#status = piece[at]!;
    this.#endingBytes += piece.length;
    if (!last) return;
    this.#state = 'ended';
    this.#events.onEnding(this.#status);
  }

  #unusable(kind: FailureKind, says: string): void {
    if (this.#state === 'reading') this.#events.onUnusable(kind, says);
    this.#state = 'unusable';
  }
}
