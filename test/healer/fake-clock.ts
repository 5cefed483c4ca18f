import type { Clock } from '../../src/core/time.ts';

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** No promise of this process waits for a file any more: what reads and writes has done it, however slow the disk is. */
export async function filesAreRead(): Promise<void> {
  do await new Promise<void>((resolve) => setImmediate(resolve));
  while (process.getActiveResourcesInfo().some((name) => /^FSReq|^CloseReq/.test(name)));
}

/** Far more than any disk takes. */
const longestMs = 60_000;

/** A clock that moves only when a test says so. */
export class FakeClock implements Clock {
  #wallMs: number;
  #monotonicMs: number;
  #sleepers: Sleeper[] = [];

  constructor(wallMs = Date.UTC(2026, 10, 22, 3, 0, 0), monotonicMs = 5_000_000) {
    this.#wallMs = wallMs;
    this.#monotonicMs = monotonicMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const sleeper: Sleeper = { atMs: this.#monotonicMs + ms, wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener(
        'abort',
        () => {
          this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
          resolve();
        },
        { once: true },
      );
    });
  }

  /** Time passes; who sleeps until then wakes. */
  pass(ms: number): void {
    this.#wallMs += ms;
    this.#monotonicMs += ms;
    const due = this.#sleepers.filter((sleeper) => sleeper.atMs <= this.#monotonicMs);
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.atMs > this.#monotonicMs);
    for (const sleeper of due) sleeper.wake();
  }

  /** Resolves once somebody sleeps: what was awake has done what it had to, however long the disk took. */
  async isAsleep(): Promise<void> {
    const began = performance.now();
    while (this.#sleepers.length === 0 && performance.now() - began < longestMs) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Somebody sets the wall clock; no time passes. */
  setWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  /** Who was woken has done its work: somebody sleeps again. */
  settle(): Promise<void> {
    return this.isAsleep();
  }

  /** Goes from one wake-up to the next until the promise settles. */
  async runUntil<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const over = (): void => void (settled = true);
    promise.then(over, over);
    const began = performance.now();
    while (performance.now() - began < longestMs) {
      await filesAreRead();
      if (settled) return promise;
      const next = Math.min(...this.#sleepers.map((sleeper) => sleeper.atMs));
      if (Number.isFinite(next)) this.pass(Math.max(0, next - this.#monotonicMs));
    }
    throw new Error('nothing that sleeps here settles the promise');
  }
}
