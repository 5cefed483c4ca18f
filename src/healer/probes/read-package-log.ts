import { openRegularFile } from './read-regular-file.ts';

/** One package that a package manager put in, exchanged or took away. */
export interface PackageChange {
  readonly atMs: number;
  readonly package: string;
  /** Absent: it was installed, not upgraded. */
  readonly from?: string;
  /** Absent: it was removed. */
  readonly to?: string;
}

/** A distribution's upgrade is some megabytes; what failed has to do with the end of it. */
const tailBytes = 256 * 1024;

/** What dpkg's log says of the time since `sinceMs` (wall time), oldest first; local time, whole seconds. Rejects when the file cannot be read. */
export async function readDpkgLog(path: string, sinceMs: number): Promise<readonly PackageChange[]> {
  await using file = await openRegularFile(path);
  const { size, mtimeMs } = await file.stat();
  if (mtimeMs + 1000 < sinceMs) return [];
  const start = Math.max(0, size - tailBytes);
  const buffer = Buffer.alloc(size - start);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
  return parseDpkgLog(buffer.toString('latin1', 0, bytesRead)).filter(({ atMs }) => atMs + 1000 > sinceMs);
}

/** `2026-11-26 02:11:08 upgrade php8.2-fpm:amd64 8.2.28-1 8.2.29-1`; other lines say how far it got. @see dpkg(1) */
export function parseDpkgLog(text: string): readonly PackageChange[] {
  const changes: PackageChange[] = [];
  for (const [, day, time, verb, name, before, after] of text.matchAll(
    /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}) (install|upgrade|remove) ([a-z0-9][a-z0-9+.-]{1,100})(?::[a-z0-9-]+)? (\S{1,100}) (\S{1,100})$/gm,
  )) {
    const atMs = Date.parse(`${day}T${time}`);
    if (Number.isNaN(atMs)) continue;
    const version = (which: string | undefined): string | undefined => (which === undefined || which === '<none>' ? undefined : which);
    const [from, to] = [version(before), verb === 'remove' ? undefined : version(after)];
    changes.push({ atMs, package: name!, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) });
  }
  return changes;
}
