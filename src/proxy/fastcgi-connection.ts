/**
 * One connection from nginx: records in, requests out, answers back. One request at a time, as nginx sends them, one
 * after the other where it keeps the connection. Whoever breaks the protocol loses the connection and nothing more.
 */
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { areWellFormed, decodeParams, encodeParams, findParam } from '../upstream/fastcgi/params.ts';
import { encodeEndRequest, encodeRecord, keepConnectionFlag, protocolStatus, RecordParser, recordType, responderRole } from '../upstream/fastcgi/record.ts';
import { AnswerWriter, cutVisibly } from './fastcgi-answer.ts';
import { FastcgiBody } from './fastcgi-body.ts';
import { FastcgiRequest } from './fastcgi-request.ts';
import type { Answer, HandleRequest } from './gateway-request.ts';

/** nginx sends a few KiB; a request with more than this is answered 431. */
const paramsLimitBytes = 1024 * 1024;
/** From the first record of a request until its params are complete: nginx sends them in one go. */
const paramsTimeoutMs = 30_000;
/** How long a client may go on sending a body that nobody wants, or stay without a word, after its answer was written. */
const lingerMs = 5000;
/** How often it is looked whether the client of an upload that is not read is still there. */
const watchMs = 1000;

export interface ConnectionOptions {
  readonly handle: HandleRequest;
  readonly isUnix: boolean;
  readonly clientAddressHeader: () => string | undefined;
  /** May the connection be used again after an answer? */
  readonly mayKeep: () => boolean;
}

interface CurrentRequest {
  readonly id: number;
  readonly keepConnection: boolean;
  readonly gone: AbortController;
  readonly writer: AnswerWriter;
  paramPieces: Buffer[];
  paramBytes: number;
  /** Set when the params are complete. */
  params: Buffer | undefined;
  body: FastcgiBody | undefined;
  handled: boolean;
  stdinEnded: boolean;
  answered: boolean;
}

