/**
 * One request and its answer on one connection. Everything that can happen arrives here as an event, and ends in exactly
 * one result; afterwards a cut shows as the body's error. The connection may serve again only when request and answer
 * were both complete and not one byte more came.
 */
import { Readable } from 'node:stream';
import type { Address, AttemptPhase, UpstreamFailure } from '../../core/failure.ts';
import { badAnswer, bodyCut, endedUnanswered, headCut, idleTimeout, type Progress } from '../classify-failure.ts';
import type { BackendSocket } from '../connect.ts';
import type { Lease } from '../connection-pool.ts';
import { UpstreamFailureError, type AttemptOptions, type AttemptResult, type RequestWire, type UpstreamRequest } from '../exchange.ts';
import { bodyFraming, isFault, mayBringBody, type BodyFraming } from './body-framing.ts';
import { bodyFailure, lateHead } from './exchange-failures.ts';
import { wantsTls } from './foreign-answer.ts';
import { HeadReader } from './head-reader.ts';
import { letBackendClose } from './let-backend-close.ts';
import { requestHead } from './request-head.ts';
import { AnswerBody, type BodySource } from './response-body.ts';
import { faultOfSwitch, forListener, type AnswerFault, type ParsedHead } from './response-head.ts';
import type { BrokenBody } from './send-body.ts';
import { Upload, type UploadEvents } from './upload.ts';

/** What one exchange works with. The socket is connected and nobody else reads it. */
export interface ExchangeParts {
  readonly request: UpstreamRequest;
  readonly wire: Extract<RequestWire, { protocol: 'http' }>;
  readonly target: Address;
  readonly options: AttemptOptions;
  readonly socket: BackendSocket;
  readonly lease: Lease | undefined;
}

/** Sends the request and settles at the final head, at the failure, or when the client has gone. Never rejects. */
export function exchange(parts: ExchangeParts): Promise<AttemptResult> {
  return new Promise((settle) => new Exchange(parts, settle).start());
}

/** `wait_head`: nothing final yet. `body`: the head was handed on. `over`: nothing is left to report. */
type Stage = 'wait_head' | 'body' | 'over';

class Exchange implements BodySource, UploadEvents {
  readonly #parts: ExchangeParts;
  readonly #socket: BackendSocket;
  readonly #settle: (result: AttemptResult) => void;
  readonly #heads = new HeadReader();
  readonly #writtenBefore: number;
  #bytesRead = 0;
  #stage: Stage = 'wait_head';
  readonly #upload: Upload;
  #blocked = false;
  #head: ParsedHead | undefined;
  #body: AnswerBody | undefined;
  #framing: BodyFraming | undefined;
  #timer: NodeJS.Timeout;

  constructor(parts: ExchangeParts, settle: (result: AttemptResult) => void) {
    this.#parts = parts;
    this.#socket = parts.socket;
    this.#settle = settle;
    this.#upload = new Upload(parts.request.body, parts.socket, this);
    this.#writtenBefore = parts.lease?.socket ? parts.socket.bytesWritten : 0;
    this.#timer = setTimeout(this.#onTimer, parts.options.responseTimeoutMs);
  }

