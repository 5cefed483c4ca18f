import type { Clock } from '../core/time.ts';

/** So many a second, and as many at once. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #clock: Clock;
  #left: number;
  #atMs: number;

  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#left = perSecond;
    this.#atMs = clock.monotonicMs();
  }

  /** False when there is none left. */
  take(): boolean {
    const now = this.#clock.monotonicMs();
    this.#left = Math.min(this.#perSecond, this.#left + ((now - this.#atMs) / 1000) * this.#perSecond);
    this.#atMs = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
