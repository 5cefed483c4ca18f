/**
 * What is in the backend at this moment, and whether one more may go there: the backend's own size, the ramp after an
 * outage, and the budget of replays. It knows nothing of who waits.
 */
import type { Clock } from '../core/time.ts';
import { Ramp } from './ramp.ts';

/** After so long a ramp has done its work, however little was answered. */
const rampLongestMs = 5000;
/**
 * Replays in the backend at once: one in five of all that are there, and three in any case. More of them would make an
 * overload of a hiccup. The numbers are Envoy's retry budget. One whose answer has begun counts no longer: it may be an
 * event stream that never ends, and the others would wait for it.
 */
const replayShare = 0.2;
const replayFloor = 3;

/** One place in the backend. Each of its three reports may come once, `release` last and always. */
export interface Place {
  answered(): void;
  failed(): void;
  release(): void;
}

export class Concurrency {
  /** Most at once, where the backend's size is known. */
  limit: number | undefined;
  readonly #clock: Clock;
  /** Called whenever one more may go. */
  readonly #roomier: () => void;
  #inFlight = 0;
  #replays = 0;
  /** Counts what was let go since the gate opened. Requests that were in the backend before are none of its business. */
  #ramp: Ramp | undefined;

  constructor(limit: number | undefined, clock: Clock, roomier: () => void) {
    this.limit = limit;
    this.#clock = clock;
    this.#roomier = roomier;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get hasRoom(): boolean {
    return this.#ramp?.full !== true && this.#inFlight < (this.limit ?? Infinity);
  }

  get hasRoomForReplay(): boolean {
    return this.hasRoom && this.#replays < Math.max(replayFloor, this.#inFlight * replayShare);
  }

  /** The gate has opened: few go at first. */
  beginRamp(): void {
    const ramp = new Ramp();
    this.#ramp = ramp;
    void this.#clock.sleep(rampLongestMs).then(() => {
      if (this.#ramp === ramp) this.#endRamp();
    });
  }

  /** Nobody waits any more: a ramp that is not even half used holds nobody back. */
  nobodyWaits(): void {
    if (this.#ramp?.halfEmpty === true) this.#ramp = undefined;
  }

  take(replay: boolean): Place {
    const ramp = this.#ramp;
    this.#inFlight += 1;
    if (replay) this.#replays += 1;
    ramp?.went();
    let taken = true;
    let replaying = replay;
    const endReplay = (): void => {
      if (replaying) this.#replays -= 1;
      replaying = false;
    };
    return {
      answered: () => {
        endReplay();
        ramp?.answered();
        if (ramp?.done === true && this.#ramp === ramp) this.#ramp = undefined;
        this.#roomier();
      },
      failed: () => ramp?.failed(),
      release: () => {
        if (!taken) return;
        taken = false;
        this.#inFlight -= 1;
        endReplay();
        ramp?.cameBack();
        this.#roomier();
      },
    };
  }

  #endRamp(): void {
    this.#ramp = undefined;
    this.#roomier();
  }
}