  start(): void {
    const { request, wire, target, lease } = this.#parts;
    const socket = this.#socket;
    socket.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onEnd).on('writeFailed', this.#upload.stop);
    request.clientGone.addEventListener('abort', this.#onClientGone);
    if (request.clientGone.aborted) return this.#onClientGone();
    const head = requestHead(request, wire, { target, keep: lease?.mayKeep === true && !wire.upgrade });
    if (this.#upload.complete) return void socket.write(head, 'latin1');
    socket.cork(); // the head and what there is of the body leave in one segment
    socket.write(head, 'latin1');
    if (wire.expectsContinue === true) this.#upload.waitForContinue();
    else this.#upload.begin();
    setImmediate(() => socket.uncork());
  }

  // ---- the request goes out

  onTaken(): void {
    this.#arm(this.#parts.options.responseTimeoutMs, false);
  }

  onBlocked(): void {
    this.#arm(this.#parts.options.idleTimeoutMs, true);
  }

  onBodyBroken(why: BrokenBody): void {
    if (why.kind === 'client_gone') return this.#onClientGone();
    this.#fail(bodyFailure(this.#progress('send'), why));
  }

  // ---- the answer comes in

  readonly #onData = (bytes: Buffer): void => {
    this.#bytesRead += bytes.length;
    if (this.#stage === 'wait_head') this.#takeHead(bytes);
    else this.#takeBody(bytes);
  };

  #takeHead(bytes: Buffer): void {
    this.#heads.append(bytes);
    while (this.#stage === 'wait_head') {
      const result = this.#heads.next();
      if (result.kind === 'incomplete') return;
      if (result.kind === 'fault') return this.#refuse(result.fault);
      if (result.status >= 200 || result.status === 101) return this.#final(result, this.#heads.rest);
      if (result.status === 100) this.#upload.onContinue();
      else this.#parts.options.interim?.onInformation?.(result.status, result.rawHeaders);
    }
  }

  #final(head: ParsedHead, rest: Buffer): void {
    if (head.status === 101) return this.#switchProtocols(head, rest);
    if (wantsTls(head.status, rest)) return this.#refuse({ kind: 'http_protocol_error', says: 'is an HTTPS port: it answers that plain HTTP was sent to it' });
    this.#stage = 'body';
    this.#head = head;
    this.#framing = bodyFraming(this.#parts.request.method, head);
    this.#body = new AnswerBody(this);
    // An early refusal (413, 401, a redirect) ends the upload, and so does an answer to one that was not begun; an early 2xx may want the rest.
    if (head.status >= 300 || this.#upload.withheld) this.#upload.stop();
    this.#settle({ kind: 'response', head: forListener(head), body: this.#body, bytesWritten: this.#socket.bytesWritten - this.#writtenBefore });
    if (this.#framing === undefined) return this.#complete(rest.length > 0);
    if (rest.length > 0) this.#takeBody(rest);
    if (this.#stage === 'body') this.#setTimer(this.#parts.options.idleTimeoutMs);
  }

  wanted(): void {
    if (!this.#socket.isPaused() || this.#stage !== 'body') return;
    this.#timer.refresh(); // silence counts from here: until now it was ours
    this.#socket.resume();
  }

  unwanted(): void {
    if (this.#stage === 'body') this.#close();
  }

  #takeBody(bytes: Buffer): void {
    const framing = this.#framing!;
    const content = framing.decode(bytes);
    if (isFault(content)) return this.#refuse(content);
    this.#timer.refresh();
    if (content.length > 0 && !this.#body!.push(content) && !framing.complete) this.#socket.pause();
    // whoever reads what was just pushed may have given the answer up
    if (framing.complete && this.#stage === 'body') this.#complete(framing.surplus);
  }

  #switchProtocols(head: ParsedHead, rest: Buffer): void {
    const fault = faultOfSwitch(head, this.#parts.wire.upgrade);
    if (fault) return this.#refuse(fault);
    this.#release();
    this.#parts.lease?.drop();
    const socket = this.#leaveSocket().pause();
    if (rest.length > 0) socket.unshift(rest);
    this.#settle({ kind: 'response', head: forListener(head), body: Readable.from([]), tunnel: socket, bytesWritten: socket.bytesWritten });
  }

  // ---- the ends

  readonly #onEnd = (): void => this.#onClosed(this.#socket.writeError, this.#socket.writeError?.code === 'ECONNRESET');
  readonly #onError = (error: NodeJS.ErrnoException): void => this.#onClosed(error, true);

  /** A reset, also one that a failed write has swallowed, never completes a body that lasts until the close. */
  #onClosed(error: NodeJS.ErrnoException | undefined, reset = false): void {
    if (this.#stage === 'over') return;
    if (this.#stage === 'body') return this.#framing?.endsAtClose && !reset ? this.#complete(true) : this.#fail(bodyCut(this.#progress('read_body'), error));
    if (this.#bytesRead === 0) return this.#fail(endedUnanswered(this.#progress(this.#upload.phase), error, this.#parts.lease?.socket !== undefined));
    const fault = this.#heads.faultAtEnd();
    if (fault) return this.#refuse(fault);
    this.#fail(headCut(this.#progress('read_head'), error));
  }

  readonly #onTimer = (): void => {
    const { options } = this.#parts;
    if (this.#stage === 'wait_head') this.#fail(lateHead(this.#progress(this.#bytesRead > 0 ? 'read_head' : 'await_head'), options, { blocked: this.#blocked, uploading: this.#upload.active }));
    else if (this.#socket.isPaused())
      this.#timer.refresh(); // our reader is slow, not the backend: nginx takes nothing until its client has taken a gigabyte
    else this.#fail(idleTimeout(this.#progress('read_body'), options.idleTimeoutMs));
  };

  readonly #onClientGone = (): void => {
    if (this.#stage === 'wait_head') this.#settle({ kind: 'client_gone' });
    this.#close();
    this.#body?.destroy();
  };

  #refuse(fault: AnswerFault): void {
    this.#fail(badAnswer(this.#progress(this.#stage === 'body' ? 'read_body' : 'read_head'), fault.kind, fault.says));
  }

  #fail(failure: UpstreamFailure): void {
    const body = this.#body;
    this.#close();
    if (!body) return this.#settle({ kind: 'failure', failure });
    // Not in this tick: whoever awaits the head has not yet had the time to listen.
    setImmediate(() => body.destroy(new UpstreamFailureError(failure)));
  }

  /** `surplus`: the connection gave more than the answer, or has ended: it will not serve again. */
  #complete(surplus: boolean): void {
    const { lease } = this.#parts;
    const body = this.#body!;
    const keeps = !surplus && !mayBringBody(this.#framing, this.#head!) && this.#upload.complete && this.#head!.keepsOpen && lease?.mayKeep === true && this.#socket.writeError === undefined;
    this.#release();
    if (this.#framing) body.trailers = this.#framing.trailers;
    body.push(null);
    this.#leaveSocket();
    if (keeps) return lease.keep(this.#socket);
    lease?.drop();
    letBackendClose(this.#socket);
  }

  #close(): void {
    this.#release();
    this.#parts.lease?.drop();
    this.#socket.destroy();
  }

  #release(): void {
    this.#stage = 'over';
    clearTimeout(this.#timer);
    this.#upload.stop();
    this.#parts.request.clientGone.removeEventListener('abort', this.#onClientGone);
  }

  /** An `error` listener stays: {@link connectTo}'s. */
  #leaveSocket(): BackendSocket {
    return this.#socket.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onEnd).off('writeFailed', this.#upload.stop);
  }

  /** Starts the clock of the request again; once the head is here, silence is measured by reading alone. */
  #arm(ms: number, blocked: boolean): void {
    if (this.#stage !== 'wait_head') return;
    if (blocked === this.#blocked) return void this.#timer.refresh();
    this.#blocked = blocked;
    this.#setTimer(ms);
  }

  #setTimer(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onTimer, ms);
  }

  #progress(phase: AttemptPhase): Progress {
    return { target: this.#parts.target, phase, bytesWritten: this.#socket.bytesWritten - this.#writtenBefore, bytesRead: this.#bytesRead };
  }
}
