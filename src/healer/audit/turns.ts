/** Work on the log's file, one after the other. What fails becomes a value; who waits too long is told so. */

/** Nothing was written: do not act. */
export interface AuditFailure {
  readonly kind: 'not_written';
  /** What was tried, what the system said, and what to do. */
  readonly detail: string;
  readonly errno?: string;
  readonly cause?: unknown;
}

/** A failure in plain words. */
export function notWritten(detail: string): AuditFailure {
  return { kind: 'not_written', detail };
}

/** Appends that may wait for their turn. A healer has a handful; more means that the disk has stopped answering. */
const maxWaiting = 1000;
/** A disk that is silent for so long (hung network storage) is as good as none for who wants to act. */
const appendTimeoutMs = 10_000;

/** A queue of at most 1000; further work is refused. */
export class Turns {
  readonly #describe: (error: unknown) => AuditFailure;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #closed = false;
  #failure: AuditFailure | undefined;

  /** `describe` makes a failure of what the system said. */
  constructor(describe: (error: unknown) => AuditFailure) {
    this.#describe = describe;
  }

  /** Why the last work failed; `undefined` when it did not. */
  failure(): AuditFailure | undefined {
    return this.#failure;
  }

  isClosed(): boolean {
    return this.#closed;
  }

  /** Will more work be refused? */
  isFull(): boolean {
    return this.#waiting >= maxWaiting;
  }

  /** Never rejects: any error becomes the failure that is returned. After 10 s only the waiting ends; the work keeps its place and goes on. */
  take<T>(work: () => Promise<T>): Promise<T | AuditFailure> {
    if (this.#closed) return Promise.resolve(notWritten('the audit log is closed'));
    if (this.isFull()) return Promise.resolve(notWritten(`${maxWaiting} records wait for the disk already`));
    this.#waiting += 1;
    const result = this.#last.then(async () => {
      try {
        const done = await work();
        this.#failure = undefined;
        return done;
      } catch (error) {
        return (this.#failure = this.#describe(error));
      } finally {
        this.#waiting -= 1;
      }
    });
    this.#last = result;
    return orTooLate(result);
  }

  /** Takes no more, and waits for what was taken. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }
}

async function orTooLate<T>(work: Promise<T>): Promise<T | AuditFailure> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<AuditFailure>((resolve) => {
    timer = setTimeout(() => resolve(notWritten(`the disk of the audit log did not answer within ${appendTimeoutMs / 1000} s`)), appendTimeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
