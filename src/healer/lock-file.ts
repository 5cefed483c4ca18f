/**
 * A lock that lives and dies with this process: an open file, locked by running `flock -n` once on the inherited
 * descriptor. The lock belongs to the open file and not to that program, so it stays when the program has ended, and
 * the kernel takes it back when we end, however that is. Who holds it writes a note into the file, for people and for
 * where the kernel does not tell (pid namespaces); what counts is the lock.
 */
import { closeSync, constants, existsSync, fstatSync, ftruncateSync, lstatSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import { systemClock } from '../core/time.ts';
import type { RunCommand } from './commands.ts';
import { isAlive, readStat } from './proc.ts';

const words = z.string().max(300);
const noteSchema = z.strictObject({ pid: z.int().min(1), start_ticks: z.int().min(0), host: words, since: z.iso.datetime(), by: words.optional(), reason: words.optional() });

/** Who holds a lock, by its own words. `start_ticks` and `pid` together name the process, as in /proc/PID/stat. */
export type LockNote = Readonly<z.output<typeof noteSchema>>;

export interface TakenLock {
  readonly kind: 'taken';
  /** False when the file was removed or replaced: somebody else can lock the new one. */
  isOurs(): boolean;
  /** Gives it back, and empties the note. */
  release(): void;
}

/** `held`: by whoever the note names, where there is one. `unusable`: the lock can be neither taken nor seen; why. */
export type LockResult = TakenLock | { readonly kind: 'held'; readonly note: LockNote | undefined } | { readonly kind: 'unusable'; readonly problem: string };

const flockMs = 5000;
const programs = ['/usr/bin/flock', '/bin/flock'];
/** Longer notes are none of ours. */
const longestNote = 2048;

/** Tries once; never waits for the holder, never rejects. The file is made when it is missing, mode 0600. */
export async function takeLock(path: string, words: { readonly by?: string; readonly reason?: string }, run: RunCommand): Promise<LockResult> {
  const program = programs.find((one) => existsSync(one));
  if (program === undefined) return { kind: 'unusable', problem: `the program flock is missing (looked for ${programs.join(' and ')}): install util-linux` };
  const file = openLockFile(path);
  if (typeof file === 'string') return { kind: 'unusable', problem: `the lock file ${path} cannot be used: ${file}` };
  const result = await run.run([program, '-n', '3'], { timeoutMs: flockMs, descriptor: file });
  if (result.exitCode === 0 && isSameFile(path, file)) return taken(path, file, words);
  closeSync(file);
  if (result.exitCode === 0) return { kind: 'unusable', problem: `the lock file ${path} was replaced while it was locked` };
  if (result.exitCode === 1) return { kind: 'held', note: noteOfHolder(path) };
  return { kind: 'unusable', problem: `${path} could not be locked: ${result.startError ?? (result.timedOut ? `flock did not end within ${flockMs / 1000} s` : result.output)}` };
}

/** The note in a lock file, or `undefined` where there is none that can be read. The lock itself may be free. */
export function readNote(path: string): LockNote | undefined {
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const buffer = Buffer.alloc(longestNote);
      return noteSchema.safeParse(JSON.parse(buffer.toString('utf8', 0, readSync(file, buffer, 0, longestNote, 0)))).data;
    } finally {
      closeSync(file);
    }
  } catch {
    // best effort: a note is for people
    return undefined;
  }
}

/** Who was killed has left his note, and whoever holds the lock now may have written none. Of another host nothing can be said. */
function noteOfHolder(path: string): LockNote | undefined {
  const note = readNote(path);
  return note && note.host === hostname() && !isWriterAlive(note) ? undefined : note;
}

/** Whether the process that wrote the note still runs here. */
export function isWriterAlive(note: LockNote): boolean {
  const stat = readStat(note.pid);
  return isAlive(stat) && stat.startTicks === note.start_ticks;
}

/** `process 4711 of alice on web1 since 2026-11-26T16:40:00Z (release 12)`. */
export function describeHolder(note: LockNote | undefined): string {
  if (!note) return 'a process that left no note of itself';
  return `process ${note.pid}${note.by === undefined ? '' : ` of ${note.by}`} on ${note.host} since ${note.since}${note.reason === undefined ? '' : ` (${note.reason})`}`;
}

/** The descriptor, or why not. Root opens it: no link is followed, and nobody else's file is written to. */
function openLockFile(path: string): number | string {
  try {
    mkdirSync(dirname(path), { recursive: true });
    // NONBLOCK: opening a FIFO that nobody reads would hang.
    const file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600);
    const { uid, nlink } = fstatSync(file);
    const ours = process.geteuid?.() ?? 0;
    if (fstatSync(file).isFile() && (uid === ours || uid === 0) && nlink === 1) return file;
    closeSync(file);
    return `expected a plain file of its own that belongs to uid ${ours}, found one of uid ${uid}; remove it, or name another`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function taken(path: string, file: number, words: { readonly by?: string; readonly reason?: string }): TakenLock {
  const { by, reason } = words;
  const note: LockNote = {
    pid: process.pid,
    start_ticks: readStat(process.pid)?.startTicks ?? 0,
    host: hostname(),
    since: new Date(systemClock.wallMs()).toISOString(),
    ...(by === undefined ? {} : { by: by.slice(0, 100) }),
    ...(reason === undefined ? {} : { reason: reason.slice(0, 300) }),
  };
  write(file, `${JSON.stringify(note)}\n`);
  return {
    kind: 'taken',
    isOurs: () => isSameFile(path, file),
    release() {
      write(file, '');
      closeSync(file);
    },
  };
}

function write(file: number, text: string): void {
  try {
    ftruncateSync(file);
    writeSync(file, text, 0);
  } catch {
    // best effort: a note is for people; a full disk must not keep the lock from being held
  }
}

function isSameFile(path: string, file: number): boolean {
  try {
    const now = lstatSync(path, { bigint: true });
    const open = fstatSync(file, { bigint: true });
    return now.ino === open.ino && now.dev === open.dev;
  } catch {
    // gone, or not to be seen any more: not ours, as far as anybody can know
    return false;
  }
}
