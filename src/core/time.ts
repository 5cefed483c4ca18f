/**
 * Time as a thing that is handed in, so that tests own it.
 * Wall time is for records and for limits that outlive a process; monotonic time is for everything else.
 */
export interface Clock {
  /** Milliseconds since 1970, may jump. */
  wallMs(): number;
  /** Milliseconds, never goes back within one process. */
  monotonicMs(): number;
  /** Resolves after `ms`, or at once when the signal aborts (it never rejects). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A moment of monotonic time as ISO text, for records and answers. */
export function isoOf(monotonicMs: number, clock: Clock): string {
  return new Date(clock.wallMs() + monotonicMs - clock.monotonicMs()).toISOString();
}

/** The machine's clock. The one place that reads it. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', done, { once: true });
    }),
};

/** `850 ms`, `3.2 s`, `4 min`, `2 h`: how people say a length of time. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${trim(ms / 1000)} s`;
  if (ms < 3_600_000) return `${trim(ms / 60_000)} min`;
  return `${trim(ms / 3_600_000)} h`;
}

function trim(value: number): string {
  return value < 10 ? String(Math.round(value * 10) / 10) : String(Math.round(value));
}
