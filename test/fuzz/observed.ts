/** What a client saw of the answer to one request; the judge says whether that is allowed. */

export interface Observed {
  /** No final head came: 0. */
  readonly status: number;
  /** Lower-case names; of several of one name the last. */
  readonly fields: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** The answer's own framing says that it is whole. `by_close`: only the clean end of the connection says so. */
  readonly whole: 'yes' | 'no' | 'by_close';
  /** Some byte of it came. */
  readonly began: boolean;
  /** How the connection ended, where it did before the answer was whole. */
  readonly end: 'open' | 'fin' | 'reset' | 'bad_record' | 'left' | 'time_out';
  /** What the client cannot read at all. */
  readonly problem?: string;
}

/** A client that waits longer was forgotten by the gateway: all of its timeouts together are far below. */
export const patienceMs = 10_000;

export function nothingSeen(end: Observed['end']): Observed {
  return { status: 0, fields: new Map(), body: Buffer.alloc(0), whole: 'no', began: false, end };
}
