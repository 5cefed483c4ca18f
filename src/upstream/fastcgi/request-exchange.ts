/**
 * One request and its answer on one connection, new or kept. The answer is complete only when END_REQUEST says so;
 * everything else becomes a failure with its name.
 */
import { Readable } from 'node:stream';
import type { Address, FailureKind, UpstreamFailure } from '../../core/failure.ts';
import { badAnswer, bodyCut, endedUnanswered, headCut, headTimeout, idleTimeout, requestBroken, writeTimeout, type Progress } from '../classify-failure.ts';
import type { BackendSocket } from '../connect.ts';
import type { Lease } from '../connection-pool.ts';
import { UpstreamFailureError, type AttemptOptions, type AttemptResult, type ResponseHead, type UpstreamRequest } from '../exchange.ts';
import { AnswerReader } from './answer-reader.ts';
import { failureOfEnding } from './failure-of-ending.ts';
import { protocolStatus } from './record.ts';
import { RequestSender, type RequestToSend } from './send-request.ts';
import { wholeBody } from './whole-body.ts';

/** What is to be done, for whom, and who hears of it. */
export interface Order {
  readonly request: UpstreamRequest;
  readonly target: Address;
  readonly options: AttemptOptions;
  readonly settle: (result: AttemptResult) => void;
}

/** STDERR that is quoted when there is no answer: enough for PHP's first line, and bounded. */
const keptStderrBytes = 200;
/** Requests of one connection have different numbers: what comes too late for one is not taken for the next one's. */
const mostRequestIds = 255;

/** Ends by `settle`, and by the end of the body that it handed over. */
export class RequestExchange {
  readonly #order: Order;
  readonly #socket: BackendSocket;
  readonly #lease: Lease | undefined;
  readonly #sender: RequestSender;
  readonly #reader: AnswerReader;
  readonly #requestId: number;
  #timer: NodeJS.Timeout | undefined;
  #over = false;
  #head: ResponseHead | undefined;
  #body: Readable | undefined;
  /** What came of the body together with the head, at most one chunk. */
  #early: Buffer[] = [];
  #bodyBytes = 0;
  #stderr = '';

  constructor(order: Order, { socket, lease }: { readonly socket: BackendSocket; readonly lease: Lease | undefined }) {
    this.#order = order;
    this.#socket = socket;
    this.#lease = lease;
    this.#requestId = 1 + (socket.exchanges++ % mostRequestIds);
    this.#sender = new RequestSender(socket, this.#onSent);
    this.#reader = new AnswerReader(this.#requestId, this);
  }

