import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

/**
 * Opens a log for reading; throws when it cannot be, or is no regular file. Whoever may write to a log's folder may
 * put a FIFO in its place, and a plain open waits for ever for its writer: four such waits stop all work on files.
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new Error(`${path} is no regular file`);
}
