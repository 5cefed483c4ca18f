import { describeHolder, isWriterAlive, readNote } from '../lock-file.ts';
import type { Hindrance } from '../policy/surroundings.ts';
import { locksOn, readLocks } from './kernel-locks.ts';

/**
 * A deploy that runs now: `goodgateway deploy`, or a script that holds the same file by flock(1). Only looked at: a try
 * of ours to lock it could make a deploy fail. In a container the kernel hides a lock whose taker has ended, so a note
 * whose writer lives counts, too. Rejects where the kernel's table or the file cannot be read.
 */
export async function runningDeploy(path: string): Promise<readonly Hindrance[]> {
  const [lock] = await locksOn(path, await readLocks());
  const note = readNote(path);
  const alive = note !== undefined && isWriterAlive(note);
  if (!lock && !alive) return [];
  // of a script's own flock the kernel knows more than the note of an earlier deploy
  const who = alive ? describeHolder(note) : `process ${lock?.pid ?? '(not named by the kernel)'}`;
  return [{ text: `a deploy is running: ${who} holds ${path}` }];
}
