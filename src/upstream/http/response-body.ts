import { Readable } from 'node:stream';
import type { ResponseBody } from '../exchange.ts';

/** Who fills a body. */
export interface BodySource {
  /** There is room for more. */
  wanted(): void;
  /** The stream was destroyed, by its reader or because the answer was cut. */
  unwanted(): void;
}

/** The body that a listener reads. */
export class AnswerBody extends Readable implements ResponseBody {
  trailers: readonly string[] = [];
  readonly #source: BodySource;

  constructor(source: BodySource) {
    super();
    this.#source = source;
    this.on('error', ignore); // a cut that nobody listens for yet must not end the process
  }

  override _read(): void {
    this.#source.wanted();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#source.unwanted();
    done(error);
  }
}

function ignore(): void {}
