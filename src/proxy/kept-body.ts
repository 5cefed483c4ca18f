/**
 * A request body that can be opened a second time. Nothing is read before the first attempt opens it, so a held
 * request costs no memory; while it is sent, what the gateway's budget allows is kept for one more attempt.
 */
import { Readable } from 'node:stream';
import type { RequestBody } from '../upstream/exchange.ts';

/** Bytes that may be kept at once, for all bodies of one gateway. */
export interface ByteBudget {
  /** False when there is no room for so many. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/** A budget of `limitBytes` in all; of what the function says where it may change. */
export function byteBudget(limitBytes: number | (() => number)): ByteBudget {
  const limit = typeof limitBytes === 'number' ? () => limitBytes : limitBytes;
  let taken = 0;
  return {
    take: (bytes) => taken + bytes <= limit() && ((taken += bytes), true),
    give: (bytes) => void (taken -= bytes),
  };
}

export class KeptBody implements RequestBody {
  readonly length: number | undefined;
  readonly #source: RequestBody;
  readonly #budget: ByteBudget;
  readonly #mostBytes: number;
  #stream: Readable | undefined;
  #chunks: Buffer[] = [];
  #keptBytes = 0;
  #lost = false;
  /** The next kept chunk for the attempt under way. */
  #next = 0;
  #reader: Readable | undefined;
  #more: () => void = () => undefined;

  /** Keeps at most `mostBytes`, and nothing of a body that is known to be longer. */
  constructor(source: RequestBody, budget: ByteBudget, mostBytes = Infinity) {
    this.#mostBytes = mostBytes;
    this.length = source.length;
    this.#source = source;
    this.#budget = budget;
  }

  /** An answer has come, or there will be no other attempt: what was kept is let go. */
  forget(): void {
    this.#budget.give(this.#keptBytes);
    this.#keptBytes = 0;
    this.#lost = true;
    // a second attempt that is still being sent needs the rest of what was kept
    if (this.#next >= this.#chunks.length) this.#chunks = [];
  }

  /** Whether another attempt would get the body from its first byte. */
  get canOpenAgain(): boolean {
    return !this.#lost;
  }

  trailers(): readonly string[] {
    return this.#source.trailers?.() ?? [];
  }

  open(): Readable {
    if (this.length === 0) return Readable.from([]);
    this.#reader?.destroy();
    this.#stream ??= this.#follow(this.#source.open());
    this.#next = 0;
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
      const chunk = this.#next < this.#chunks.length ? this.#chunks[this.#next] : this.#readSource();
      if (chunk !== undefined) {
        wanted = false;
        this.#next += 1;
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
    const total = Math.max(this.length ?? 0, this.#keptBytes + chunk.length);
    if (total <= this.#mostBytes && this.#budget.take(chunk.length)) {
      this.#keptBytes += chunk.length;
      return void this.#chunks.push(chunk);
    }
    this.forget();
  }
}
