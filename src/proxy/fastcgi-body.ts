/**
 * The request body that comes in STDIN records. While nobody opened it, little of it is taken from the connection, so
 * that a held upload of any size costs no more than this and what the socket itself buffers.
 */
import { Readable } from 'node:stream';
import type { RequestBody } from '../upstream/exchange.ts';

/**
 * Taken before anybody reads: enough for most forms, so that their connections are read to the end and a client that
 * leaves is noticed. With one unparsed chunk of the socket (64 KiB) it stays below 96 KiB for each held request.
 */
const unreadLimitBytes = 16 * 1024;
const readLimitBytes = 64 * 1024;

export class FastcgiBody implements RequestBody {
  readonly length: number | undefined;
  readonly #resume: () => void;
  #stream: Readable | undefined;
  #opened = false;
  #discarding = false;
  #came = 0;

  /** `resume` is called when there is room again after {@link take} took less than it was given. */
  constructor(length: number | undefined, resume: () => void) {
    this.length = length;
    this.#resume = resume;
  }

  open(): Readable {
    this.#opened = true;
    const stream = this.#readable();
    if (this.length === 0) stream.push(null);
    // The stream asked for more while it was held, and does not ask twice.
    this.#resume();
    return stream;
  }

  /** Returns how many of these bytes were taken. */
  take(piece: Buffer): number {
    if (this.#discarding || this.length === 0) return piece.length;
    if (this.length !== undefined && this.#came + piece.length > this.length) {
      this.#break(`more than the ${this.length} bytes that CONTENT_LENGTH announced`);
      return piece.length;
    }
    const stream = this.#readable();
    const room = (this.#opened ? readLimitBytes : unreadLimitBytes) - stream.readableLength;
    const taken = Math.max(0, Math.min(room, piece.length));
    this.#came += taken;
    if (taken > 0) stream.push(taken === piece.length ? piece : piece.subarray(0, taken));
    return taken;
  }

  /** The closing STDIN record came. */
  end(): void {
    if (this.#discarding || this.length === 0) return;
    if (this.length === undefined || this.#came === this.length) this.#readable().push(null);
    else this.#break(`${this.#came} of the ${this.length} bytes that CONTENT_LENGTH announced`);
  }

  /** From here on nobody wants it: everything is taken and dropped. */
  discard(): void {
    this.#discarding = true;
    this.#stream?.destroy();
    this.#resume();
  }

  /** A body of another length than announced must not be executed as if it were whole. */
  #break(came: string): void {
    this.#discarding = true;
    this.#readable().destroy(new Error(`${came} came`));
  }

  #readable(): Readable {
    if (this.#stream) return this.#stream;
    const read = (): void => {
      if (this.#opened) this.#resume();
    };
    this.#stream = new Readable({ highWaterMark: readLimitBytes, read });
    // Its reader listens too; while it is held there is none.
    this.#stream.on('error', () => {});
    return this.#stream;
  }
}
