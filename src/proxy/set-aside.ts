/**
 * An answer of the backend that is not the last word yet: it is read whole, so that the worker that gave it is free,
 * and given to the client when asking again brings nothing better.
 */
import { Readable } from 'node:stream';
import type { UpstreamFailure } from '../core/failure.ts';
import { UpstreamFailureError } from '../upstream/exchange.ts';

/** A longer answer is passed on as it comes. An error page is far below it. */
const limitBytes = 64 * 1024;

export type Aside =
  | { readonly kind: 'whole'; readonly body: Readable }
  /** It is longer than what is kept: the same bytes, still to be read. */
  | { readonly kind: 'too_long'; readonly body: Readable }
  | { readonly kind: 'cut'; readonly failure: UpstreamFailure }
  /** The client went away, and the exchange with it. */
  | { readonly kind: 'gone' };

/** Reads at most so much as is kept. Never rejects. */
export async function setAside(body: Readable): Promise<Aside> {
  const pieces: Buffer[] = [];
  const rest = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await rest.next();
      if (done) return { kind: 'whole', body: Readable.from(pieces) };
      pieces.push(value);
      length += value.length;
      if (length > limitBytes) return { kind: 'too_long', body: Readable.from(follow(pieces, rest), { objectMode: false }) };
    }
  } catch (error) {
    return error instanceof UpstreamFailureError ? { kind: 'cut', failure: error.failure } : { kind: 'gone' };
  }
}

async function* follow(pieces: readonly Buffer[], rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield* pieces;
  yield* { [Symbol.asyncIterator]: () => rest };
}
