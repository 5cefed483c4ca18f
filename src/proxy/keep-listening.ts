/**
 * A listening unix socket whose file is gone is deaf: nginx goes round us (or fails) and nobody notices. So the file is
 * looked at every now and then, and made again.
 */
import { statSync } from 'node:fs';
import type { Address } from '../core/failure.ts';
import { formatAddress } from '../core/failure.ts';
import type { Clock } from '../core/time.ts';
import type { Listener } from './gateway-request.ts';

const lookEveryMs = 2000;

export interface KeepListeningOptions {
  readonly address: Address;
  readonly listen: () => Promise<Listener>;
  readonly clock: Clock;
  readonly log: { warn(fields: object, message: string): void };
  readonly signal: AbortSignal;
}

export interface KeptListener extends Listener {
  /** Why nobody can reach it at the moment; `undefined` when it listens. */
  whyDeaf(): string | undefined;
}

/** Listens, and listens again whenever the socket's file was lost; rejects only when it cannot listen at first. */
export async function keepListening(options: KeepListeningOptions): Promise<KeptListener> {
  const listeners = [await options.listen()];
  let deaf: string | undefined;
  if (options.address.kind === 'unix') void watchFile(options.address.path, { ...options, listeners, became: (now) => (deaf = now) });
  return {
    whyDeaf: () => deaf,
    drain: async (signal) => void (await Promise.all(listeners.map((listener) => listener.drain(signal)))),
    close: async (deadline) => void (await Promise.all(listeners.map((listener) => listener.close(deadline)))),
  };
}

interface Watched extends KeepListeningOptions {
  readonly listeners: Listener[];
  /** Reachable (`undefined`), or why not. */
  readonly became: (deaf: string | undefined) => void;
}

/** The listeners before stay: connections that they accepted go on. */
async function watchFile(path: string, { address, listen, clock, log, signal, listeners, became }: Watched): Promise<void> {
  let known = inodeOf(path);
  for (;;) {
    await clock.sleep(lookEveryMs, signal);
    if (signal.aborted) return;
    if (inodeOf(path) === known) continue;
    try {
      listeners.push(await listen());
      known = inodeOf(path);
      became(undefined);
      log.warn({ listen: formatAddress(address) }, 'the socket file was lost and was made again');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      became(`${formatAddress(address)}: its file was lost and could not be made again: ${reason}`);
      log.warn({ listen: formatAddress(address), reason }, 'the socket file was lost and could not be made again; nginx cannot reach this gateway');
    }
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}