export class FastcgiConnection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #parser = new RecordParser(this);
  #current: CurrentRequest | undefined;
  #type = 0;
  #id = 0;
  /** Content of the small records, which mean something only as a whole. At most one record's, 64 KiB. */
  #small: Buffer[] = [];
  #deadline: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;

  /** Serves the socket until it ends. */
  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('error', () => {}); // what an error means here is said by the close that follows it
    socket.on('end', this.#onGone).on('close', this.#onGone).on('data', this.#onData);
  }

  /** No request is under way. */
  readonly isIdle = (): boolean => this.#current === undefined;

  begin(type: number, id: number, length: number): void {
    [this.#type, this.#id, this.#small] = [type, id, []];
    const request = this.#current;
    if (this.#socket.destroyed) return;
    if (id === 0) {
      if (length === 0) this.#manage(Buffer.alloc(0));
    } else if (type === recordType.beginRequest) {
      if (length !== 8 || request?.id === id) this.#socket.destroy();
    } else if (request?.id === id) {
      if (type === recordType.params) this.#beginParams(request, length);
      else if (type === recordType.stdin) this.#beginStdin(request, length);
      else if (type === recordType.abortRequest) this.#abort(request);
      else this.#socket.destroy();
    }
    // Records of a request that was refused, or is over, are read and dropped.
  }

  content(piece: Buffer, last: boolean): number {
    const request = this.#current;
    if (this.#socket.destroyed) return piece.length;
    if (this.#id === 0 || this.#type === recordType.beginRequest) {
      this.#small.push(piece);
      if (last) this.#readSmall(this.#small.length === 1 ? piece : Buffer.concat(this.#small));
    } else if (request?.id === this.#id) {
      if (this.#type === recordType.params) this.#keepParams(request, piece);
      else if (this.#type === recordType.stdin && request.body) return request.body.take(piece);
    }
    return piece.length;
  }

  readonly #onData = (chunk: Buffer): void => {
    const used = this.#parser.push(chunk);
    if (this.#parser.broken) return void this.#socket.destroy();
    if (this.#current && !this.#current.handled) this.#deadline ??= setTimeout(() => this.#socket.destroy(), paramsTimeoutMs);
    if (used === chunk.length || this.#socket.destroyed) return;
    // What has no room yet goes back to the socket, which then stops reading.
    this.#socket.pause();
    this.#socket.unshift(chunk.subarray(used));
    // Behind bytes that are not read no end is seen: only a write that fails tells that the client has gone.
    this.#watch ??= setInterval(() => this.#current?.writer.writeNothing(), watchMs);
  };

  readonly #resume = (): void => {
    clearInterval(this.#watch);
    this.#watch = undefined;
    this.#socket.resume();
  };

  #readSmall(content: Buffer): void {
    if (this.#id === 0) return this.#manage(content);
    const [role, flags] = [content.readUInt16BE(0), content[2]!];
    if (this.#socket.writableEnded) return; // nobody would hear the answer to what comes behind our end
    if (this.#current) return void this.#socket.write(encodeEndRequest(this.#id, protocolStatus.cannotMultiplex));
    if (role !== responderRole) return void this.#socket.write(encodeEndRequest(this.#id, protocolStatus.unknownRole));
    const keepConnection = (flags & keepConnectionFlag) !== 0;
    const endsConnection = (): boolean => keepConnection && !this.#options.mayKeep();
    this.#current = {
      id: this.#id,
      keepConnection,
      gone: new AbortController(),
      writer: new AnswerWriter(this.#socket, { requestId: this.#id, endsConnection }),
      paramPieces: [],
      paramBytes: 0,
      params: undefined,
      body: undefined,
      handled: false,
      stdinEnded: false,
      answered: false,
    };
  }

  /** Questions about the connection itself. The one value that we know: requests are not multiplexed. */
  #manage(content: Buffer): void {
    if (this.#type === recordType.getValues) {
      const asked = decodeParams(content) ?? [];
      const known = asked.some(([name]) => name === 'FCGI_MPXS_CONNS') ? [['FCGI_MPXS_CONNS', '0'] as const] : [];
      this.#socket.write(encodeRecord(recordType.getValuesResult, 0, encodeParams(known)));
    } else {
      const unknown = Buffer.alloc(8);
      unknown[0] = this.#type;
      this.#socket.write(encodeRecord(recordType.unknownType, 0, unknown));
    }
  }

  #keepParams(request: CurrentRequest, piece: Buffer): void {
    request.paramBytes += piece.length;
    if (request.paramBytes <= paramsLimitBytes) request.paramPieces.push(piece);
    else request.paramPieces = [];
  }

  #beginParams(request: CurrentRequest, length: number): void {
    if (request.params) return void this.#socket.destroy();
    if (length > 0) return;
    const params = request.paramPieces.length === 1 ? request.paramPieces[0]! : Buffer.concat(request.paramPieces);
    request.paramPieces = [];
    request.params = params;
    if (request.paramBytes > paramsLimitBytes) return this.#refuse(request, 431, `the request's head is longer than ${paramsLimitBytes / 1024} KiB`);
    if (!areWellFormed(params)) return this.#refuse(request, 400, 'the FastCGI params are not well formed');
    if (!findParam(params, 'REQUEST_METHOD')) return this.#refuse(request, 400, 'REQUEST_METHOD is missing; does the nginx location include fastcgi_params?');
    const announced = findParam(params, 'CONTENT_LENGTH') ?? '';
    if (!/^\d{0,15}$/.test(announced)) return this.#refuse(request, 400, 'CONTENT_LENGTH is no number of bytes');
    // Without a number the first STDIN record says whether there is a body.
    if (announced !== '') this.#handle(request, Number(announced));
  }

  #beginStdin(request: CurrentRequest, length: number): void {
    if (!request.params || request.stdinEnded) return void this.#socket.destroy();
    if (!request.handled) this.#handle(request, length === 0 ? 0 : undefined);
    if (length > 0) return;
    request.stdinEnded = true;
    request.body?.end();
    if (request.answered) this.#finish(request);
  }

  #handle(request: CurrentRequest, length: number | undefined): void {
    this.#clearDeadline();
    request.handled = true;
    request.body = new FastcgiBody(length, this.#resume);
    const { writer, body, gone } = request;
    const onStderr = (text: Buffer): void => void (request.answered || writer.writeStderr(text));
    const { clientAddressHeader, handle } = this.#options;
    const asked = new FastcgiRequest({ params: request.params!, body, clientGone: gone.signal, interim: { onStderr }, clientAddressHeader: clientAddressHeader() });
    void handle(asked).then((answer) => this.#answer(request, answer));
  }

  /** What no backend needs to see. The body, if there is one, is dropped. */
  #refuse(request: CurrentRequest, status: number, why: string): void {
    this.#clearDeadline();
    request.handled = true;
    const text = `${status}: ${why}.\n`;
    const rawHeaders = ['Content-Type', 'text/plain; charset=utf-8', 'Cache-Control', 'no-store', 'Proxy-Status', `goodgateway; error=http_request_error; details="${why}"`];
    void this.#answer(request, { from: 'goodgateway', head: { status, rawHeaders, contentLength: undefined }, body: Readable.from([Buffer.from(text)]) });
  }

  async #answer(request: CurrentRequest, answer: Answer | undefined): Promise<void> {
    if (!answer) return void (request.answered || cutVisibly(this.#socket, this.#options.isUnix));
    // A page of ours is written while the client may still send: nobody will read what comes.
    if (answer.from === 'goodgateway') request.body?.discard();
    const end = await request.writer.write(answer);
    if (request.answered) return;
    request.answered = true;
    if (end === 'cut') return cutVisibly(this.#socket, this.#options.isUnix);
    this.#finish(request);
  }

  /** The answer was written. The next request may come once all of this one's body did. */
  #finish(request: CurrentRequest): void {
    this.#clearDeadline();
    const ends = !request.keepConnection || !this.#options.mayKeep();
    if (ends) this.#socket.end();
    // Closing with unread bytes would reset the connection and take the answer with it.
    if (request.stdinEnded) this.#current = undefined;
    else request.body?.discard();
    if (ends || !request.stdinEnded) this.#deadline = setTimeout(() => this.#socket.destroy(), lingerMs);
  }

  #clearDeadline(): void {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
  }

  #abort(request: CurrentRequest): void {
    if (request.answered) return;
    request.answered = true;
    request.gone.abort();
    request.writer.writeEnd();
    this.#socket.end();
  }

  readonly #onGone = (): void => {
    this.#clearDeadline();
    clearInterval(this.#watch);
    this.#socket.destroy();
    const request = this.#current;
    this.#current = undefined;
    if (!request || request.answered) return;
    request.answered = true;
    request.gone.abort();
    request.body?.discard();
  };
}
