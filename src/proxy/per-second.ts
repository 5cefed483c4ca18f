/** Counts what happens within one second, so that the rest of a flood can be left out. Monotonic milliseconds. */
export class PerSecond {
  #count = 0;
  #beganMs = -Infinity;

  /** How many it has been in this second, this one included. */
  count(nowMs: number): number {
    if (nowMs - this.#beganMs >= 1000) {
      this.#beganMs = nowMs;
      this.#count = 0;
    }
    return ++this.#count;
  }
}
