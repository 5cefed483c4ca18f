/** The sending half of a FastCGI exchange: BEGIN and PARAMS at once, then the body as it comes, never faster than the backend reads. */
import type { Readable } from 'node:stream';
import type { RequestBody } from '../exchange.ts';
import type { BackendSocket } from '../connect.ts';
import { encodeRequestStart, encodeStreamEnd, recordType, writeContent, type RequestStart } from './record.ts';

export interface RequestToSend extends Omit<RequestStart, 'hasBody'> {
  readonly body: RequestBody;
}

/** Sends one request into a connected socket. Keeps at most what the socket itself buffers. */
export class RequestSender {
  readonly #socket: BackendSocket;
  readonly #onProgress: () => void;
  /** What was written on the connection before this request. */
  readonly #writtenBefore: number;
  #requestId = 0;
  #body: Readable | undefined;
  #bodyEnded = false;
  #stopped = false;
  #startTaken = false;
  #finished = false;
  #takenAtWriteError: number | undefined;

  /** `onProgress` is called whenever the backend took bytes, and when the body breaks off. */
  constructor(socket: BackendSocket, onProgress: () => void) {
    this.#socket = socket;
    this.#onProgress = onProgress;
    this.#writtenBefore = socket.bytesWritten;
    socket.on('writeFailed', this.#onWriteFailed);
  }

  /** The closing PARAMS record was handed over: from here on the backend may execute the request. */
  get mayBeExecuted(): boolean {
    return this.#startTaken;
  }

  /** The last byte of the request was handed over. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Nothing of ours waits for the backend: the client has to send more. */
  get waitsForClient(): boolean {
    return this.#body !== undefined && !this.#bodyEnded && this.#socket.writableLength === 0;
  }

  /** The body ended before its end: why, or `undefined`. */
  bodyFailure: Error | undefined;

  /** Request bytes that the kernel has taken. Node's own count includes those that still wait. */
  get bytesTaken(): number {
    return this.#takenAtWriteError ?? this.#socket.bytesWritten - this.#socket.writableLength - this.#writtenBefore;
  }

  start({ body, ...request }: RequestToSend): void {
    this.#requestId = request.requestId;
    const hasBody = body.length !== 0;
    // Its own write, never joined with the body: its callback is what tells unsent from sent.
    this.#socket.write(encodeRequestStart({ ...request, hasBody }), () => {
      if (this.#socket.writeError) return;
      this.#startTaken = true;
      this.#finished = !hasBody;
      this.#onProgress();
    });
    if (hasBody) this.#follow(body.open());
  }

  /** Stops reading the body and leaves it as it is. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#socket.off('drain', this.#resume).off('writeFailed', this.#onWriteFailed);
    this.#body?.off('data', this.#sendPiece).off('end', this.#sendEnd).off('close', this.#breakOff).pause();
  }

  #follow(body: Readable): void {
    this.#body = body;
    this.#socket.on('drain', this.#resume);
    // The error listener stays: a client that leaves later must not hit a stream without one.
    body.on('error', this.#breakOff).on('close', this.#breakOff).on('end', this.#sendEnd).on('data', this.#sendPiece);
  }

  readonly #onWriteFailed = (): void => {
    this.#takenAtWriteError = this.bytesTaken;
    this.stop();
  };

  readonly #sendPiece = (piece: Buffer): void => {
    const socket = this.#socket;
    socket.cork();
    const ready = writeContent((bytes) => socket.write(bytes, this.#onTaken), { type: recordType.stdin, requestId: this.#requestId }, piece);
    socket.uncork();
    if (!ready) this.#body?.pause();
  };

  readonly #onTaken = (): void => {
    if (!this.#stopped) this.#onProgress();
  };

  readonly #resume = (): void => {
    this.#body?.resume();
  };

  readonly #sendEnd = (): void => {
    this.#bodyEnded = true;
    this.#socket.write(encodeStreamEnd(recordType.stdin, this.#requestId), () => {
      if (this.#socket.writeError) return;
      this.#finished = true;
      this.#onProgress();
    });
  };

  readonly #breakOff = (error?: Error): void => {
    if (this.#bodyEnded || this.#stopped) return;
    this.bodyFailure = error ?? new Error('the body ended before its end');
    this.stop();
    this.#onProgress();
  };
}
