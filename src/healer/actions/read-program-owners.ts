/** Who could change a program, and so could act as whoever runs it. */
import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';

/** As many as the kernel follows. */
const mostLinks = 40;

/**
 * Why the program must not be run, or `undefined`. Looked at are the file and everything on the way to it, step by step as the kernel goes: each folder, each symbolic link and what
 * that leads through. All must be owned by root (or by us, when we are not root) and writable by nobody else. Then the
 * path is run as it is written: nobody else can change where it leads, and a program of many names (busybox) needs its name.
 */
export function whyUnsafe(path: string): string | undefined {
  const ahead = path.split('/');
  for (let at = '/', links = 0; links < mostLinks;) {
    const about = look(at);
    if (!about) return `${path} does not exist`;
    const unsafe = whoElse(at, about);
    if (unsafe !== undefined) return unsafe;
    if (about.isSymbolicLink()) {
      const leadsTo = readlinkSync(at);
      ahead.unshift(...leadsTo.split('/'));
      at = leadsTo.startsWith('/') ? '/' : dirname(at);
      links++;
    } else if (ahead.length > 0) at = join(at, ahead.shift() ?? '');
    else return undefined;
  }
  return `${path} leads through more than ${mostLinks} symbolic links`;
}

function look(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

function whoElse(path: string, about: Stats): string | undefined {
  if (about.uid !== 0 && about.uid !== process.getuid?.()) return `${path} belongs to another user (uid ${about.uid}): whoever owns it could act through goodgateway`;
  // A sticky folder (/tmp) lets nobody replace another's file, but anybody could have put this one there. A link's mode means nothing.
  if (!about.isSymbolicLink() && (about.mode & 0o022) !== 0) return `${path} can be written by others than its owner: chmod go-w ${path}`;
  return undefined;
}
