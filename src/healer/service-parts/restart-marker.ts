/**
 * A stop that goodgateway made on its way to a start. Without a pidfile a service counts as stopped on purpose, and a
 * graceful stop removes the pidfile: if the start after it fails, or the healer dies in between, only this file tells
 * that nobody wanted the service to be down.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceTarget } from '../leaves.ts';

type Marked = Pick<ServiceTarget, 'name' | 'stateFolder'>;

/** Is a restart by goodgateway unfinished? */
export function isRestarting(target: Marked): boolean {
  return existsSync(markerPath(target));
}

/** Notes that the coming stop is half of a restart. False when it cannot be noted: then do not stop. */
export function markRestarting(target: Marked): boolean {
  try {
    mkdirSync(target.stateFolder, { recursive: true });
    writeFileSync(markerPath(target), `${Date.now()}\n`, { mode: 0o600 });
    return true;
  } catch {
    return false;
  }
}

/** Starts are known to the second in some places, and clocks round. */
const slackMs = 2000;
/** The longest stop of ours, and the start behind it. */
const longestRestartMs = 900_000;

/**
 * The service was seen to run since then (wall time). That ends the restart when it is the new run; the old one is seen
 * as well, as long as it takes to end. After a quarter of an hour nothing of it can be under way. `startedAtMs` is asked
 * only while a restart is under way.
 */
export function seenRunning(target: Marked, startedAtMs: () => number): void {
  const since = markedAtMs(target);
  if (since !== undefined && (startedAtMs() > since - slackMs || Math.abs(Date.now() - since) > longestRestartMs)) clearRestarting(target);
}

function markedAtMs(target: Marked): number | undefined {
  try {
    return Number(readFileSync(markerPath(target), 'utf8')) || 0;
  } catch {
    return undefined;
  }
}

/** The service runs again, was never stopped, or was stopped for good. */
export function clearRestarting(target: Marked): void {
  try {
    rmSync(markerPath(target), { force: true });
  } catch {
    // best effort: a marker that stays makes a later stop by hand look like ours, and is tried again at the next look
  }
}

function markerPath(target: Marked): string {
  return join(target.stateFolder, `${target.name}.restarting`);
}
