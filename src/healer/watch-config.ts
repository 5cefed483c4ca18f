/**
 * Notices that the configuration's files were changed. By looking at them every second, because that is the same for
 * an editor that renames, a folder that a package manager replaces, a link that is moved, and a network file system.
 * Told only once they were left alone for one further look: who writes several files is not read in the middle.
 */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { findPolicyFiles } from '../config/find-policy-files.ts';
import type { Clock } from '../core/time.ts';

export interface WatchedConfiguration {
  /** goodgateway.yaml first. */
  readonly files: readonly string[];
  /** Of policy files: one that is new belongs to the configuration as well. */
  readonly patterns: readonly string[];
}

export interface WatchConfigOptions {
  /** Asked before each look: a reload may have changed it. */
  readonly watched: () => WatchedConfiguration;
  readonly changed: () => Promise<void>;
  readonly clock: Clock;
  /** Wall time before which the files were not read yet: what changed since then is news. */
  readonly readAtMs: number;
  readonly signal: AbortSignal;
}

const lookEveryMs = 1000;
/** The kernel's stamps come from a clock that ticks: they may be a little older than the moment itself. */
const tickMs = 50;

/** Watches until the signal aborts. */
export async function watchConfig({ watched, changed, clock, readAtMs, signal }: WatchConfigOptions): Promise<void> {
  const look = (): Promise<Look> => lookAt(watched());
  let seen = await look();
  let isNews = seen.changedAtMs.some((atMs) => isBetween(atMs, readAtMs, clock.wallMs()));
  for (;;) {
    await clock.sleep(lookEveryMs, signal);
    if (signal.aborted) return;
    const now = await look();
    if (now.signature !== seen.signature) [seen, isNews] = [now, true];
    else if (isNews) {
      const beganMs = clock.wallMs();
      await changed();
      // other files may belong to it now; what was changed while it was read is news again
      seen = await look();
      isNews = seen.changedAtMs.some((atMs) => isBetween(atMs, beganMs, clock.wallMs()));
    }
  }
}

interface Look {
  readonly signature: string;
  readonly changedAtMs: readonly number[];
}

/** A stamp from the future (a clock that was put back) is no news for ever. */
function isBetween(atMs: number, fromMs: number, toMs: number): boolean {
  return atMs >= fromMs - tickMs && atMs <= toMs;
}

async function lookAt({ files, patterns }: WatchedConfiguration): Promise<Look> {
  const matches = await Promise.all(patterns.map((pattern) => findPolicyFiles(dirname(files[0] ?? '/'), pattern)));
  const all = [...new Set([...files, ...matches.flat()])].toSorted();
  const looks = await Promise.all(all.map(async (file) => ({ file, about: await stat(file).catch(() => undefined) })));
  return {
    // also owner and mode, which a healer with rights looks at: their change shows in ctime
    signature: looks.map(({ file, about }) => `${file} ${about ? [about.dev, about.ino, about.size, about.mtimeMs, about.ctimeMs].join(':') : 'missing'}`).join('\n'),
    changedAtMs: looks.flatMap(({ about }) => about?.ctimeMs ?? []),
  };
}
