/**
 * A request body that can be opened a second time. Nothing is read before the first attempt opens it, so a held
 * request costs no memory; while it is sent, up to `limitBytes` are kept for one more attempt, and not a byte more.
 */
import { Readable } from 'node:stream';
import type { RequestBody } from '../upstream/exchange.ts';

export class KeptBody implements RequestBody {
  readonly length: number | undefined;
  readonly #source: RequestBody;
  readonly #limitBytes: number;
  #stream: Readable | undefined;
  #chunks: Buffer[] = [];
  #keptBytes = 0;
  #lost = false;
  #reader: Readable | undefined;
  #more: () => void = () => undefined;

  constructor(source: RequestBody, limitBytes: number) {
    this.length = source.length;
    this.#source = source;
    this.#limitBytes = limitBytes;
  }

  /** Whether another attempt would get the body from its first byte. */
  get canOpenAgain(): boolean {
    return !this.#lost;
  }

  open(): Readable {
    if (this.length === 0) return Readable.from([]);
    this.#reader?.destroy();
    this.#stream ??= this.#follow(this.#source.open());
    let next = 0;
    let wanted = false;
    const reader = new Readable({
      highWaterMark: 64 * 1024,
      read: () => {
        wanted = true;
        this.#more();
      },
    });
    this.#reader = reader;
    this.#more = () => {
      if (!wanted || reader.destroyed) return;
      const chunk = next < this.#chunks.length ? this.#chunks[next] : this.#readSource();
      if (chunk !== undefined) {
        wanted = false;
        next += 1;
        reader.push(chunk);
      } else if (this.#stream?.errored) reader.destroy(this.#stream.errored);
      else if (this.#stream?.readableEnded) reader.push(null);
    };
    return reader;
  }

  #follow(stream: Readable): Readable {
    for (const event of ['readable', 'end', 'error', 'close']) stream.on(event, () => this.#more());
    return stream;
  }

  #readSource(): Buffer | undefined {
    const chunk: unknown = this.#stream?.read();
    if (!Buffer.isBuffer(chunk)) return undefined;
    this.#keep(chunk);
    return chunk;
  }

  #keep(chunk: Buffer): void {
    if (this.#lost) return;
    this.#keptBytes += chunk.length;
    if (this.#keptBytes <= this.#limitBytes) return void this.#chunks.push(chunk);
    this.#lost = true;
    this.#chunks = [];
  }
}
