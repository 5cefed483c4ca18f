import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** More than this is a mistaken pattern, not a configuration. */
export const fileLimit = 1000;

/**
 * The files that a pattern means, absolute and sorted; a relative pattern starts at `folder`. `*` stands for any
 * characters within one name, but not for a leading dot. Empty when nothing matches. Stops at {@link fileLimit} + 1.
 */
export async function findPolicyFiles(folder: string, pattern: string): Promise<readonly string[]> {
  let places = ['/'];
  for (const part of resolve(folder, pattern)
    .split('/')
    .filter((name) => name !== '')) {
    const next = await Promise.all(places.map((place) => (part.includes('*') ? matching(place, part) : [join(place, part)])));
    places = next.flat().slice(0, fileLimit + 1);
  }
  const files = await Promise.all(places.map(async (place) => ((await isFile(place)) ? [place] : [])));
  return files.flat().sort();
}

async function matching(folder: string, part: string): Promise<readonly string[]> {
  const [start = '', ...rest] = part.split('*');
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => fits(name, start, rest) && (part.startsWith('.') || !name.startsWith('.'))).map((name) => join(folder, name));
}

/** Literal pieces in their order, the last at the end: no regular expression is made from a file's text. */
function fits(name: string, start: string, rest: readonly string[]): boolean {
  if (!name.startsWith(start)) return false;
  let from = start.length;
  for (const piece of rest.slice(0, -1)) {
    const at = name.indexOf(piece, from);
    if (at < 0) return false;
    from = at + piece.length;
  }
  const end = rest.at(-1) ?? '';
  return name.length - end.length >= from && name.endsWith(end);
}

async function isFile(place: string): Promise<boolean> {
  return stat(place).then(
    (found) => found.isFile(),
    () => false,
  );
}
