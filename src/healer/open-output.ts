/**
 * The output file of a program that stays. Root opens it, and a service's user may own the log folder that the policy
 * names: whoever can change an entry of the folder could have root append to any file, or rename it. So the folder must
 * be root's (or ours), and the file a plain one of ours.
 */
import { constants, createWriteStream, fstatSync, lstatSync, mkdirSync, openSync, closeSync, realpathSync, renameSync, type Stats, type WriteStream } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** An output file is renamed to `.1` at a start when it is larger; so at most two are kept. */
const outputFileBytes = 8 * 1024 ** 2;

/** The file, made if need be and opened for appending, or why not. A stream because execa takes no bare descriptor. */
export function openOutput(path: string): WriteStream | string {
  try {
    const folder = dirname(path);
    const unsafe = whyUnsafe(nearest(folder), isLoose);
    if (unsafe !== undefined) return unsafe;
    mkdirSync(folder, { recursive: true });
    const real = realpathSync(folder);
    return whyUnsafe(real, isShared) ?? openIn(join(real, basename(path)));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function openIn(path: string): WriteStream | string {
  if ((lstatSync(path, { throwIfNoEntry: false })?.size ?? 0) > outputFileBytes) renameSync(path, `${path}.1`);
  // NONBLOCK: opening a FIFO that nobody reads would hang.
  const file = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o640);
  const about = fstatSync(file);
  if (about.isFile() && isTrusted(about.uid) && about.nlink === 1) return createWriteStream(path, { fd: file });
  closeSync(file);
  return `it is not a plain file of its own that belongs to uid ${ourUid()}`;
}

/** The folder, or the first above it that is there: nothing is made inside one that is not ours. */
function nearest(folder: string): string {
  return lstatSync(folder, { throwIfNoEntry: false }) ? realpathSync(folder) : nearest(dirname(folder));
}

function whyUnsafe(folder: string, isOpen: (about: Stats) => boolean): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const about = lstatSync(at);
    if (!isTrusted(about.uid)) return `the folder ${at} belongs to uid ${about.uid}, who could make us write elsewhere`;
    if (at === folder ? isOpen(about) : isLoose(about)) return `the folder ${at} can be written by others than its owner, who could make us write elsewhere`;
    if (at === '/') return undefined;
  }
}

/** Above the folder /tmp is good enough: it is sticky, so that nobody replaces another's entry. */
function isLoose({ mode }: Stats): boolean {
  return (mode & 0o1002) === 0o002;
}

/** Our own group is no stranger: many systems give each user a group and a umask of 002. */
function isShared({ mode, gid }: Stats): boolean {
  return (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gid !== process.getgid?.());
}

function isTrusted(uid: number): boolean {
  return uid === 0 || uid === ourUid();
}

function ourUid(): number {
  return process.geteuid?.() ?? 0;
}
