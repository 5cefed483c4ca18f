/** Reads FastCGI answers off a connection as nginx would. Shares no codec with the proxy. */
import { wireType } from './fastcgi-answers.ts';
import { nothingSeen, type Observed } from './observed.ts';

export class FastcgiAnswerReader {
  readonly #methods: readonly string[];
  readonly #answers: Observed[] = [];
  #buffer: Buffer = Buffer.alloc(0);
  #stdout: Buffer[] = [];
  #stdoutBytes = 0;
  #broken = false;

  /** `methods`: of the requests on this connection, in their order. */
  constructor(methods: readonly string[]) {
    this.#methods = methods;
  }

  /** Answers that END_REQUEST closed. */
  get answers(): readonly Observed[] {
    return this.#answers;
  }

  /** A record of an impossible version: how a cut is shown on a unix socket. */
  get broken(): boolean {
    return this.#broken;
  }

  get bytesOfAnswer(): number {
    return this.#stdoutBytes;
  }

  push(bytes: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
    while (this.#buffer.length > 0 && !this.#broken) {
      if (this.#buffer[0] !== 1) return void (this.#broken = true);
      if (this.#buffer.length < 8) return;
      const length = this.#buffer.readUInt16BE(4);
      const total = 8 + length + this.#buffer[6]!;
      if (this.#buffer.length < total) return;
      const [type, id, content] = [this.#buffer[1]!, this.#buffer.readUInt16BE(2), this.#buffer.subarray(8, 8 + length)];
      this.#buffer = this.#buffer.subarray(total);
      if (id === 1) this.#take(type, content);
    }
  }

  /** The answer that END_REQUEST did not close. */
  rest(end: Observed['end']): Observed {
    if (this.#stdoutBytes === 0) return nothingSeen(end);
    return { ...this.#read(), whole: 'no', end };
  }

  #take(type: number, content: Buffer): void {
    if (type === wireType.stdout) {
      this.#stdout.push(content);
      this.#stdoutBytes += content.length;
    } else if (type === wireType.end) {
      const complete = content.length === 8 && content[4] === 0;
      const answer = this.#stdoutBytes === 0 ? nothingSeen('open') : this.#read();
      this.#answers.push({ ...answer, whole: complete ? answer.whole : 'no', end: 'open' });
      [this.#stdout, this.#stdoutBytes] = [[], 0];
    }
  }

  #read(): Observed {
    const all = Buffer.concat(this.#stdout);
    const end = all.indexOf('\r\n\r\n');
    if (end === -1) return { ...nothingSeen('open'), began: true };
    const lines = all.toString('latin1', 0, end).split('\r\n');
    const fields = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()] as const));
    const body = all.subarray(end + 4);
    const length = fields.get('content-length');
    const status = Number((fields.get('status') ?? '200').slice(0, 3));
    const bodyless = this.#methods[this.#answers.length] === 'HEAD' || status === 204 || status === 304;
    const isShort = !bodyless && length !== undefined && body.length < Number(length);
    return { status, fields, body, whole: isShort ? 'no' : 'yes', began: true, end: 'open' };
  }
}
