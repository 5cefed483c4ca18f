/**
 * Brings the index of a folder up to date from the log. Only the healer does it, in the background: at its start, and
 * whenever a block's worth was appended. It may be killed at any moment, and may fail: then less is covered, and
 * readers read more of the log.
 */
import { constants } from 'node:fs';
import { open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isCompressed, isDamage, listAuditFiles, type AuditFile } from './files.ts';
import { blockBytes, BlockBuilder, encodeLine } from './index-block.ts';
import { indexPath, readIndex, stampOf } from './index-file.ts';
import { asItStands, linesIn } from './lines-in.ts';
import { errnoOf } from './open-file.ts';

export interface IndexKeeper {
  /** To be called when the log is open, and when a file that was left was made read-only, which changes how it looks: catches up with what is there. */
  begin(): void;
  /** To be called for each record that stands in the log; cheap. */
  appended(record: { readonly file: string; readonly offset: number }): void;
  /** Resolves when the work under way has ended; no more begins. */
  close(): Promise<void>;
}

export interface IndexKeeping {
  readonly folder: string;
  /** Told once in a row that the index cannot be kept. Nothing but speed depends on it. */
  readonly onTrouble: (text: string) => void;
}

/** Keeps the index of a folder that this process writes to. Never rejects or throws. */
export function keepIndex({ folder, onTrouble }: IndexKeeping): IndexKeeper {
  const stop = new AbortController();
  const covered = new Covered();
  let current = { file: '', from: 0 };
  let running: Promise<void> | undefined;
  let isDue = false;
  let inTrouble = false;
  const run = async (): Promise<void> => {
    while (isDue && !stop.signal.aborted) {
      isDue = false;
      try {
        await updateIndex(folder, { covered, signal: stop.signal });
        inTrouble = false;
      } catch (error) {
        if (!inTrouble) onTrouble(`the index of the audit log cannot be kept, so questions take longer: ${error instanceof Error ? error.message : String(error)}`);
        inTrouble = true;
        // What was written of it, and what not, is found out anew.
        covered.forget();
      }
    }
    running = undefined;
  };
  const begin = (): void => {
    isDue = true;
    running ??= run();
  };
  return {
    begin,
    appended: ({ file, offset }) => {
      if (file === current.file && offset - current.from < blockBytes) return;
      current = { file, from: offset };
      begin();
    },
    close: async () => {
      stop.abort();
      await running;
    },
  };
}

interface Position {
  readonly to: number;
  readonly crc: number;
  readonly isStamped: boolean;
  /** Of a plain file that is covered to its end. */
  readonly stamp: string | undefined;
}

/** How far each file is covered: found out, then known as long as this process alone writes. */
class Covered {
  readonly #known = new Map<string, Position>();

  async of(file: AuditFile): Promise<Position> {
    return this.#known.get(indexPath(file)) ?? this.anew(file);
  }

  /** To its end, and it still looks as it did then: to make it read-only changes its look, and a look that is not known costs every reader time. */
  async isDone(file: AuditFile): Promise<boolean> {
    const { isStamped, stamp } = await this.of(file);
    return isStamped && (isCompressed(file) || stamp === (await stampOf(file)));
  }

  async anew(file: AuditFile): Promise<Position> {
    const { blocks, to, isStamped, indexBytes } = await readIndex(file);
    // What is not believed is no beginning for more.
    await shorten(indexPath(file), indexBytes);
    const stamp = isStamped && !isCompressed(file) ? await stampOf(file) : undefined;
    return this.set(file, { to, crc: blocks.at(-1)?.crc ?? 0, isStamped, stamp });
  }

  forget(): void {
    this.#known.clear();
  }

  set(file: AuditFile, position: Position): Position {
    this.#known.set(indexPath(file), position);
    return position;
  }
}

async function shorten(path: string, bytes: number): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size === bytes) return;
  if (bytes === 0) return rm(path, { force: true });
  const handle = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW);
  try {
    await handle.truncate(bytes);
  } finally {
    await handle.close();
  }
}

/**
 * Covers every finished file to its end, and the newest in whole blocks. Removes indexes whose log file is gone. Rejects
 * with the system's error; what was covered until then stays.
 */
export async function updateIndex(
  folder: string,
  { covered = new Covered(), signal = new AbortController().signal }: { readonly covered?: Covered; readonly signal?: AbortSignal } = {},
): Promise<void> {
  const files = await listAuditFiles(folder);
  const cover = async (listed: AuditFile): Promise<void> => {
    const file = await asItStands(listed);
    if (await covered.isDone(file)) return;
    covered.set(file, await (listed === files.at(-1) ? coverNewest : finish)(file, { covered, signal }));
  };
  for (const listed of files) {
    if (signal.aborted) return;
    try {
      await cover(listed);
    } catch (error) {
      // Its damage is for `audit verify` to tell; the others are covered all the same.
      if (isDamage(error)) {
        covered.set(listed, { to: 0, crc: 0, isStamped: true, stamp: undefined });
        continue;
      }
      if (errnoOf(error) !== 'ENOENT') throw error;
      // It was compressed since it was looked at; or removed, and then there is nothing to cover.
      if (isCompressed(await asItStands(listed))) await cover(listed);
    }
  }
  const wanted = new Set(files.map(indexPath));
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (/^audit-\d{8}-\d{2,6}\.index$/.test(name) && !wanted.has(path)) await rm(path, { force: true });
  }
}

interface Covering {
  readonly covered: Covered;
  readonly signal: AbortSignal;
}

/** The newest file, in whole blocks: the rest of it is what readers read themselves. */
async function coverNewest(file: AuditFile, { covered, signal }: Covering): Promise<Position> {
  const position = await covered.of(file);
  const { size } = await stat(file.path);
  return size - position.to < blockBytes ? position : write(file, position, { signal, stamp: undefined, toEnd: false });
}

/** A file that nobody writes to any more, to its end. Seen from outside first, then held against its index once more: a change by others is either found, or no longer fits the stamp. */
async function finish(file: AuditFile, { covered, signal }: Covering): Promise<Position> {
  const stamp = isCompressed(file) ? undefined : await stampOf(file);
  return write(file, await covered.anew(file), { signal, stamp, toEnd: true });
}

/** One write for each block. */
async function write(file: AuditFile, position: Position, { signal, stamp, toEnd }: { readonly signal: AbortSignal; readonly stamp: string | undefined; readonly toEnd: boolean }): Promise<Position> {
  const index = await open(indexPath(file), constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o640);
  try {
    let { to, crc } = position;
    let builder = new BlockBuilder({ from: to, crc });
    const writeBlock = async (): Promise<void> => {
      const block = builder.block();
      await index.appendFile(encodeLine(block));
      ({ to, crc } = block);
      builder = new BlockBuilder({ from: to, crc });
      // A long backlog must not keep the healer from anything else.
      await nextTurn();
    };
    for await (const { bytes, complete } of linesIn(file, [[to, Infinity]])) {
      if (!complete || signal.aborted) break;
      builder.add(bytes);
      if (builder.bytes >= blockBytes) await writeBlock();
    }
    if (signal.aborted || !toEnd) return { to, crc, isStamped: false, stamp: undefined };
    if (builder.bytes > 0) await writeBlock();
    if (stamp) await index.appendFile(encodeLine({ stamp }));
    return { to, crc, isStamped: true, stamp };
  } finally {
    await index.close();
  }
}
