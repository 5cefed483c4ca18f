import type { AttemptPhase } from '../../core/failure.ts';
import type { BackendSocket } from '../connect.ts';
import type { RequestBody } from '../exchange.ts';
import { sendBody, type BrokenBody, type Sending } from './send-body.ts';

/** What the exchange hears of the upload. */
export interface UploadEvents {
  /** The backend took something, after which its time to answer begins anew. */
  onTaken(): void;
  /** The backend takes no more for now. */
  onBlocked(): void;
  onBodyBroken(why: BrokenBody): void;
}

/** A backend that has not said 100 Continue by then gets the body all the same (RFC 9110 section 10.1.1). */
const continueMs = 1000;

/** The body of one request on its way, from the first byte on or from when the backend says that it wants it. */
export class Upload {
  readonly #body: RequestBody;
  readonly #socket: BackendSocket;
  readonly #events: UploadEvents;
  #sending: Sending | undefined;
  #withheld: NodeJS.Timeout | undefined;
  /** The whole request was handed over. */
  complete: boolean;
  /** Where a failure would happen now. */
  phase: AttemptPhase = 'await_head';

  constructor(body: RequestBody, socket: BackendSocket, events: UploadEvents) {
    this.#body = body;
    this.#socket = socket;
    this.#events = events;
    this.complete = body.length === 0;
  }

  get active(): boolean {
    return this.#sending !== undefined;
  }

  /** Nobody has opened the body yet: the client still keeps it. */
  get withheld(): boolean {
    return this.#withheld !== undefined;
  }

  /** Begins when the backend says so, or has said nothing for a second. */
  waitForContinue(): void {
    this.#withheld = setTimeout(this.begin, continueMs);
  }

  onContinue(): void {
    if (this.withheld) this.begin();
  }

  readonly begin = (): void => {
    clearTimeout(this.#withheld);
    this.#withheld = undefined;
    this.phase = 'send';
    this.#sending = sendBody(this.#body, this.#socket, {
      progressed: () => this.#onProgress('send'),
      blocked: () => this.#events.onBlocked(),
      sent: () => {
        this.#sending = undefined;
        this.complete = true;
        this.#onProgress('await_head');
      },
      broken: (why) => {
        this.#sending = undefined;
        this.#events.onBodyBroken(why);
      },
    });
  };

  /** Also after a failed write: the backend takes nothing more, but its answer may be waiting all the same. */
  readonly stop = (): void => {
    clearTimeout(this.#withheld);
    this.#withheld = undefined;
    this.#sending?.stop();
    this.#sending = undefined;
  };

  #onProgress(phase: AttemptPhase): void {
    this.phase = phase;
    this.#events.onTaken();
  }
}
