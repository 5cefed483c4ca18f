/**
 * Finds out that a backend accepts connections again, whoever repaired it: one prober for all that wait, at most
 * every 50 ms, and for a unix socket a look at its folder, so that the new socket is tried at once.
 */
import { watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Address, UpstreamFailure } from '../core/failure.ts';
import type { Clock } from '../core/time.ts';

export interface RecoveryWatchOptions {
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  readonly connect: (target: Address, timeoutMs: number, signal?: AbortSignal) => Promise<UpstreamFailure | undefined>;
}

const closestMs = 50;
const widestMs = 500;
/** While an outage is young every 50 ms count for those who wait; later nobody waits and the host is spared. */
const youngForMs = 60_000;

/** Calls `opened` once, when a connect works; gives up silently when the signal aborts. */
export async function watchForRecovery(target: Address, opened: () => void, signal: AbortSignal, options: RecoveryWatchOptions): Promise<void> {
  const { clock } = options;
  const began = clock.monotonicMs();
  const folder = target.kind === 'unix' ? watchFolder(dirname(target.path), signal) : undefined;
  while (!signal.aborted) {
    if ((await options.connect(target, options.connectTimeoutMs, signal)) === undefined) {
      if (!signal.aborted) opened();
      return;
    }
    const pauseMs = clock.monotonicMs() - began < youngForMs ? closestMs : widestMs;
    const wake = new AbortController();
    await Promise.race([clock.sleep(pauseMs, AbortSignal.any([signal, wake.signal])), folder?.changed() ?? never]);
    wake.abort();
  }
}

const never = new Promise<void>(() => undefined);

function watchFolder(folder: string, signal: AbortSignal): { changed(): Promise<void> } {
  let tell: (() => void) | undefined;
  try {
    const watcher = watch(folder, { persistent: false, signal }, () => tell?.());
    watcher.on('error', () => watcher.close());
  } catch {
    // best effort: the folder may not exist yet; the prober goes on by the clock
  }
  return { changed: () => new Promise((resolve) => (tell = resolve)) };
}
