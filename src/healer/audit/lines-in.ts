/** Some stretches of a file of the log, without reading what lies between. Offsets count uncompressed bytes. */
import { createReadStream } from 'node:fs';
import { access, open, type FileHandle } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { isCompressed, isDamage, maxLineBytes, type AuditFile } from './files.ts';

/** From the first byte of a line up to behind the last byte of one; `Infinity`: to the end of the file. */
export type Range = readonly [from: number, to: number];

export interface LineInRange {
  /** With its newline where it is complete; of a line that is too long for a record only the beginning. */
  readonly bytes: Buffer;
  /** Behind it. */
  readonly end: number;
  readonly complete: boolean;
}

const chunkBytes = 262_144;

/** The same file, compressed where it was compressed since it was listed. */
export async function asItStands(file: AuditFile): Promise<AuditFile> {
  if (isCompressed(file) || (await isThere(file.path))) return file;
  const path = `${file.path}.gz`;
  return (await isThere(path)) ? { ...file, path } : file;
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The lines of these ranges, which are in order and do not overlap. Memory: a chunk and a line. Rejects with the system's error. */
export async function* linesIn(listed: AuditFile, ranges: readonly Range[]): AsyncGenerator<LineInRange, void, undefined> {
  if (ranges.length === 0) return;
  const file = await asItStands(listed);
  const parts = isCompressed(file) ? unpacked(file, joined(ranges)) : seeked(file, joined(ranges));
  let rest: Buffer = Buffer.alloc(0);
  /** Of the line that `rest` begins; longer than `rest` where the line is too long. */
  let length = 0;
  for await (const { bytes, at, isLast } of parts) {
    let from = 0;
    for (let stop = bytes.indexOf(10); stop >= 0; stop = bytes.indexOf(10, from)) {
      const piece = bytes.subarray(from, stop + 1);
      yield { bytes: length === 0 ? piece : cut(rest, piece), end: at + stop + 1, complete: true };
      from = stop + 1;
      length = 0;
      rest = bytes.subarray(0, 0);
    }
    const left = bytes.subarray(from);
    rest = cut(rest, left);
    length += left.length;
    if (!isLast) continue;
    if (length > 0) yield { bytes: rest, end: at + bytes.length, complete: false };
    rest = bytes.subarray(0, 0);
    length = 0;
  }
}

function cut(before: Buffer, piece: Buffer): Buffer {
  return Buffer.concat([before, piece.subarray(0, Math.max(0, maxLineBytes - before.length))]);
}

interface Part {
  readonly bytes: Buffer;
  readonly at: number;
  /** Nothing of the same range follows. */
  readonly isLast: boolean;
}

/** Neighbours as one: what was told apart only by its records is read at once. */
function joined(ranges: readonly Range[]): readonly Range[] {
  const all: [number, number][] = [];
  for (const [from, to] of ranges) {
    const before = all.at(-1);
    if (before && before[1] === from) before[1] = to;
    else all.push([from, to]);
  }
  return all;
}

async function* seeked(file: AuditFile, ranges: readonly Range[]): AsyncGenerator<Part, void, undefined> {
  const handle = await open(file.path, 'r');
  try {
    for (const range of ranges) yield* oneRange(handle, range);
  } finally {
    await handle.close();
  }
}

async function* oneRange(handle: FileHandle, [from, to]: Range): AsyncGenerator<Part, void, undefined> {
  for (let at = from; at < to;) {
    const wanted = Math.min(chunkBytes, to - at);
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(wanted), 0, wanted, at);
    const isLast = bytesRead === 0 || at + bytesRead >= to;
    yield { bytes: buffer.subarray(0, bytesRead), at, isLast };
    if (isLast) return;
    at += bytesRead;
  }
}

async function* unpacked(file: AuditFile, ranges: readonly Range[]): AsyncGenerator<Part, void, undefined> {
  const packed = createReadStream(file.path);
  const unpacking = packed.pipe(createGunzip({ chunkSize: chunkBytes }));
  packed.once('error', (error) => unpacking.destroy(error));
  let at = 0;
  let next = 0;
  try {
    for await (const chunk of unpacking) {
      const bytes: Buffer = chunk;
      for (let range = ranges[next]; range && range[0] < at + bytes.length; range = ranges[next]) {
        const [from, to] = [Math.max(at, range[0]), Math.min(at + bytes.length, range[1])];
        const isLast = to === range[1];
        if (to > from) yield { bytes: bytes.subarray(from - at, to - at), at: from, isLast };
        if (!isLast) break;
        next += 1;
      }
      at += bytes.length;
      if (next >= ranges.length) return;
    }
    yield { bytes: Buffer.alloc(0), at, isLast: true };
  } catch (error) {
    if (!file.onDamaged || !isDamage(error)) throw error;
    file.onDamaged(error.message);
  } finally {
    packed.destroy();
    unpacking.destroy();
  }
}
