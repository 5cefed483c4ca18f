import { closeSync, constants, fstatSync, openSync, readSync, statSync, type Stats } from 'node:fs';

/** What a pidfile says. */
export type Pidfile =
  | { readonly kind: 'missing' }
  | { readonly kind: 'unusable'; readonly why: string }
  | {
      readonly kind: 'pid';
      readonly pid: number;
      readonly writtenAtMs: number;
      /** The file is this plain user's: it speaks for processes of that user only. Absent: it is root's, or we are not root. */
      readonly onlyUid?: number;
    };

/**
 * The pid that a pidfile names; never 1, whose family would be the whole host. Only the first 32 bytes are read. For
 * root, whoever can write the file chooses whom it ends: a link, a FIFO (on which `open` would hang) and a file that
 * anybody can write are unusable. The folder does not count: Debian's /run/php is www-data's and the pidfile in it
 * root's, and nobody makes a file of root's with words of his own.
 */
export function readPidfile(path: string): Pidfile {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    if (code === 'ENOENT') return { kind: 'missing' };
    return { kind: 'unusable', why: code === 'ELOOP' ? `${path} is a symbolic link: name the file itself` : `${path} cannot be read (${code})` };
  }
  try {
    const about = fstatSync(file);
    const unusable = whyUnusable(about);
    if (unusable !== undefined) return { kind: 'unusable', why: `${path} ${unusable}` };
    const bytes = Buffer.alloc(32);
    const text = bytes.toString('utf8', 0, readSync(file, bytes)).trim();
    if (!/^[1-9]\d{0,9}$/.test(text) || text === '1') return { kind: 'unusable', why: `${path} holds no pid of a service` };
    return { kind: 'pid', pid: Number(text), writtenAtMs: about.mtimeMs, ...(isRoot() && about.uid !== 0 ? { onlyUid: about.uid } : {}) };
  } catch {
    return { kind: 'unusable', why: `${path} cannot be read` };
  } finally {
    closeSync(file);
  }
}

/** A second name of a file of root's would be a way to make it another service's pidfile. */
function whyUnusable(about: Stats): string | undefined {
  if (!about.isFile()) return 'is not a file';
  if (!isRoot()) return undefined;
  if (about.nlink > 1) return 'has a second name (hard link)';
  if ((about.mode & 0o002) !== 0 || (about.uid === 0 && about.gid !== 0 && (about.mode & 0o020) !== 0)) return `can be written by others than uid ${about.uid}, its owner`;
  return undefined;
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** Whose rights a process has; `undefined` when it is gone. The folder shows it also where a daemon changed its user. */
export function uidOf(pid: number): number | undefined {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;
}
