import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface StandstillOptions {
  /** Longer than this the process did not stand still: well below the time of the product that is at stake. */
  readonly shorterThanMs: number;
}

/**
 * For what the product itself ends after a short time (an idle connection after a second): where this process, and the
 * product in it, stood still for that long, nothing was seen, and `run` begins anew. It makes all that it needs, and
 * returns what is to be asserted.
 */
export async function withoutStandstill<T>({ shorterThanMs }: StandstillOptions, run: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + 30_000;
  const delays = monitorEventLoopDelay({ resolution: 5 });
  for (;;) {
    delays.reset();
    delays.enable();
    const [result] = await Promise.allSettled([run()]);
    delays.disable();
    if (delays.max / 1e6 < shorterThanMs || performance.now() > deadline) {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    }
  }
}
