/**
 * Who, beside root and ourselves, could change what a path leads to? A file is as safe as the least safe folder on the
 * way to it: whoever may write into one of them can put another file in its place. Links are followed one by one,
 * because each of them has a folder of its own.
 */
import { lstat, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** As many as the kernel follows, @see path_resolution(7). */
const mostLinks = 40;

/**
 * Why others than root and ourselves may change the file at this absolute path, with the command that cures it;
 * `undefined` when nobody else may. A sticky folder that all may write (/tmp) is no danger to what is ours in it.
 */
export async function whoMayChange(file: string): Promise<string | undefined> {
  const rest = file.split('/').filter((name) => name !== '');
  let at = '/';
  let links = 0;
  let unsafe = await judge(at);
  while (unsafe === undefined && rest.length > 0) {
    const name = rest.shift()!;
    const next = name === '..' ? dirname(at) : join(at, name);
    unsafe = await judge(next);
    const target = await readlink(next).catch(() => undefined);
    if (target === undefined) {
      at = next;
      continue;
    }
    if (++links > mostLinks) return `${file} leads through more than ${mostLinks} links`;
    rest.unshift(...target.split('/').filter((part) => part !== '' && part !== '.'));
    if (target.startsWith('/')) at = '/';
  }
  return unsafe;
}

async function judge(path: string): Promise<string | undefined> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return `${path} is not there any more`;
  const what = found.isDirectory() ? 'folder' : 'file';
  if (found.uid !== 0 && found.uid !== process.getuid?.()) {
    return `the user ${found.uid} owns the ${what} ${path}: chown ${found.isSymbolicLink() ? '-h ' : ''}root ${path}`;
  }
  const writable = (found.mode & 0o022) !== 0;
  // A link's own bits mean nothing. In a sticky folder nobody can replace what belongs to somebody else.
  const harmless = found.isSymbolicLink() || (found.isDirectory() && (found.mode & 0o1000) !== 0);
  if (!writable || harmless) return undefined;
  return `others may ${what === 'folder' ? 'write into the folder' : 'change the file'} ${path}: chmod go-w ${path}`;
}
