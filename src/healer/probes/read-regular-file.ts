import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

/** Of Linux, unknown to Node: a handle on the file that does not open it. @see open(2) */
const pathOnly = 0o10000000;

/**
 * Opens a log for reading; throws when it cannot be, or is no regular file. Whoever may write to a log's folder may put
 * anything in its place. A plain open waits for ever for a FIFO's writer (four such waits stop all work on files), and
 * to open a device can be to use it: a watchdog begins to count, and reboots the host. So the file is looked at before
 * it is opened, and what is opened is what was looked at.
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  await using found = await open(path, pathOnly);
  if (!(await found.stat()).isFile()) throw new Error(`${path} is no regular file`);
  const same = `/proc/self/fd/${found.fd}`;
  try {
    // waited for here: at the return the handle that it goes by is closed
    return await open(same, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new Error(error instanceof Error ? error.message.replace(same, path) : String(error), { cause: error });
  }
}

/**
 * The text of a small regular file, at once; `undefined` when it cannot be read, is larger, or is anything else. Looked
 * at and opened as {@link openRegularFile} does: a FIFO would hold the whole program.
 */
export function readRegularText(path: string, mostBytes: number): string | undefined {
  const open: number[] = [];
  try {
    const found = openSync(path, pathOnly);
    open.push(found);
    const about = fstatSync(found);
    if (!about.isFile() || about.size > mostBytes) return undefined;
    const file = openSync(`/proc/self/fd/${found}`, constants.O_RDONLY | constants.O_NONBLOCK);
    open.push(file);
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  } finally {
    for (const one of open) closeSync(one);
  }
}
