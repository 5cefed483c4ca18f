/**
 * Tells systemd that the healer is ready, that it is stopping, and, where the unit has a watchdog, that it lives: by
 * systemd-notify, because Node cannot send to a datagram socket. Nothing where nobody asks (no NOTIFY_SOCKET).
 *
 * @see sd_notify(3)
 */
import type { Clock } from '../core/time.ts';
import type { RunCommand } from './commands.ts';
import type { HealerLog, Ward } from './healer.ts';

const systemdNotify = '/usr/bin/systemd-notify';
/** It takes 16 ms of a core (measured); a systemd that hangs must not hold the healer up. */
const notifyTimeoutMs = 2000;
/** A call each 10 s costs less than two thousandths of a core. */
const longestPauseMs = 10_000;
/** One look at a service has deadlines of some seconds; what takes longer than this has stopped. */
const longestLookMs = 30_000;

export interface SystemdParts {
  readonly run: RunCommand;
  readonly clock: Clock;
  readonly log: HealerLog;
  readonly wards: ReadonlyMap<string, Ward>;
  readonly stopping: AbortSignal;
  /** NOTIFY_SOCKET and WATCHDOG_USEC are read in it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Until the healer stops; never rejects. While a service is not looked at, systemd is told nothing, and starts the healer anew. */
export async function tellSystemd({ run, clock, log, wards, stopping, environment }: SystemdParts): Promise<void> {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: watchdogUs = '' } = environment;
  if (socket === undefined) return;
  const tell = async (word: string): Promise<void> => {
    const told = await run.run([systemdNotify, word], { timeoutMs: notifyTimeoutMs, environment: { NOTIFY_SOCKET: socket } });
    if (told.exitCode !== 0) log.warn({ output: told.output, startError: told.startError }, `systemd could not be told ${word}`);
  };
  await tell('READY=1');
  const pauseMs = Math.min(longestPauseMs, Number(watchdogUs) / 3000);
  while (pauseMs > 0 && !stopping.aborted) {
    const late = [...wards.values()].filter((ward) => clock.monotonicMs() - ward.lookedAtMs > ward.policy.watch.every + longestLookMs);
    if (late.length === 0) await tell('WATCHDOG=1');
    else log.warn({ services: late.map(({ name }) => name) }, 'services are not looked at any more: systemd is not told that the healer lives');
    await clock.sleep(pauseMs, stopping);
  }
  await untilAborted(stopping);
  await tell('STOPPING=1');
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })));
}
