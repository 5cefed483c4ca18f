/**
 * How many of those who waited are let go at once when the gate has opened: few at first, since a backend that has just
 * begun has cold caches and perhaps five workers; twice as many with each round that is answered, half as many when one
 * fails.
 */

/** A guess that suits five workers. */
const first = 4;
/** From so many at once a ramp has done its work; one that goes on would throttle a healthy backend. */
const last = 64;

export class Ramp {
  #window = first;
  #inFlight = 0;

  /** Nobody else may go for now. */
  get full(): boolean {
    return this.#inFlight >= this.#window;
  }
  get done(): boolean {
    return this.#window >= last;
  }
  /** Not even half used: where nobody waits, it holds nobody back. */
  get halfEmpty(): boolean {
    return this.#inFlight < this.#window / 2;
  }

  went(): void {
    this.#inFlight += 1;
  }
  /** One more for each answer: twice as many once all of a round were answered. */
  answered(): void {
    this.#window += 1;
  }
  failed(): void {
    this.#window = Math.max(1, Math.floor(this.#window / 2));
  }
  cameBack(): void {
    this.#inFlight -= 1;
  }
}
