/** Reads HTTP/1.x answers off a connection as a strict client would. Shares no parser with the proxy. */
import { nothingSeen, type Observed } from './observed.ts';

interface Begun {
  readonly status: number;
  readonly fields: ReadonlyMap<string, string>;
  readonly framing: 'none' | 'length' | 'chunked' | 'close';
  readonly length: number;
}

export class HttpAnswerReader {
  readonly #methods: readonly string[];
  readonly #answers: Observed[] = [];
  #buffer: Buffer = Buffer.alloc(0);
  #begun: Begun | undefined;
  #content: Buffer[] = [];
  #contentBytes = 0;
  #problem: string | undefined;

  /** `methods`: of the requests on this connection, in their order. */
  constructor(methods: readonly string[]) {
    this.#methods = methods;
  }

  /** Answers that are whole. */
  get answers(): readonly Observed[] {
    return this.#answers;
  }

  /** The gateway said that it closes, or the protocol switched: nothing more is to be written. */
  get isLast(): boolean {
    const last = this.#answers.at(-1);
    return last !== undefined && (last.status === 101 || (last.fields.get('connection') ?? '').toLowerCase() === 'close');
  }

  get bytesOfAnswer(): number {
    return this.#contentBytes;
  }

  push(bytes: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
    while (this.#problem === undefined && this.#step());
  }

  /** The answer that was not whole when the connection ended. */
  rest(end: Observed['end']): Observed {
    const problem = this.#problem === undefined ? {} : { problem: this.#problem };
    if (!this.#begun) return { ...nothingSeen(end), began: this.#buffer.length > 0, ...problem };
    const { status, fields, framing } = this.#begun;
    return { status, fields, body: Buffer.concat(this.#content), whole: framing === 'close' && end === 'fin' ? 'by_close' : 'no', began: true, end, ...problem };
  }

  #step(): boolean {
    if (!this.#begun) return this.#readHead();
    const { framing, length } = this.#begun;
    if (framing === 'chunked') return this.#readChunk();
    const room = framing === 'length' ? length - this.#contentBytes : framing === 'close' ? Infinity : 0;
    this.#keep(this.#buffer.subarray(0, room));
    this.#buffer = this.#buffer.subarray(Math.min(room, this.#buffer.length));
    return framing !== 'close' && this.#contentBytes === length && this.#complete();
  }

  #readHead(): boolean {
    const end = this.#buffer.indexOf('\r\n\r\n');
    if (end === -1) return false;
    const [first = '', ...lines] = this.#buffer.toString('latin1', 0, end).split('\r\n');
    const fields = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()] as const));
    const status = Number(/^HTTP\/1\.1 ([1-5]\d\d)(?: |$)/.exec(first)?.[1] ?? NaN);
    if (Number.isNaN(status) || lines.some((line) => !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+:/.test(line))) return this.#fail(`no answer of HTTP: ${JSON.stringify(this.#buffer.toString('latin1', 0, 200))}`);
    this.#buffer = this.#buffer.subarray(end + 4);
    if (status < 200 && status !== 101) return true;
    const method = this.#methods[this.#answers.length];
    if (method === undefined) return this.#fail(`an answer that nobody asked for: ${first}`);
    const bodyless = method === 'HEAD' || status === 101 || status === 204 || status === 304;
    const length = Number(fields.get('content-length') ?? 0);
    const framing = bodyless ? 'none' : fields.has('transfer-encoding') ? 'chunked' : fields.has('content-length') ? 'length' : 'close';
    if (framing === 'chunked' && fields.has('content-length')) return this.#fail('an answer with two lengths');
    this.#begun = { status, fields, framing, length: framing === 'length' ? length : 0 };
    return true;
  }

  #readChunk(): boolean {
    const lineEnd = this.#buffer.indexOf('\r\n');
    if (lineEnd === -1) return false;
    const line = this.#buffer.toString('latin1', 0, lineEnd);
    if (!/^[0-9a-f]{1,8}(;.*)?$/i.test(line)) return this.#fail(`a broken chunk: ${JSON.stringify(line.slice(0, 100))}`);
    const size = Number.parseInt(line, 16);
    if (this.#buffer.length < lineEnd + 2 + size + 2) return false;
    this.#keep(this.#buffer.subarray(lineEnd + 2, lineEnd + 2 + size));
    if (size > 0) {
      this.#buffer = this.#buffer.subarray(lineEnd + 2 + size + 2);
      return true;
    }
    const end = this.#buffer.indexOf('\r\n\r\n', lineEnd);
    if (end === -1) return false;
    this.#buffer = this.#buffer.subarray(end + 4);
    return this.#complete();
  }

  #keep(piece: Buffer): void {
    this.#content.push(piece);
    this.#contentBytes += piece.length;
  }

  #complete(): boolean {
    const { status, fields } = this.#begun!;
    this.#answers.push({ status, fields, body: Buffer.concat(this.#content), whole: 'yes', began: true, end: 'open' });
    [this.#begun, this.#content, this.#contentBytes] = [undefined, [], 0];
    return status !== 101;
  }

  #fail(problem: string): false {
    this.#problem = problem;
    return false;
  }
}
