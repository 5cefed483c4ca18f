import { lstat } from 'node:fs/promises';
import { formatDuration } from '../../core/time.ts';
import type { Hindrance } from '../policy/surroundings.ts';
import type { Now } from '../policy/limits.ts';

/**
 * A release that was put in place less than `age` ms ago. A link is not followed: what counts is when it was replaced,
 * not what the application writes behind it. The time is the inode's change (ctime), because rsync, tar and `mv` keep
 * older modification times. Rejects when the path is not there.
 */
export async function freshRelease({ path, age }: { readonly path: string; readonly age: number }, now: Now): Promise<readonly Hindrance[]> {
  const { ctimeMs } = await lstat(path);
  // in the future when the clock was set back: it was put in place just now
  const oldMs = Math.max(0, now.wallMs - ctimeMs);
  if (oldMs >= age) return [];
  return [{ text: `${path} was replaced ${formatDuration(oldMs)} ago; a release younger than ${formatDuration(age)} is left alone`, untilMs: now.monotonicMs + age - oldMs }];
}
