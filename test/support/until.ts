import { setTimeout as pause } from 'node:timers/promises';

export interface UntilOptions {
  readonly timeoutMs: number;
  /** What is waited for, as the end of "waited 5000 ms for …". May be asked late, to say what was there instead. */
  readonly what: string | (() => string);
  readonly everyMs?: number;
}

/**
 * Polls `condition` until it gives something truthy and returns that: the only way in which a test waits for a real
 * process. Rejects with what was waited for when the time is over; an error of the condition counts as "not yet" and
 * is kept as the cause.
 */
export async function until<T>(condition: () => T | Promise<T>, options: UntilOptions): Promise<NonNullable<T>> {
  const deadline = performance.now() + options.timeoutMs;
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
    await pause(options.everyMs ?? 10);
  }
}
