/** The shop's workers: each request is handled by one, and waits inside the shop when all are busy. */
export interface WorkerSlots {
  readonly count: number;
  /** Resolves when a worker is free and is now taken; `undefined` when too many wait already. */
  take(): Promise<Release | undefined>;
  /** Keeps every worker busy for so long, those that are busy now from the moment on at which they become free. */
  fill(ms: number): void;
  busy(): number;
}
/** Gives the worker back. A second call does nothing. */
export type Release = () => void;

/** A real server's listen queue is bounded too (128 on Debian's Apache would be 511). */
const mostWaiting = 500;

/** So many workers, all free. */
export function workerSlots(count: number): WorkerSlots {
  let busy = 0;
  const waiting: (() => void)[] = [];

  const releaseOnce = (): Release => {
    let given = false;
    return () => {
      if (given) return;
      given = true;
      const next = waiting.shift();
      if (next) next();
      else busy--;
    };
  };
  const take = (): Promise<Release | undefined> => {
    if (busy < count) {
      busy++;
      return Promise.resolve(releaseOnce());
    }
    if (waiting.length >= mostWaiting) return Promise.resolve(undefined);
    return new Promise((resolve) => waiting.push(() => resolve(releaseOnce())));
  };
  const fill = (ms: number): void => {
    for (let i = 0; i < count; i++) void take().then((release) => release && setTimeout(release, ms));
  };
  return { count, take, fill, busy: () => busy };
}
