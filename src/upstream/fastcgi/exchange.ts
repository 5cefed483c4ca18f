/**
 * One request to a FastCGI backend such as php-fpm, over its own connection: a kept one would pin a worker. The answer
 * is complete only when END_REQUEST says so; everything else becomes a failure with its name.
 */
import { Readable } from 'node:stream';
import type { Address, UpstreamFailure } from '../../core/failure.ts';
import { badAnswer, bodyCut, headCut, headTimeout, idleTimeout, internalFailure, notTaken, requestBroken, terminatedBeforeHead, writeTimeout, type Progress } from '../classify-failure.ts';
import { connectTo, type BackendSocket } from '../connect.ts';
import { UpstreamFailureError, type AttemptOptions, type AttemptResult, type ResponseHead, type UpstreamProtocol, type UpstreamRequest } from '../exchange.ts';
import { describeStranger } from './describe-stranger.ts';
import { CgiHeadReader } from './head.ts';
import { withoutParam } from './params.ts';
import { protocolStatus, RecordParser, recordType } from './record.ts';
import { requestId, RequestSender } from './send-request.ts';

/** FastCGI, the Responder role. A request that came over HTTP is an internal failure: no params can be made of it here. */
export const fastcgi: UpstreamProtocol = {
  name: 'fastcgi',
  async attempt(request, target, options) {
    const { wire, clientGone } = request;
    if (wire.protocol !== 'fastcgi') {
      const untouched: Progress = { target, phase: 'connect', bytesWritten: 0, bytesRead: 0 };
      return { kind: 'failure', failure: internalFailure(untouched, 'a request that came over HTTP cannot be sent over FastCGI') };
    }
    const connected = await connectTo(target, { timeoutMs: options.connectTimeoutMs, signal: clientGone });
    if (connected.kind !== 'connected') return connected;
    // A header named Proxy would become the variable HTTP_PROXY, which many programs obey (httpoxy).
    const params = withoutParam(wire.params, 'HTTP_PROXY');
    return new Promise((settle) => {
      new Exchange({ request, target, options, settle }, connected.socket).start(params, wire.role);
    });
  },
};

interface Order {
  readonly request: UpstreamRequest;
  readonly target: Address;
  readonly options: AttemptOptions;
  readonly settle: (result: AttemptResult) => void;
}

/** STDERR that is quoted when there is no answer: enough for PHP's first line, and bounded. */
const keptStderrBytes = 200;

class Exchange {
  readonly #order: Order;
  readonly #socket: BackendSocket;
  readonly #sender: RequestSender;
  readonly #parser = new RecordParser(this);
  #timer: NodeJS.Timeout | undefined;
  #over = false;
  #bytesRead = 0;
  #recordType = 0;
  #headReader: CgiHeadReader | undefined = new CgiHeadReader();
  #head: ResponseHead | undefined;
  #body: Readable | undefined;
  #bodyBytes = 0;
  #stderr = '';
  #ending: number[] = [];

  constructor(order: Order, socket: BackendSocket) {
    this.#order = order;
    this.#socket = socket;
    this.#sender = new RequestSender(socket, this.#onSent);
  }

