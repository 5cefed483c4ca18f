/**
 * Finds out that a backend accepts connections again, whoever repaired it: one prober for all that wait, at most
 * every 50 ms, and for a unix socket a look at its folder, so that the new socket is tried at once.
 */
import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Address, UpstreamFailure } from '../core/failure.ts';
import type { Clock } from '../core/time.ts';

export interface RecoveryWatchOptions {
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  readonly connect: (target: Address, timeoutMs: number, signal?: AbortSignal) => Promise<UpstreamFailure | undefined>;
}

const closestMs = 50;
const widestMs = 500;
/** A folder in which others are busy (/run/php, /tmp) must not make a tight loop of this. */
const afterEventMs = 10;
/** While an outage is young every 50 ms count for those who wait; later nobody waits and the host is spared. */
const youngForMs = 60_000;

/** Calls `opened` once, when a connect works; gives up silently when the signal aborts. */
export async function watchForRecovery(target: Address, opened: () => void, signal: AbortSignal, options: RecoveryWatchOptions): Promise<void> {
  const { clock } = options;
  const began = clock.monotonicMs();
  const waiting = { until: new AbortController() };
  const stop = (): void => waiting.until.abort();
  signal.addEventListener('abort', stop, { once: true });
  if (target.kind === 'unix') watchSocket(target.path, signal, () => waiting.until.abort());
  while (!signal.aborted) {
    waiting.until = new AbortController();
    if ((await options.connect(target, options.connectTimeoutMs, signal)) === undefined) {
      if (!signal.aborted) opened();
      break;
    }
    await clock.sleep(afterEventMs, signal);
    const pauseMs = clock.monotonicMs() - began < youngForMs ? closestMs : widestMs;
    await clock.sleep(pauseMs - afterEventMs, waiting.until.signal);
  }
  signal.removeEventListener('abort', stop);
}

function watchSocket(path: string, signal: AbortSignal, changed: () => void): void {
  try {
    const watcher = watch(dirname(path), { persistent: false, signal }, (_event, name) => {
      if (name === basename(path)) changed();
    });
    watcher.on('error', () => watcher.close());
  } catch {
    // best effort: the folder may not exist yet; the prober goes on by the clock
  }
}
