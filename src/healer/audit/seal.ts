/**
 * What becomes of files that are not written to any more: read-only at once, later compressed. The plain file goes only
 * when the compressed one is on the disk under its name and was read back to the same bytes; so a crash at any moment
 * leaves the plain one, and the work is begun anew.
 */
import { createHash } from 'node:crypto';
import { chmod, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import { hashContent, isCompressed, listAuditFiles, openContent, plainPath, type AuditFile } from './files.ts';
import { syncFolder, type OpenFile } from './open-file.ts';
import type { AuditEvent } from './record.ts';

type Seal = NonNullable<AuditEvent['sealed']>;

/** The one that is written to, and the one before: both are read at every start, and by people with `tail` and `grep`. */
const filesKeptPlain = 2;
const sealedMode = 0o440;
/** Between pieces of 64 KiB: 64 MiB take some seconds, and whoever needs the processor or the disk has it. */
const pauseMs = 4;

/** How a file ended, for the first record of the next one: from what was written to it, nothing is read again. */
export function sealOf({ file, size, content }: OpenFile, lastSeq: number): Seal {
  return { file: file.name, bytes: size, last_seq: lastSeq, sha256: content.copy().digest('hex') };
}

/** The same of a file that another run wrote, by reading it. Rejects with the system's error. */
export async function readSeal(file: AuditFile, lastSeq: number): Promise<Seal> {
  const { hash, bytes } = await hashContent(file.path);
  return { file: basename(plainPath(file)), bytes, last_seq: lastSeq, sha256: hash.digest('hex') };
}

/** What could not be sealed, and why. It stays as it is, and is tried again. */
export interface SealTrouble {
  readonly file: string;
  readonly problem: string;
}

export interface Sealing {
  readonly signal: AbortSignal;
  /** A file was made read-only. */
  readonly onSealed: () => void;
}

/** Seals every file but the newest, and compresses all but the newest two, oldest first. Never rejects; ends early when `signal` aborts. */
export async function sealFiles(folder: string, { signal, onSealed }: Sealing): Promise<readonly SealTrouble[]> {
  const troubles: SealTrouble[] = [];
  // best effort: a folder that is gone is told by whoever wants to write there
  const files = await listAuditFiles(folder).catch(() => []);
  const plain = files.slice(0, -1).filter((file) => !isCompressed(file));
  const tryAll = async (some: readonly AuditFile[], work: (file: AuditFile) => Promise<void>): Promise<void> => {
    for (const file of some) {
      try {
        await work(file);
      } catch (error) {
        if (signal.aborted) return;
        if (!troubles.some((one) => one.file === file.name)) troubles.push({ file: file.name, problem: error instanceof Error ? error.message : String(error) });
      }
    }
  };
  // All of them first: compressing takes seconds, in which the one that was just left would not be read-only yet.
  await tryAll(plain, async ({ path }) => {
    if (((await stat(path)).mode & 0o777) === sealedMode) return;
    await chmod(path, sealedMode);
    onSealed();
  });
  const older = new Set(files.slice(0, -filesKeptPlain));
  await tryAll(
    plain.filter((file) => older.has(file)),
    (file) => compress(file, signal),
  );
  return troubles;
}

/** While it is written: none of the log's files, and removed by the next try. */
export function partPath(file: AuditFile): string {
  return `${plainPath(file)}.part.gz`;
}

async function compress(file: AuditFile, signal: AbortSignal): Promise<void> {
  const part = partPath(file);
  try {
    // Of a crash; it may be read-only.
    await rm(part, { force: true });
    const written = await writeCompressed(file.path, { part, signal });
    if ((await hashContent(part)).hash.digest('hex') !== written) throw new Error('what was written and what was read back differ');
    await rename(part, `${file.path}.gz`);
    await syncFolder(dirname(file.path));
    await rm(file.path);
  } catch (error) {
    // best effort: the next try removes it
    await rm(part, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** The SHA-256 of what was read. The compressed file is on the disk then. */
async function writeCompressed(path: string, { part, signal }: { readonly part: string; readonly signal: AbortSignal }): Promise<string> {
  const hash = createHash('sha256');
  await using to = await open(part, 'wx', sealedMode);
  // The umask may have taken the group's right away.
  await to.chmod(sealedMode);
  const chunks = paced(await openContent(path), { see: (chunk) => hash.update(chunk), signal });
  // An error of either is thrown to whoever reads.
  await to.writeFile(pipeline(Readable.from(chunks), createGzip(), () => undefined));
  await to.sync();
  return hash.digest('hex');
}

async function* paced(chunks: AsyncIterable<Buffer>, { see, signal }: { readonly see: (chunk: Buffer) => unknown; readonly signal: AbortSignal }): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of chunks) {
    see(chunk);
    yield chunk;
    await sleep(pauseMs, undefined, { signal });
  }
}
