import { setTimeout as pause } from 'node:timers/promises';

export interface UntilOptions {
  readonly timeoutMs: number;
  /** What is waited for, as the end of "waited 5000 ms for …". May be asked late, to say what was there instead. */
  readonly what: string | (() => string);
  /** Default: 10 ms at first, then rarer, up to 100 ms: many look at whole logs, and the two cores are the test's own. */
  readonly everyMs?: number;
}

/**
 * Polls `condition` until it gives something truthy and returns that: the only way in which a test waits for a real
 * process. Rejects with what was waited for when the time is over; an error of the condition counts as "not yet" and
 * is kept as the cause.
 */
export async function until<T>(condition: () => T | Promise<T>, options: UntilOptions): Promise<NonNullable<T>> {
  const beganMs = performance.now();
  const deadline = beganMs + options.timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const found = await condition();
      if (found) return found;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() >= deadline) {
      const what = typeof options.what === 'function' ? options.what() : options.what;
      throw new Error(`waited ${options.timeoutMs} ms for ${what}`, { cause: lastError });
    }
    await pause(options.everyMs ?? Math.min(100, Math.max(10, (performance.now() - beganMs) / 10)));
  }
}
