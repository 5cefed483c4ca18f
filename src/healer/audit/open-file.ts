/** The one file that the log writes to: whole lines or nothing. */
import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { auditFile, hashContent, isCompressed, type AuditFile } from './files.ts';

/** A file that is open for appending, and what we know of it. */
export interface OpenFile {
  readonly file: AuditFile;
  readonly handle: FileHandle;
  readonly inode: number;
  /** SHA-256 of everything in it so far: what it is sealed with. */
  readonly content: Hash;
  /** Length in bytes as far as we wrote or checked it; always the end of a line. */
  size: number;
  /** A failed write may have left a part of a line behind `size`, which could not be cut at once. */
  dirty: boolean;
}

/** Mode of audit files: the group (adm, where the folder belongs to it) may read. */
const fileMode = 0o640;
const maxFilesPerDay = 999_999;

/** Opens the file that the last run wrote to, of which `size` bytes are whole lines. `undefined`: it is sealed. Rejects with the system's error. */
export async function reopenFile(file: AuditFile, size: number): Promise<OpenFile | undefined> {
  if (isCompressed(file) || ((await stat(file.path)).mode & 0o200) === 0) return undefined;
  const { hash: content } = await hashContent(file.path);
  return opened(file, await open(file.path, constants.O_WRONLY | constants.O_APPEND), { size, content });
}

/** Makes the first free file of the day from `number` on, its name safe on the disk. Rejects with the system's error. */
export async function createFile(folder: string, day: string, number: number): Promise<OpenFile> {
  for (let n = number; n <= maxFilesPerDay; n++) {
    const file = auditFile(folder, day, n);
    try {
      return await makeSafe(file, await open(file.path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_EXCL, fileMode));
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
  }
  throw new Error(`more than ${maxFilesPerDay} audit files on one day`);
}

async function makeSafe(file: AuditFile, handle: FileHandle): Promise<OpenFile> {
  try {
    // The umask may have taken the group's right away.
    await handle.chmod(fileMode);
    await syncFolder(dirname(file.path));
    return await opened(file, handle, { size: 0, content: createHash('sha256') });
  } catch (error) {
    await handle.close().catch(() => undefined);
    // best effort: it is tried again every few seconds, and each try makes a file
    await rm(file.path, { force: true }).catch(() => undefined);
    throw error;
  }
}

async function opened(file: AuditFile, handle: FileHandle, has: Pick<OpenFile, 'size' | 'content'>): Promise<OpenFile> {
  return { file, handle, inode: (await handle.stat()).ino, ...has, dirty: false };
}

/**
 * Is the file still ours alone: the same file, at its place, as long as we left it? Otherwise how it was changed.
 * Rejects with the system's error where it cannot be found out (the folder is gone).
 */
export async function findChange(open: OpenFile): Promise<{ readonly bytes: number; readonly text: string } | undefined> {
  const now = await stat(open.file.path).catch(async (error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error;
    await stat(dirname(open.file.path));
    return undefined;
  });
  if (!now) return { bytes: open.size, text: `${open.file.name} was removed while goodgateway wrote to it` };
  if (now.ino !== open.inode) return { bytes: open.size, text: `${open.file.name} was replaced while goodgateway wrote to it` };
  if (open.dirty) await cutBack(open);
  else if (now.size !== open.size) return { bytes: Math.abs(now.size - open.size), text: `${open.file.name} was changed by somebody else: ${open.size} bytes expected, ${now.size} found` };
  return undefined;
}

/** One write of one line; on the disk where `durable`. On failure the file is as before, and the error is thrown. */
export async function appendLine(open: OpenFile, line: Buffer, durable: boolean): Promise<void> {
  try {
    const { bytesWritten } = await open.handle.write(line);
    if (bytesWritten < line.length) throw new Error(`only ${bytesWritten} of ${line.length} bytes could be written: no space left on the device`);
    if (durable) await open.handle.datasync();
  } catch (error) {
    open.dirty = true;
    // best effort: the next append cuts it, or the next start finds it torn
    await cutBack(open).catch(() => undefined);
    throw error;
  }
  open.size += line.length;
  open.content.update(line);
}

async function cutBack(open: OpenFile): Promise<void> {
  await open.handle.truncate(open.size);
  open.dirty = false;
}

/** Without this a power cut may lose a new name in the folder, and with it every record of that file. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The system's name of an error (`ENOSPC`); `undefined` where it is none of the system's. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
