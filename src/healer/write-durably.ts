import { constants } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Puts this content in the place of the file: written beside it, flushed, renamed, and the folder flushed. After a crash
 * the file holds the old content or the new one. Mode 0600; a missing folder is made with 0700. Rejects with the
 * system's error.
 */
export async function writeDurably(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFlushed(`${path}.new`, content);
  await rename(`${path}.new`, path);
  await using directory = await open(dirname(path), constants.O_RDONLY);
  await directory.sync();
}

async function writeFlushed(path: string, content: string): Promise<void> {
  await using file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, 0o600);
  // A leftover of a crash may have other permissions.
  await file.chmod(0o600);
  await file.writeFile(content);
  await file.sync();
}
