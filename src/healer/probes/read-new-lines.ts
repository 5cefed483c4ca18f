/** What was added to log files since the last look. Bounded: of what grew faster than it is read, the end is taken. */
import { timeOf } from './read-lines.ts';
import { openRegularFile } from './read-regular-file.ts';

const readLimitBytes = 64 * 1024;

interface Position {
  readonly inode: number;
  readonly end: number;
}

export class NewLines {
  readonly #positions = new Map<string, Position>();

  /** What stands in these files now is not new any more. */
  async skip(files: readonly string[]): Promise<void> {
    await this.read(files, 0);
  }

  /**
   * Whole lines that were added since the last call, without those that say themselves that they are older than
   * `sinceMs` (wall time; logs know seconds). Of a file that is met for the first time none: nobody knows which are new.
   */
  async read(files: readonly string[], sinceMs: number): Promise<readonly string[]> {
    const added = await Promise.all(files.map((file) => this.#readOne(file)));
    return added.flat().filter((line) => (timeOf(line) ?? Infinity) + 1000 > sinceMs);
  }

  async #readOne(path: string): Promise<readonly string[]> {
    const before = this.#positions.get(path);
    try {
      await using file = await openRegularFile(path);
      const { size, ino: inode } = await file.stat();
      if (!before) this.#positions.set(path, { inode, end: size });
      if (!before || (before.inode === inode && before.end === size)) return [];
      const replaced = before.inode !== inode || size < before.end;
      const from = Math.max(replaced ? 0 : before.end, size - readLimitBytes);
      const buffer = Buffer.alloc(size - from);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
      const whole = buffer.subarray(0, buffer.lastIndexOf(0x0a, bytesRead - 1) + 1);
      this.#positions.set(path, { inode, end: from + whole.length });
      return whole.toString('utf8').split('\n').slice(0, -1);
    } catch {
      // best effort: a log that is not there has no lines, and all of one that appears later are new
      this.#positions.set(path, before ?? { inode: 0, end: 0 });
      return [];
    }
  }
}