  start(sending: Omit<RequestToSend, 'requestId' | 'keepConnection'>): void {
    const { clientGone } = this.#order.request;
    clientGone.addEventListener('abort', this.#onClientGone);
    this.#timer = setTimeout(this.#onTimeout, this.#order.options.responseTimeoutMs);
    this.#socket.on('error', this.#onEnd).on('end', this.#onEnd).on('close', this.#onEnd).on('data', this.#onData);
    this.#sender.start({ ...sending, requestId: this.#requestId, keepConnection: this.#lease?.mayKeep ?? false });
    if (clientGone.aborted) this.#onClientGone();
  }

  onHead(head: ResponseHead): void {
    this.#head = head;
  }

  onBody(piece: Buffer): void {
    if (this.#over) return;
    this.#bodyBytes += piece.length;
    if (this.#body) this.#pass(this.#body, piece);
    else this.#early.push(piece);
  }

  onStderr(text: Buffer): void {
    if (this.#over) return;
    if (this.#stderr.length < keptStderrBytes) this.#stderr += text.toString('latin1', 0, keptStderrBytes - this.#stderr.length);
    this.#order.options.interim?.onStderr?.(text);
  }

  onUnusable(kind: FailureKind, says: string): void {
    this.#fail(badAnswer(this.#progress(), kind, says));
  }

  onEnding(status: number): void {
    if (this.#over) return;
    if (this.#head && status === protocolStatus.requestComplete) this.#complete(this.#head);
    else this.#fail(this.#withStderr(failureOfEnding(status, this.#progress())));
  }

  /** END_REQUEST is the backend's word that all was said; a Content-Length that was not reached contradicts it. */
  #complete(head: ResponseHead): void {
    const { status, contentLength } = head;
    const hasBody = this.#order.request.method !== 'HEAD' && status !== 204 && status !== 304;
    if (hasBody && contentLength !== undefined && this.#bodyBytes < contentLength) return this.#fail(bodyCut(this.#progress()));
    this.#stop();
    if (this.#body) return void this.#body.push(null);
    const whole = this.#early.length === 1 ? this.#early[0]! : Buffer.concat(this.#early);
    this.#order.settle({ kind: 'response', head, body: wholeBody(whole), whole, bytesWritten: this.#sender.bytesTaken });
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#over) return;
    this.#reader.push(chunk);
    if (this.#over) return this.#letGo();
    // A head that drips in, or STDERR that never ends, gets no more time than one that stays away.
    if (!this.#head) return;
    if (!this.#body) this.#openAnswer(this.#head);
    this.#waitInAnswer();
  };

  /** The answer goes to who asked, with what came of its body; the rest follows. */
  #openAnswer(head: ResponseHead): Readable {
    const body = new Readable({ highWaterMark: 64 * 1024, read: this.#resume, destroy: (error, done) => this.#onBodyDestroyed(error, done) });
    body.on('error', () => {}); // its reader listens too, but may come a moment later
    this.#body = body;
    this.#order.settle({ kind: 'response', head, body, bytesWritten: this.#sender.bytesTaken });
    for (const piece of this.#early) this.#pass(body, piece);
    this.#early = [];
    return body;
  }

  #pass(body: Readable, piece: Buffer): void {
    if (body.push(piece)) return;
    this.#socket.pause();
    clearTimeout(this.#timer);
  }

  readonly #resume = (): void => {
    if (this.#over || !this.#socket.isPaused()) return;
    this.#socket.resume();
    this.#waitInAnswer();
  };

  /** The backend took bytes of the request, or the request broke off. */
  readonly #onSent = (): void => {
    if (this.#over) return;
    const { bodyFailure } = this.#sender;
    if (bodyFailure && !this.#head) return this.#fail(requestBroken(this.#progress(), `the client's body could not be read: ${bodyFailure.message}`));
    if (this.#head) this.#waitInAnswer();
    else this.#timer?.refresh();
  };

  /** After the head the longest silence is another one, and none while the reader is who waits. */
  #waitInAnswer(): void {
    if (this.#socket.isPaused()) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onTimeout, this.#order.options.idleTimeoutMs);
  }

  readonly #onTimeout = (): void => {
    const { responseTimeoutMs, idleTimeoutMs } = this.#order.options;
    const progress = this.#progress();
    if (this.#sender.waitsForClient) this.#fail(requestBroken(progress, 'the client sent no more of its body'));
    else if (this.#head) this.#fail(idleTimeout(progress, idleTimeoutMs));
    else if (!this.#sender.finished) this.#fail(writeTimeout(progress, responseTimeoutMs));
    else this.#fail(headTimeout(progress, responseTimeoutMs));
  };

  /** The connection ended, however: with an answer that END_REQUEST closed, this is not reached. */
  readonly #onEnd = (error?: NodeJS.ErrnoException | boolean): void => {
    if (this.#over) return;
    const errno = typeof error === 'object' ? error : this.#socket.writeError;
    const progress = this.#progress();
    if (this.#head) return this.#fail(bodyCut(progress, errno));
    if (progress.bytesRead > 0) return this.#fail(this.#withStderr(headCut(progress, errno)));
    this.#fail(endedUnanswered(progress, errno, this.#lease?.socket !== undefined));
  };

  readonly #onClientGone = (): void => {
    if (this.#over) return;
    this.#close();
    if (this.#body) this.#body.destroy();
    else this.#order.settle({ kind: 'client_gone' });
  };

  #onBodyDestroyed(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#over) this.#close();
    done(error);
  }

  #fail(failure: UpstreamFailure): void {
    if (this.#over) return;
    this.#close();
    // Without the closing PARAMS record no backend begins, whatever else it got.
    const classified: UpstreamFailure = this.#sender.mayBeExecuted || failure.source !== 'upstream' ? failure : { ...failure, resend: 'always' };
    if (!this.#head) return this.#order.settle({ kind: 'failure', failure: classified });
    const body = this.#body ?? this.#openAnswer(this.#head);
    // Not at once: who was just handed the body gets to listen first.
    setImmediate(() => body.destroy(new UpstreamFailureError(classified)));
  }

  /** The request is over; the connection is not touched. */
  #stop(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#order.request.clientGone.removeEventListener('abort', this.#onClientGone);
    this.#sender.stop();
  }

  #close(): void {
    this.#stop();
    this.#lease?.drop();
    this.#socket.destroy();
  }

  /** After an answer: the connection serves again where nothing of this request, sent or received, can follow on it. */
  #letGo(): void {
    const lease = this.#lease;
    if (!lease?.mayKeep || this.#socket.destroyed || !this.#sender.finished || !this.#reader.endedCleanly) return this.#close();
    this.#socket.off('error', this.#onEnd).off('end', this.#onEnd).off('close', this.#onEnd).off('data', this.#onData);
    lease.keep(this.#socket);
  }

  #withStderr(failure: UpstreamFailure): UpstreamFailure {
    return this.#stderr === '' ? failure : { ...failure, detail: `${failure.detail}; it wrote: ${JSON.stringify(this.#stderr)}` };
  }

  #progress(): Progress {
    const { finished, bytesTaken } = this.#sender;
    const { bytesRead } = this.#reader;
    const phase = this.#head ? 'read_body' : bytesRead > 0 ? 'read_head' : finished ? 'await_head' : 'send';
    return { target: this.#order.target, phase, bytesWritten: bytesTaken, bytesRead };
  }
}
