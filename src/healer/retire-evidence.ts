/**
 * Removes evidence that nobody will ask for any more: whole incidents, the oldest first, never those that are open. What
 * goes is on record first, with the hash of its manifest, which holds the hash of every file.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditEvent } from './audit/record.ts';
import type { EvidenceKeeping, Healer } from './healer.ts';

const usual: EvidenceKeeping = { keepMs: 14 * 86_400_000, keepBytes: 500 * 1024 ** 2 };
const againAfterMs = 86_400_000;

interface Kept {
  readonly path: string;
  readonly atMs: number;
  readonly bytes: number;
}

type Keeper = Pick<Healer, 'audit' | 'state' | 'clock' | 'evidence' | 'stopping'>;

/** At once and then every day, until the healer stops. Never rejects. */
export async function watchEvidence(folder: string, healer: Keeper): Promise<void> {
  while (!healer.stopping.aborted) {
    await retireEvidence(folder, healer);
    await healer.clock.sleep(againAfterMs, healer.stopping);
  }
}

/**
 * `folder` holds one folder for each incident, named by its id. Returns the ids that were removed. What cannot be
 * recorded is not removed; what cannot be removed is tried again the next time. `pinned` stays, as open incidents do. Never rejects.
 */
export async function retireEvidence(folder: string, { audit, state, clock, evidence: { keepMs, keepBytes } = usual }: Omit<Keeper, 'stopping'>, pinned?: string): Promise<readonly string[]> {
  const open = new Set([pinned, ...state.state().incidents.map(({ id }) => id)]);
  const ids = (await readdir(folder).catch(() => [])).filter((id) => !open.has(id));
  const kept = (await Promise.all(ids.map((id) => measure(join(folder, id))))).flat().toSorted((a, b) => b.atMs - a.atMs);
  let bytes = 0;
  const old = kept.filter((one) => ((bytes += one.bytes), clock.wallMs() - one.atMs > keepMs || bytes > keepBytes));
  const removed: string[] = [];
  for (const { path } of old.toReversed()) {
    if (!(await isRecorded(path, audit))) break;
    // best effort: what cannot be removed is tried again
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
    removed.push(path.slice(folder.length + 1));
  }
  return removed;
}

async function measure(path: string): Promise<readonly Kept[]> {
  try {
    const { mtimeMs } = await stat(path);
    const files = await readdir(path, { recursive: true });
    const sizes = await Promise.all(files.map((file) => sizeOf(join(path, file))));
    return [{ path, atMs: mtimeMs, bytes: sizes.reduce((sum, size) => sum + size, 0) }];
  } catch {
    // it went away meanwhile
    return [];
  }
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path);
  return found.isFile() ? found.size : 0;
}

/** One record for each look that was kept. Without the incident's id as such: nothing happens to it any more. */
async function isRecorded(path: string, audit: Healer['audit']): Promise<boolean> {
  for (const look of await readdir(path).catch(() => [])) {
    const folder = join(path, look);
    const files = await describe(folder);
    const appended = await audit.append({ event: 'evidence.removed', ...(files ? { files } : {}), text: `evidence in ${folder} is old, or too much, and is removed` });
    if (appended.kind !== 'appended') return false;
  }
  return true;
}

/** `undefined`: no manifest, a capture that a crash broke off. */
async function describe(folder: string): Promise<AuditEvent['files']> {
  try {
    const manifest = await readFile(join(folder, 'manifest.json'));
    const names = (await readdir(folder)).filter((name) => name !== 'manifest.json');
    const sizes = await Promise.all(names.map((name) => sizeOf(join(folder, name))));
    return { folder, manifest_sha256: createHash('sha256').update(manifest).digest('hex'), bytes: sizes.reduce((sum, size) => sum + size, 0), count: names.length };
  } catch {
    return undefined;
  }
}
