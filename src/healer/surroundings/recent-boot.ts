import { readFile } from 'node:fs/promises';
import { formatDuration } from '../../core/time.ts';
import type { Now } from '../policy/limits.ts';
import type { Hindrance } from '../policy/surroundings.ts';

const uptimeFile = '/proc/uptime';

/** How long the host has been up, in ms. Of a container it is the host's, unless lxcfs stands in for it. */
export async function uptimeMs(path = uptimeFile): Promise<number> {
  return Number((await readFile(path, 'utf8')).split(' ')[0]) * 1000;
}

/** A boot less than `withinMs` ago: services are still coming up, in an order that others decide. */
export async function recentBoot(withinMs: number, now: Now, path = uptimeFile): Promise<readonly Hindrance[]> {
  const upMs = await uptimeMs(path);
  return upMs < withinMs ? [{ text: `the host was booted ${formatDuration(upMs)} ago, less than ${formatDuration(withinMs)}`, untilMs: now.monotonicMs + withinMs - upMs }] : [];
}
