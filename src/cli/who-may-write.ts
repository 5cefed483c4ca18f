import { lstatSync, realpathSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import type { Account } from '../config/account.ts';

/**
 * The first thing on the way to this path (itself, or a folder above it) that this account may write to, and so could
 * put something else in its place; `undefined` when there is none. Links are resolved first.
 */
export function whoMayWrite(path: string, account: Account): string | undefined {
  let below: Stats | undefined;
  for (let at = realpathSync(path); ; at = dirname(at)) {
    const found = lstatSync(at);
    // in a sticky folder only the owner of a thing, or of the folder, can replace it
    const isKept = below !== undefined && (found.mode & 0o1000) !== 0 && below.uid !== account.uid && found.uid !== account.uid;
    if (!isKept && isWritable(found, account)) return at;
    if (at === '/') return undefined;
    below = found;
  }
}

function isWritable({ uid, gid, mode }: Stats, account: Account): boolean {
  // an owner may give himself every right
  if (uid === account.uid) return true;
  return (mode & (gid === account.gid ? 0o020 : 0o002)) !== 0;
}
