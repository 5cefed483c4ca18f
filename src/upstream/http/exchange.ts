/**
 * One request and its answer on one fresh connection. Everything that can happen arrives here as an event, and ends in
 * exactly one result; afterwards a cut shows as the body's error. The connection is never used twice.
 */
import { Readable } from 'node:stream';
import type { Address, AttemptPhase, UpstreamFailure } from '../../core/failure.ts';
import { badAnswer, bodyCut, headCut, headTimeout, idleTimeout, internalFailure, requestBroken, terminatedBeforeHead, writeTimeout, type Progress } from '../classify-failure.ts';
import type { BackendSocket } from '../connect.ts';
import { UpstreamFailureError, type AttemptOptions, type AttemptResult, type UpstreamRequest } from '../exchange.ts';
import { bodyFraming, isFault, type BodyFraming } from './body-framing.ts';
import { wantsTls } from './foreign-answer.ts';
import { HeadReader } from './head-reader.ts';
import { requestHead } from './request-head.ts';
import { responseBody } from './response-body.ts';
import { forListener, type AnswerFault, type ParsedHead } from './response-head.ts';
import { sendBody, type BrokenBody, type Sending } from './send-body.ts';

/** What one exchange works with. The socket is connected and nobody else reads it. */
export interface ExchangeParts {
  readonly request: UpstreamRequest;
  readonly target: Address;
  readonly options: AttemptOptions;
  readonly socket: BackendSocket;
}

/** Sends the request and settles at the final head, at the failure, or when the client has gone. Never rejects. */
export function exchange(parts: ExchangeParts): Promise<AttemptResult> {
  return new Promise((settle) => new Exchange(parts, settle).start());
}

/** After a complete answer the backend may close first for so long: whoever closes first keeps the port in TIME_WAIT. */
const lingerMs = 1000;

/** `wait_head`: nothing final yet. `body`: the head was handed on. `over`: nothing is left to report. */
type Stage = 'wait_head' | 'body' | 'over';

class Exchange {
  readonly #parts: ExchangeParts;
  readonly #socket: BackendSocket;
  readonly #settle: (result: AttemptResult) => void;
  readonly #heads = new HeadReader();
  #stage: Stage = 'wait_head';
  #sending: Sending | undefined;
  #blocked = false;
  #sendPhase: AttemptPhase = 'await_head';
  #body: Readable | undefined;
  #framing: BodyFraming | undefined;
  #timer: NodeJS.Timeout;

  constructor(parts: ExchangeParts, settle: (result: AttemptResult) => void) {
    this.#parts = parts;
    this.#socket = parts.socket;
    this.#settle = settle;
    this.#timer = setTimeout(this.#onTimer, parts.options.responseTimeoutMs);
  }

