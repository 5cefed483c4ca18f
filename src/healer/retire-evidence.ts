/** Removes evidence that nobody will ask for any more: whole incidents, the oldest first, never those that are open. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Hashes of what is removed stay in the audit log. */
const keepMs = 14 * 86_400_000;
const keepBytes = 500 * 1024 ** 2;

interface Kept {
  readonly path: string;
  readonly atMs: number;
  readonly bytes: number;
}

/** `folder` holds one folder for each incident, named by its id. Returns the ids that were removed. Never rejects. */
export async function retireEvidence(folder: string, { open, wallMs }: { readonly open: ReadonlySet<string>; readonly wallMs: number }): Promise<readonly string[]> {
  const ids = (await readdir(folder).catch(() => [])).filter((id) => !open.has(id));
  const kept = (await Promise.all(ids.map((id) => measure(join(folder, id))))).flat().toSorted((a, b) => b.atMs - a.atMs);
  let bytes = 0;
  const old = kept.filter((one) => ((bytes += one.bytes), wallMs - one.atMs > keepMs || bytes > keepBytes));
  // best effort: what cannot be removed is tried again after the next incident
  for (const { path } of old) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  return old.map(({ path }) => path.slice(folder.length + 1));
}

async function measure(path: string): Promise<readonly Kept[]> {
  try {
    const { mtimeMs } = await stat(path);
    const files = await readdir(path, { recursive: true });
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(path, file))).size));
    return [{ path, atMs: mtimeMs, bytes: sizes.reduce((sum, size) => sum + size, 0) }];
  } catch {
    // it went away meanwhile
    return [];
  }
}
