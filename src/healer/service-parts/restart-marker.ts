/**
 * A stop that goodgateway made on its way to a start. Without a pidfile a service counts as stopped on purpose, and a
 * graceful stop removes the pidfile: if the start after it fails, or the healer dies in between, only this file tells
 * that nobody wanted the service to be down.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
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

/** The service runs again, or was stopped for good. */
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
