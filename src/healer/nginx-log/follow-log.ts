/**
 * Follows a log as it grows, from its end on, over rotation (another file under the name) and truncation. Reads what
 * is new when the kernel says so, and looks once a second besides. A file that is missing or unreadable is tried for
 * ever, and said once. Lines that are too long for the program that writes the log are dropped, never kept in memory.
 */
import { watch } from 'node:fs';
import { stat, type FileHandle } from 'node:fs/promises';
import type { Clock } from '../../core/time.ts';
import { openRegularFile } from '../probes/read-regular-file.ts';

export interface FollowOptions {
  readonly file: string;
  /** The next line is read when this one was dealt with. */
  readonly onLine: (line: string) => Promise<void>;
  /** The file cannot be read, for this reason; `undefined`: it can be again. Called when that changes. */
  readonly onTrouble: (reason: string | undefined) => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const lookEveryMs = 1000;
/** A storm of lines is read in portions. */
const atMostEveryMs = 50;
const chunkBytes = 64 * 1024;
/** Of what is further behind only the end is read: old lines say nothing about now. */
const mostBehindBytes = 1024 * 1024;
/** nginx writes at most 2048 bytes a line. */
const longestLineBytes = 4096;

/** Goes on until the signal aborts. */
export async function followLog(options: FollowOptions): Promise<void> {
  const { file, onTrouble, clock, signal } = options;
  let trouble: string | undefined;
  let following: Following | undefined;
  let from: 'end' | 'beginning' = 'end';
  while (!signal.aborted) {
    let now: string | undefined;
    try {
      following ??= await Following.begin(file, from);
      await following.readNew(options);
      if (await following.isReplaced(file)) {
        await following.readNew(options);
        await following.end();
        following = undefined;
        from = 'beginning';
        continue;
      }
    } catch (error) {
      await following?.end();
      following = undefined;
      now = error instanceof Error ? error.message : String(error);
      // what comes into being later is new from its first line on
      from = hasCode(error, 'ENOENT') ? 'beginning' : 'end';
    }
    if (now !== trouble) onTrouble(now);
    trouble = now;
    await clock.sleep(atMostEveryMs, signal);
    if (following) await following.changed(clock, signal);
    else await clock.sleep(lookEveryMs, signal);
  }
  await following?.end();
}

/** One open file and what was read of it. */
class Following {
  readonly #handle: FileHandle;
  readonly #identity: string;
  readonly #watcher: { close(): void } | undefined;
  #offset: number;
  /** The beginning of a line whose end is not written yet; `undefined` inside a line that is dropped. */
  #begun: Buffer | undefined = Buffer.alloc(0);
  #dirty = false;
  #wake: () => void = () => undefined;

  private constructor(handle: FileHandle, file: string, at: { readonly identity: string; readonly offset: number }) {
    this.#handle = handle;
    this.#identity = at.identity;
    this.#offset = at.offset;
    this.#watcher = this.#watch(file);
  }

  static async begin(file: string, from: 'end' | 'beginning'): Promise<Following> {
    const handle = await openRegularFile(file);
    const { dev, ino, size } = await handle.stat();
    return new Following(handle, file, { identity: `${dev} ${ino}`, offset: from === 'end' ? size : 0 });
  }

  async readNew({ onLine, signal }: FollowOptions): Promise<void> {
    const { size } = await this.#handle.stat();
    if (size < this.#offset) this.#jumpTo(0, Buffer.alloc(0));
    if (size - this.#offset > mostBehindBytes) this.#jumpTo(size - mostBehindBytes, undefined);
    const chunk = Buffer.alloc(Math.min(chunkBytes, size - this.#offset));
    while (this.#offset < size && !signal.aborted) {
      const { bytesRead } = await this.#handle.read(chunk, 0, Math.min(chunk.length, size - this.#offset), this.#offset);
      if (bytesRead === 0) return;
      this.#offset += bytesRead;
      for (const line of this.#linesOf(chunk.subarray(0, bytesRead))) await onLine(line);
    }
  }

  /** Another file has the name, and is written to: until then the old one may still be. */
  async isReplaced(file: string): Promise<boolean> {
    const found = await stat(file).catch(() => undefined);
    return found !== undefined && found.size > 0 && `${found.dev} ${found.ino}` !== this.#identity;
  }

  /** Resolves when the file changed since the last reading, or when it is time for a look. */
  async changed(clock: Clock, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    if (!this.#dirty) await clock.sleep(lookEveryMs, AbortSignal.any([signal, woken.signal]));
    this.#dirty = false;
  }

  async end(): Promise<void> {
    this.#watcher?.close();
    await this.#handle.close();
  }

  #jumpTo(offset: number, begun: Buffer | undefined): void {
    this.#offset = offset;
    this.#begun = begun;
  }

  *#linesOf(chunk: Buffer): Generator<string> {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const line = this.#begun && Buffer.concat([this.#begun, chunk.subarray(from, end)]);
      if (line && line.length <= longestLineBytes) yield line.toString('utf8');
      this.#begun = Buffer.alloc(0);
      from = end + 1;
    }
    const begun = this.#begun && Buffer.concat([this.#begun, chunk.subarray(from)]);
    this.#begun = begun && begun.length > longestLineBytes ? undefined : begun;
  }

  #watch(file: string): { close(): void } | undefined {
    try {
      const watcher = watch(file, { persistent: false }, () => {
        this.#dirty = true;
        this.#wake();
      });
      watcher.on('error', () => watcher.close());
      return watcher;
    } catch {
      // best effort: where the kernel has no watch left, the look each second finds what is new
      return undefined;
    }
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
