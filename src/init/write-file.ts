import { constants } from 'node:fs';
import { access, lstat, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

const usualMode = 0o644;

/**
 * Puts this content in the place of the file, at once and on the disk: whoever reads sees the old one or the new one. A
 * file that is there keeps its mode and owner, a link its target; a new one gets 0644. A missing folder is made. Rejects
 * with the system's error.
 */
export async function writeFileAtomically(file: string, content: string | Buffer): Promise<void> {
  const path = await realpath(file).catch(() => file);
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  const before = await stat(path).catch(() => undefined);
  // a pattern such as sites-enabled/* does not match a leading dot
  const beside = join(dirname(path), `.${basename(path)}.goodgateway-new`);
  await rm(beside, { force: true });
  try {
    await using handle = await open(beside, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    await handle.writeFile(content);
    if (before && (before.uid !== process.getuid?.() || before.gid !== process.getgid?.())) await handle.chown(before.uid, before.gid);
    await handle.chmod(before ? before.mode & 0o7777 : usualMode);
    await handle.sync();
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

/** Why this user may not write the file, as a sentence; `undefined` when it can be written. Tried without writing. */
export async function whyNotWritable(file: string): Promise<string | undefined> {
  let folder = dirname(file);
  while (!(await lstat(folder).catch(() => undefined)) && folder !== '/') folder = dirname(folder);
  return access(folder, constants.W_OK | constants.X_OK).then(
    () => undefined,
    () => `this user may not write in ${folder}`,
  );
}