  start(): void {
    const { request, target } = this.#parts;
    const socket = this.#socket;
    socket.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onEnd).on('writeFailed', this.#stopSending);
    request.clientGone.addEventListener('abort', this.#onClientGone);
    if (request.clientGone.aborted) return this.#onClientGone();
    socket.cork(); // the head and what there is of the body leave in one segment
    socket.write(requestHead(request, target), 'latin1');
    if (request.body.length === 0) return socket.uncork();
    this.#sendPhase = 'send';
    this.#sending = sendBody(request.body, socket, {
      progressed: () => this.#onSent('send'),
      blocked: () => this.#arm(this.#parts.options.idleTimeoutMs, true),
      sent: () => this.#onSent('await_head'),
      broken: (why) => this.#onBodyBroken(why),
    });
    setImmediate(() => socket.uncork());
  }

  // ---- the request goes out

  #onSent(phase: 'send' | 'await_head'): void {
    this.#sendPhase = phase;
    if (phase === 'await_head') this.#sending = undefined;
    this.#arm(this.#parts.options.responseTimeoutMs, false);
  }

  #onBodyBroken(why: BrokenBody): void {
    this.#sending = undefined;
    if (why.kind === 'client_gone') return this.#onClientGone();
    const progress = this.#progress('send');
    this.#fail(why.kind === 'wrong_length' ? requestBroken(progress, why.detail) : internalFailure(progress, `the kept request body cannot be read: ${why.error.message}`, why.error));
  }

  /** Also after a failed write: the backend takes nothing more, but its answer may be waiting all the same. */
  readonly #stopSending = (): void => {
    this.#sending?.stop();
    this.#sending = undefined;
  };

  // ---- the answer comes in

  readonly #onData = (bytes: Buffer): void => {
    if (this.#stage === 'wait_head') this.#takeHead(bytes);
    else if (this.#stage === 'body') this.#takeBody(bytes);
    else this.#socket.destroy(); // bytes after the end of the answer belong to nobody
  };

  #takeHead(bytes: Buffer): void {
    this.#heads.append(bytes);
    while (this.#stage === 'wait_head') {
      const result = this.#heads.next();
      if (result.kind === 'incomplete') return;
      if (result.kind === 'fault') return this.#refuse(result.fault);
      if (result.status >= 200 || result.status === 101) return this.#final(result, this.#heads.rest);
      if (result.status !== 100) this.#parts.options.interim?.onInformation?.(result.status, result.rawHeaders);
    }
  }

  #final(head: ParsedHead, rest: Buffer): void {
    if (head.status === 101) return this.#switchProtocols(head, rest);
    if (wantsTls(head.status, rest)) return this.#refuse({ kind: 'http_protocol_error', says: 'is an HTTPS port: it answers that plain HTTP was sent to it' });
    this.#stage = 'body';
    this.#framing = bodyFraming(this.#parts.request.method, head);
    this.#body = responseBody(
      () => this.#onWanted(),
      () => this.#onUnwanted(),
    );
    // An early refusal (413, 401, a redirect) ends the upload; an early 2xx may want the rest of it.
    if (head.status >= 300) this.#stopSending();
    this.#setTimer(this.#parts.options.idleTimeoutMs);
    this.#settle({ kind: 'response', head: forListener(head), body: this.#body, bytesWritten: this.#socket.bytesWritten });
    if (this.#framing === undefined) this.#complete();
    else if (rest.length > 0) this.#takeBody(rest);
  }

  #onWanted(): void {
    if (!this.#socket.isPaused()) return;
    this.#timer.refresh(); // silence counts from here: until now it was ours
    this.#socket.resume();
  }

  #onUnwanted(): void {
    if (this.#stage === 'body') this.#close();
  }

  #takeBody(bytes: Buffer): void {
    const content = this.#framing!.decode(bytes);
    if (isFault(content)) return this.#refuse(content);
    this.#timer.refresh();
    if (content.length > 0 && !this.#body!.push(content)) this.#socket.pause();
    if (this.#framing!.complete) this.#complete();
  }

  #switchProtocols(head: ParsedHead, rest: Buffer): void {
    const { request } = this.#parts;
    if (request.wire.protocol !== 'http' || !request.wire.upgrade) return this.#refuse({ kind: 'http_protocol_error', says: 'switched protocols (101) though nobody asked for it' });
    if (!head.rawHeaders.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'upgrade'))
      return this.#refuse({ kind: 'http_upgrade_failed', says: 'switched protocols (101) without saying to which' });
    this.#release();
    const socket = this.#socket;
    socket.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onEnd).pause();
    if (rest.length > 0) socket.unshift(rest);
    this.#settle({ kind: 'response', head: forListener(head), body: Readable.from([]), tunnel: socket, bytesWritten: socket.bytesWritten });
  }

  // ---- the ends

  readonly #onEnd = (): void => this.#onClosed(this.#socket.writeError, this.#socket.writeError?.code === 'ECONNRESET');
  readonly #onError = (error: NodeJS.ErrnoException): void => this.#onClosed(error, true);

  /** A reset, also one that a failed write has swallowed, never completes a body that lasts until the close. */
  #onClosed(error: NodeJS.ErrnoException | undefined, reset = false): void {
    if (this.#stage === 'over') return void this.#socket.destroy();
    if (this.#stage === 'body') return this.#framing?.endsAtClose && !reset ? this.#complete() : this.#fail(bodyCut(this.#progress('read_body'), error));
    if (this.#socket.bytesRead === 0) return this.#fail(terminatedBeforeHead(this.#progress(this.#sendPhase), error));
    const fault = this.#heads.faultAtEnd();
    if (fault) return this.#refuse(fault);
    this.#fail(headCut(this.#progress('read_head'), error));
  }

  readonly #onTimer = (): void => {
    const { options } = this.#parts;
    if (this.#stage === 'over') this.#socket.destroy();
    else if (this.#stage === 'wait_head') this.#fail(this.#lateHead());
    else if (this.#socket.isPaused())
      this.#timer.refresh(); // our reader is slow, not the backend
    else this.#fail(idleTimeout(this.#progress('read_body'), options.idleTimeoutMs));
  };

  #lateHead(): UpstreamFailure {
    const { options } = this.#parts;
    if (this.#blocked) return writeTimeout(this.#progress('send'), options.idleTimeoutMs);
    if (this.#sending) return requestBroken(this.#progress('send'), `the client sent no more of its body for ${options.responseTimeoutMs} ms`);
    return headTimeout(this.#progress(this.#socket.bytesRead > 0 ? 'read_head' : 'await_head'), options.responseTimeoutMs);
  }

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

  #complete(): void {
    this.#release();
    this.#body!.push(null);
    this.#setTimer(lingerMs);
    this.#timer.unref();
    this.#socket.once('close', () => clearTimeout(this.#timer));
    this.#socket.resume();
  }

  #close(): void {
    this.#release();
    this.#socket.destroy();
  }

  #release(): void {
    this.#stage = 'over';
    clearTimeout(this.#timer);
    this.#stopSending();
    this.#parts.request.clientGone.removeEventListener('abort', this.#onClientGone);
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
    return { target: this.#parts.target, phase, bytesWritten: this.#socket.bytesWritten, bytesRead: this.#socket.bytesRead };
  }
}
