/** The end of a log, from a moment on, and the signatures that are known in it. */
import { openRegularFile } from './read-regular-file.ts';

/** The most that is read of one log: some hundred lines. */
const tailLimitBytes = 64 * 1024;

/**
 * The last lines of a file, at most 64 KiB, written at `sinceMs` (wall time) or later. Lines without a time of their
 * own belong to the line above; lines before the first time are kept. Throws when the file cannot be read.
 */
export async function readTail(path: string, sinceMs: number): Promise<readonly string[]> {
  await using file = await openRegularFile(path);
  const { size, mtimeMs } = await file.stat();
  // Nothing was written since then; log times have no fractions.
  if (mtimeMs + 1000 < sinceMs) return [];
  const start = Math.max(0, size - tailLimitBytes);
  const buffer = Buffer.alloc(size - start);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
  const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
  // The first line was cut.
  return writtenSince(start > 0 ? lines.slice(1) : lines, sinceMs).filter((line) => line !== '');
}

function writtenSince(lines: readonly string[], sinceMs: number): readonly string[] {
  let recent = true;
  return lines.filter((line) => {
    const at = timeOf(line);
    if (at !== undefined) recent = at + 1000 > sinceMs;
    return recent;
  });
}

/**
 * php-fpm `[22-Nov-2026 08:08:03]`, Apache `[Sun Nov 22 08:08:03.123456 2026]`, MariaDB and dpkg `2026-11-22  8:08:03`
 * write local time, MySQL `2026-11-22T08:08:03.123456Z`; `undefined` for other lines.
 */
export function timeOf(line: string): number | undefined {
  const plain = /^(\d{4}-\d{2}-\d{2})[ T]( \d|\d{2})(:\d{2}:\d{2})(?:\.\d{1,9})?(Z?)/.exec(line);
  if (plain) return Date.parse(`${plain[1]}T${plain[2]!.replace(' ', '0')}${plain[3]}${plain[4]}`) || undefined;
  const fpm = /^\[(\d{2})-([A-Z][a-z]{2})-(\d{4}) (\d{2}:\d{2}:\d{2})/.exec(line);
  const apache = /^\[[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d{2}) (\d{2}:\d{2}:\d{2})(?:\.\d+)? (\d{4})\]/.exec(line);
  const text = fpm ? `${fpm[1]} ${fpm[2]} ${fpm[3]} ${fpm[4]}` : apache ? `${apache[2]} ${apache[1]} ${apache[4]} ${apache[3]}` : undefined;
  const at = text === undefined ? NaN : Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}
