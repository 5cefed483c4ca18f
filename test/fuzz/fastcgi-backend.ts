/** A connection of the hostile FastCGI backend: reads records, answers as planned. Shares no codec with the proxy. */
import type { Socket } from 'node:net';
import { answerBadly } from './answer-badly.ts';
import type { BackendLedger } from './backend-ledger.ts';
import { fastcgiAnswer, saysNotTaken, wireType } from './fastcgi-answers.ts';
import { requestsPerSession, type AnswerPlan } from './plan.ts';
import { reset } from './reset.ts';

interface Incoming {
  readonly keepAlive: boolean;
  readonly params: Buffer[];
  readonly pieces: Buffer[];
  id: number;
  method: string;
  plan: AnswerPlan | undefined;
  complete: boolean;
  answering: boolean;
  given: boolean;
  answered: boolean;
}

export class FastcgiBackendConnection {
  readonly #socket: Socket;
  readonly #ledger: BackendLedger;
  #buffer: Buffer = Buffer.alloc(0);
  #request: Incoming | undefined;
  #served = 0;
  #onNext: 'none' | 'close' | 'reset' = 'none';

  constructor(socket: Socket, ledger: BackendLedger) {
    this.#socket = socket;
    this.#ledger = ledger;
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('end', () => socket.destroy());
  }

  #take(bytes: Buffer): void {
    // it has closed: what comes now meets nobody, however long the kernel still takes it
    if (this.#socket.writableEnded) return this.#ledger.fault('keep_alive_race');
    if (this.#onNext !== 'none') {
      this.#ledger.fault('keep_alive_race');
      return void (this.#onNext === 'reset' ? reset(this.#socket) : this.#socket.destroy());
    }
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
    while (this.#buffer.length >= 8 && !this.#socket.destroyed) {
      const length = this.#buffer.readUInt16BE(4);
      const total = 8 + length + this.#buffer[6]!;
      if (this.#buffer[0] !== 1) return void this.#ledger.violation(`the backend got a record of version ${this.#buffer[0]}`);
      if (this.#buffer.length < total) return;
      const [type, content] = [this.#buffer[1]!, this.#buffer.subarray(8, 8 + length)];
      this.#buffer = this.#buffer.subarray(total);
      this.#record(type, content);
    }
  }

  #record(type: number, content: Buffer): void {
    const request = this.#request;
    if (type === wireType.begin) {
      // answered whole, and about to close: the one that comes has met a closed connection
      if (request?.given) return this.#refuseNext();
      if (request) this.#ledger.violation(`request ${request.id} was not over when another came on its connection`);
      this.#request = { keepAlive: (content[2]! & 1) === 1, params: [], pieces: [], id: NaN, method: '', plan: undefined, complete: false, answering: false, given: false, answered: false };
    } else if (!request) this.#ledger.violation(`a record of type ${type} came without a request`);
    else if (type === wireType.params) this.#takeParams(request, content);
    else if (type === wireType.stdin) this.#takeStdin(request, content);
    else if (type === wireType.abort) this.#socket.destroy();
    else this.#ledger.violation(`a record of type ${type} was passed on`);
  }

  #refuseNext(): void {
    this.#ledger.fault('keep_alive_race');
    this.#socket.destroy();
  }

  #takeParams(request: Incoming, content: Buffer): void {
    if (content.length > 0) return void request.params.push(content);
    const params = readParams(Buffer.concat(request.params));
    request.id = Number(params.get('HTTP_X_FUZZ') ?? NaN);
    request.method = params.get('REQUEST_METHOD') ?? '';
    request.plan = this.#ledger.begin(request.id);
    if (params.get('REQUEST_URI') !== '/fuzz') this.#ledger.violation(`request ${request.id} came for ${params.get('REQUEST_URI')}`);
    if (!saysNotTaken(request.plan)) this.#ledger.begun(request.id, this.#served > 0);
    if (request.plan.moment === 'head') this.#answer(request);
  }

  #takeStdin(request: Incoming, content: Buffer): void {
    if (content.length > 0) request.pieces.push(content);
    else {
      request.complete = true;
      this.#ledger.checkBody(request.id, request.method, Buffer.concat(request.pieces));
    }
    if (request.complete || request.plan?.moment === 'body') this.#answer(request);
    if (request.complete && request.answered) this.#next(request);
  }

  #answer(request: Incoming): void {
    const { id, plan, method } = request;
    if (!plan || request.answering) return;
    request.answering = true;
    const answer = fastcgiAnswer(plan, id, method);
    void answerBadly(this.#socket, { id, plan, answer, ledger: this.#ledger, onGiven: () => void (request.given = true) }).then((open) => {
      request.answered = open;
      // a backend that breaks its promise to close is a fault of its own: now and then it stays
      if (open && !request.keepAlive && id % requestsPerSession < 3) this.#socket.end();
      else if (open && request.complete) this.#next(request);
    });
  }

  #next({ plan }: Incoming): void {
    this.#request = undefined;
    this.#served += 1;
    if (plan?.after === 'close_later') return void setTimeout(() => this.#socket.destroy(), plan.salt % 30);
    if (plan?.after === 'close_on_next') this.#onNext = 'close';
    if (plan?.after === 'reset_on_next') this.#onNext = 'reset';
  }
}

function readParams(bytes: Buffer): Map<string, string> {
  const params = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const lengths = [0, 0].map(() => {
      const first = bytes[at]!;
      const length = first < 128 ? first : bytes.readUInt32BE(at) & 0x7fff_ffff;
      at += first < 128 ? 1 : 4;
      return length;
    });
    const [name, value] = [bytes.toString('latin1', at, at + lengths[0]!), bytes.toString('latin1', at + lengths[0]!, at + lengths[0]! + lengths[1]!)];
    params.set(name, value);
    at += lengths[0]! + lengths[1]!;
  }
  return params;
}
