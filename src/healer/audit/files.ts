/** The files of an audit folder, and their lines as raw bytes, in bounded memory. */
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** One file of the log: the n-th of its UTC day. */
export interface AuditFile {
  readonly path: string;
  readonly name: string;
  /** `20261122`. Never goes back, even where the clock does. */
  readonly day: string;
  /** From 1. */
  readonly number: number;
}

/** The n-th file of a day: `audit-20261122-01.jsonl`. */
export function auditFile(folder: string, day: string, number: number): AuditFile {
  const name = `audit-${day}-${String(number).padStart(2, '0')}.jsonl`;
  return { path: join(folder, name), name, day, number };
}

/** UTC day of a wall time as file names spell it. */
export function auditDay(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(0, 10).replaceAll('-', '');
}

/** All files of the folder, oldest first; other files are none of ours. Rejects with the system's error. */
export async function listAuditFiles(folder: string): Promise<readonly AuditFile[]> {
  const files: AuditFile[] = [];
  for (const name of await readdir(folder)) {
    const found = /^audit-(\d{8})-(\d{2,6})\.jsonl$/.exec(name);
    if (found) files.push({ path: join(folder, name), name, day: found[1]!, number: Number(found[2]) });
  }
  return files.toSorted((a, b) => a.day.localeCompare(b.day) || a.number - b.number);
}

/** One line. `bytes` has its newline; a last line without one has `complete: false`. */
export interface AuditLine {
  readonly bytes: Buffer;
  /** From 1. */
  readonly number: number;
  /** Offset in the file behind this line. */
  readonly end: number;
  readonly complete: boolean;
}

/** Longest line that is ever written, in bytes. Of a longer one only so much is read: it is no record of ours. */
export const maxLineBytes = 1_048_576;

const chunkBytes = 65_536;

/** The lines of a file in order. Memory: one chunk and one line. Rejects with the system's error. */
export async function* readLines(path: string): AsyncGenerator<AuditLine, void, undefined> {
  const handle = await open(path, 'r');
  try {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    const line = new LineBuffer();
    for (;;) {
      const { bytesRead } = await handle.read(chunk, 0, chunkBytes);
      if (bytesRead === 0) break;
      let from = 0;
      for (let at = chunk.indexOf(10, from); at >= 0 && at < bytesRead; at = chunk.indexOf(10, from)) {
        line.add(chunk.subarray(from, at + 1));
        yield line.take(true);
        from = at + 1;
      }
      line.add(chunk.subarray(from, bytesRead));
    }
    if (line.length > 0) yield line.take(false);
  } finally {
    await handle.close();
  }
}

class LineBuffer {
  length = 0;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #number = 1;
  #end = 0;

  add(part: Buffer): void {
    this.length += part.length;
    // Copied: the chunk is read into again.
    const copy = Buffer.from(part.subarray(0, maxLineBytes - this.#keptBytes));
    if (copy.length === 0) return;
    this.#kept.push(copy);
    this.#keptBytes += copy.length;
  }

  take(complete: boolean): AuditLine {
    this.#end += this.length;
    const line = { bytes: Buffer.concat(this.#kept), number: this.#number, end: this.#end, complete };
    this.length = 0;
    this.#kept = [];
    this.#keptBytes = 0;
    this.#number += 1;
    return line;
  }
}
