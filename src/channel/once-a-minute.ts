import type { Clock } from '../core/time.ts';

const sayAgainMs = 60_000;
/** Different sentences that are told apart; beyond them all are forgotten, and said again. */
const mostRemembered = 100;

type Warn = (fields: object, message: string) => void;

/** A `warn` for what is true again at each attempt of the other side: the same sentence once a minute at most. */
export function onceAMinute(warn: Warn, clock: Clock): Warn {
  const saidAtMs = new Map<string, number>();
  return (fields, message) => {
    const now = clock.monotonicMs();
    if (now - (saidAtMs.get(message) ?? -Infinity) < sayAgainMs) return;
    if (saidAtMs.size >= mostRemembered) saidAtMs.clear();
    saidAtMs.set(message, now);
    warn(fields, message);
  };
}