  start(params: Buffer, role: number): void {
    const { clientGone, body } = this.#order.request;
    clientGone.addEventListener('abort', this.#onClientGone);
    this.#timer = setTimeout(this.#onTimeout, this.#order.options.responseTimeoutMs);
    this.#socket.on('error', this.#onEnd).on('end', this.#onEnd).on('close', this.#onEnd).on('data', this.#onData);
    this.#sender.start({ role, params, body });
    if (clientGone.aborted) this.#onClientGone();
  }

  /** A record begins; called by the parser. */
  begin(type: number, id: number, length: number): void {
    this.#recordType = type;
    if (this.#over || id === 0) return; // management records say nothing about this request
    if (id !== requestId) return this.#fail(badAnswer(this.#progress(), 'http_protocol_error', `answered request ${id} of a connection that has only request ${requestId}`));
    const known = type === recordType.stdout || type === recordType.stderr || (type === recordType.endRequest && length >= 8);
    if (!known) this.#fail(badAnswer(this.#progress(), 'http_protocol_error', `sent a record of type ${type} and length ${length}, which no answer contains`));
  }

  /** A piece of a record's content; called by the parser. */
  content(piece: Buffer, last: boolean): number {
    if (this.#over) return piece.length;
    if (this.#recordType === recordType.stdout) this.#readStdout(piece);
    else if (this.#recordType === recordType.stderr) this.#readStderr(piece);
    else if (this.#recordType === recordType.endRequest) {
      if (this.#ending.length < 8) this.#ending.push(...piece.subarray(0, 8));
      if (last) this.#readEnding(this.#ending[4]!);
    }
    return piece.length;
  }

  #readStdout(piece: Buffer): void {
    if (!this.#headReader) return this.#passBody(piece);
    const found = this.#headReader.push(piece);
    if (found.kind === 'incomplete') return;
    if (found.kind === 'invalid') return this.#fail(badAnswer(this.#progress(), found.failure, `sent an answer that cannot be used: ${found.detail}`));
    this.#headReader = undefined;
    this.#head = found.head;
    this.#body = new Readable({ highWaterMark: 64 * 1024, read: this.#resume, destroy: (error, done) => this.#onBodyDestroyed(error, done) });
    this.#body.on('error', () => {}); // its reader listens too, but may come a moment later
    this.#order.settle({ kind: 'response', head: found.head, body: this.#body, bytesWritten: this.#sender.bytesTaken });
    if (found.rest.length > 0) this.#passBody(found.rest);
  }

  #passBody(piece: Buffer): void {
    this.#bodyBytes += piece.length;
    if (this.#body!.push(piece)) return;
    this.#socket.pause();
    clearTimeout(this.#timer);
  }

  readonly #resume = (): void => {
    if (this.#over || !this.#socket.isPaused()) return;
    this.#socket.resume();
    this.#waitInAnswer();
  };

  #readStderr(piece: Buffer): void {
    if (this.#stderr.length < keptStderrBytes) this.#stderr += piece.toString('latin1', 0, keptStderrBytes - this.#stderr.length);
    this.#order.options.interim?.onStderr?.(piece);
  }

  #readEnding(status: number): void {
    if (status === protocolStatus.requestComplete) return this.#head ? this.#complete(this.#head) : this.#fail(this.#withStderr(headCut(this.#progress())));
    if (this.#head) return this.#fail(bodyCut(this.#progress()));
    if (status === protocolStatus.overloaded) return this.#fail(notTaken(this.#progress(), 'is overloaded and did not take the request (FastCGI OVERLOADED)'));
    if (status === protocolStatus.cannotMultiplex) return this.#fail(notTaken(this.#progress(), 'did not take the request (FastCGI CANT_MPX_CONN)'));
    const says = status === protocolStatus.unknownRole ? 'does not serve the Responder role (FastCGI UNKNOWN_ROLE)' : `ended the request with the unknown status ${status}`;
    this.#fail(badAnswer(this.#progress(), 'http_protocol_error', says));
  }

  /** END_REQUEST is the backend's word that all was said; a Content-Length that was not reached contradicts it. */
  #complete({ status, contentLength }: ResponseHead): void {
    const hasBody = this.#order.request.method !== 'HEAD' && status !== 204 && status !== 304;
    if (hasBody && contentLength !== undefined && this.#bodyBytes < contentLength) return this.#fail(bodyCut(this.#progress()));
    this.#close();
    this.#body!.push(null);
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#over) return;
    const first = this.#bytesRead === 0;
    this.#bytesRead += chunk.length;
    this.#parser.push(chunk);
    if (this.#over) return;
    if (this.#parser.broken) return this.#fail(badAnswer(this.#progress(), 'http_protocol_error', first ? describeStranger(chunk) : 'sent a record of an unknown version'));
    // A head that drips in, or STDERR that never ends, gets no more time than one that stays away.
    if (this.#head) this.#waitInAnswer();
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
    if (this.#head) this.#fail(bodyCut(progress, errno));
    else if (this.#bytesRead > 0) this.#fail(this.#withStderr(headCut(progress, errno)));
    else this.#fail(terminatedBeforeHead(progress, errno));
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
    const body = this.#body;
    if (!body) return this.#order.settle({ kind: 'failure', failure: classified });
    // Not at once: who was just handed the body gets to listen first.
    setImmediate(() => body.destroy(new UpstreamFailureError(classified)));
  }

  #close(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#order.request.clientGone.removeEventListener('abort', this.#onClientGone);
    this.#sender.stop();
    this.#socket.destroy();
  }

  #withStderr(failure: UpstreamFailure): UpstreamFailure {
    return this.#stderr === '' ? failure : { ...failure, detail: `${failure.detail}; it wrote: ${JSON.stringify(this.#stderr)}` };
  }

  #progress(): Progress {
    const { finished, bytesTaken } = this.#sender;
    const phase = this.#head ? 'read_body' : this.#bytesRead > 0 ? 'read_head' : finished ? 'await_head' : 'send';
    return { target: this.#order.target, phase, bytesWritten: bytesTaken, bytesRead: this.#bytesRead };
  }
}
