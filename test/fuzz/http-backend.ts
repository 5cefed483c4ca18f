/** A connection of the hostile HTTP backend: reads requests strictly, answers as planned. Shares no parser with the proxy. */
import type { Socket } from 'node:net';
import { answerBadly } from './answer-badly.ts';
import type { BackendLedger } from './backend-ledger.ts';
import { httpAnswer } from './http-answers.ts';
import type { AnswerPlan } from './plan.ts';
import { reset } from './reset.ts';

interface Incoming {
  readonly id: number;
  readonly method: string;
  readonly plan: AnswerPlan;
  readonly keepAlive: boolean;
  readonly upgrade: boolean;
  /** Announced bytes, or `undefined` for chunks. */
  readonly length: number | undefined;
  readonly pieces: Buffer[];
  bytes: number;
  complete: boolean;
  answering: boolean;
  answered: boolean;
}

const maxHeadBytes = 300_000;

export class HttpBackendConnection {
  readonly #socket: Socket;
  readonly #ledger: BackendLedger;
  #buffer: Buffer = Buffer.alloc(0);
  #request: Incoming | undefined;
  #served = 0;
  #tunnel = false;
  #onNext: 'none' | 'close' | 'reset' = 'none';

  constructor(socket: Socket, ledger: BackendLedger) {
    this.#socket = socket;
    this.#ledger = ledger;
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('end', () => socket.destroy());
  }

  #take(bytes: Buffer): void {
    if (this.#tunnel) return void this.#socket.write(bytes);
    // it has closed: what comes now meets nobody, however long the kernel still takes it
    if (this.#socket.writableEnded) return this.#ledger.fault('keep_alive_race');
    if (this.#onNext !== 'none') {
      this.#ledger.fault('keep_alive_race');
      return void (this.#onNext === 'reset' ? reset(this.#socket) : this.#socket.destroy());
    }
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
    this.#read();
  }

  #read(): void {
    if (!this.#request && !this.#readHead()) return;
    const request = this.#request!;
    if (!request.complete) this.#readBody(request);
    if (request.complete && request.answered) this.#next(request);
  }

  #readHead(): boolean {
    const end = this.#buffer.indexOf('\r\n\r\n');
    if (end === -1 || end > maxHeadBytes) return false;
    const [first = '', ...lines] = this.#buffer.toString('latin1', 0, end).split('\r\n');
    this.#buffer = this.#buffer.subarray(end + 4);
    const fields = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()] as const));
    const [method = '', target = '', version = ''] = first.split(' ');
    const id = Number(fields.get('x-fuzz') ?? NaN);
    if (!/^HTTP\/1\.[01]$/.test(version) || target !== '/fuzz' || lines.some((line) => !/^[!-9;-~]+:/.test(line)))
      this.#ledger.violation(`the backend got a request that nobody sent: ${JSON.stringify(first.slice(0, 100))}`);
    const codings = fields.get('transfer-encoding');
    if (codings !== undefined && fields.has('content-length')) this.#ledger.violation(`request ${id} was passed on with two lengths`);
    const plan = this.#ledger.begin(id);
    this.#ledger.begun(id, this.#served > 0);
    const keepAlive = (fields.get('connection') ?? '').toLowerCase() !== 'close';
    this.#request = {
      id,
      method,
      plan,
      keepAlive,
      upgrade: fields.has('upgrade'),
      length: codings === undefined ? Number(fields.get('content-length') ?? 0) : undefined,
      pieces: [],
      bytes: 0,
      complete: false,
      answering: false,
      answered: false,
    };
    if (plan.moment === 'head') this.#answer(this.#request);
    return true;
  }

  #readBody(request: Incoming): void {
    if (request.length === undefined) this.#readChunks(request);
    else {
      const piece = this.#buffer.subarray(0, request.length - request.bytes);
      this.#keep(request, piece);
      this.#buffer = this.#buffer.subarray(piece.length);
      request.complete = request.bytes === request.length;
    }
    if (request.complete) this.#ledger.checkBody(request.id, request.method, Buffer.concat(request.pieces));
    if (request.complete || (request.plan.moment === 'body' && request.bytes > 0)) this.#answer(request);
  }

  #readChunks(request: Incoming): void {
    for (;;) {
      const lineEnd = this.#buffer.indexOf('\r\n');
      if (lineEnd === -1) return;
      const size = Number.parseInt(this.#buffer.toString('latin1', 0, lineEnd), 16);
      if (!(size >= 0)) return this.#ledger.violation(`request ${request.id} was passed on with a broken chunk`);
      if (this.#buffer.length < lineEnd + 2 + size + 2) return;
      this.#keep(request, this.#buffer.subarray(lineEnd + 2, lineEnd + 2 + size));
      this.#buffer = this.#buffer.subarray(lineEnd + 2 + size + 2);
      if (size === 0) return void (request.complete = true);
    }
  }

  #keep(request: Incoming, piece: Buffer): void {
    request.pieces.push(piece);
    request.bytes += piece.length;
  }

  #answer(request: Incoming): void {
    if (request.answering) return;
    request.answering = true;
    if (request.upgrade && request.plan.kind.startsWith('good')) return this.#switch(request);
    const answer = httpAnswer(request.plan, request.id, request.method);
    void answerBadly(this.#socket, { id: request.id, plan: request.plan, answer, ledger: this.#ledger }).then((open) => {
      request.answered = open;
      if (open && !request.keepAlive) this.#socket.end();
      else if (open && request.complete) this.#next(request);
    });
  }

  #switch({ id, plan }: Incoming): void {
    this.#tunnel = true;
    this.#socket.write(`HTTP/1.1 101 Switching Protocols\r\nX-Fuzz-Id: ${id}\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n`);
    this.#ledger.wroteHead(id);
    if (plan.share < 1) setTimeout(() => (plan.end === 'reset' ? reset(this.#socket) : this.#socket.destroy()), plan.salt % 40);
  }

  /** The exchange is over on both sides; the connection waits, and may betray the next request. */
  #next({ plan }: Incoming): void {
    this.#request = undefined;
    this.#served += 1;
    // not inside the next answer: one without a length would look whole over a unix socket
    if (plan.after === 'close_later') return void setTimeout(() => this.#request ?? this.#socket.destroy(), plan.salt % 30);
    if (plan.after === 'close_on_next') this.#onNext = 'close';
    if (plan.after === 'reset_on_next') this.#onNext = 'reset';
    // an early answer lets the next request come before the end of this one was read; whatever else came is none
    if (this.#buffer.length > 0) this.#read();
  }
}
