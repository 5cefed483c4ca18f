import { statfs } from 'node:fs/promises';
import type { Hindrance } from '../policy/surroundings.ts';

/** A disk with fewer free bytes than `size`, counted as a user without privileges may use them. Rejects when the path is not there. */
export async function fullDisk({ path, size }: { readonly path: string; readonly size: number }): Promise<readonly Hindrance[]> {
  const { bavail, bsize } = await statfs(path);
  const freeBytes = bavail * bsize;
  return freeBytes >= size ? [] : [{ text: `the disk of ${path} has ${toMiB(freeBytes)} MiB free, expected at least ${toMiB(size)} MiB` }];
}

function toMiB(bytes: number): number {
  return Math.round((bytes / 1024 ** 2) * 10) / 10;
}
