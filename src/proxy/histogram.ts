/** Counts durations by how long they were. Never grows: one number for each bound, and one for what is longer. */
export class Histogram {
  /** Upper ends, ascending, in seconds. */
  readonly bounds: readonly number[];
  /** How many were at most as long as the bound of the same place and longer than the one before; the last: longer than all. */
  readonly counts: number[];
  sumSeconds = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(ms: number): void {
    const seconds = ms / 1000;
    let place = 0;
    while (place < this.bounds.length && seconds > this.bounds[place]!) place += 1;
    this.counts[place]! += 1;
    this.sumSeconds += seconds;
  }
}
