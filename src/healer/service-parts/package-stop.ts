/**
 * Was a unit stopped by a package operation? Debian's maintainer scripts stop a service before its files are replaced
 * and start it afterwards; one that was interrupted, or that failed half way and was completed later, leaves it stopped
 * though nobody wanted that. dpkg's log tells when it worked on a package, dpkg's lists whose package the unit is.
 */
import { readFileSync } from 'node:fs';
import { readTail, timeOf } from '../probes/read-lines.ts';

/** Where dpkg keeps its log and its lists of files. */
export interface PackagePlaces {
  readonly log: string;
  readonly lists: string;
}

const debianPlaces: PackagePlaces = { log: '/var/log/dpkg.log', lists: '/var/lib/dpkg/info' };

/** One operation on one package, in seconds of wall time; without `to` it is not finished. */
interface Operation {
  readonly from: number;
  to?: number;
}

/** A package's operation may take as long as a database's upgrade. */
const longestOperationMs = 1_800_000;

/**
 * The package whose operation stopped the unit: the operation holds the moment of the stop (wall time) from its first
 * entry to `status installed`, and none is unfinished. `undefined`: it was not so, or nobody can tell (no dpkg, an old
 * log). The log knows seconds.
 */
export async function stoppingPackage(unitFile: string, stoppedAtMs: number, places: PackagePlaces = debianPlaces): Promise<string | undefined> {
  const second = Math.floor(stoppedAtMs / 1000);
  for (const [name, operations] of operationsIn(await linesSince(places.log, stoppedAtMs - longestOperationMs))) {
    if (operations.at(-1)?.to === undefined) continue;
    if (operations.some(({ from, to = -1 }) => from <= second && second <= to) && owns(name, unitFile, places)) return name;
  }
  return undefined;
}

async function linesSince(log: string, sinceMs: number): Promise<readonly string[]> {
  try {
    return await readTail(log, sinceMs);
  } catch {
    // best effort: without dpkg, or a log, a stop is taken for a person's, which is the careful reading
    return [];
  }
}

/** `… upgrade NAME:ARCH OLD NEW`, `… status half-configured NAME:ARCH VERSION`, `… status installed NAME:ARCH VERSION` */
const entry = /^\S+ \S+ (?:(?<begins>install|upgrade|configure|trigproc)|status (?<status>[a-z-]+)) (?<name>[a-z0-9][a-z0-9+.-]*(?::[a-z0-9-]+)?) /;

function operationsIn(lines: readonly string[]): ReadonlyMap<string, readonly Operation[]> {
  const found = new Map<string, Operation[]>();
  for (const line of lines) {
    const { name, status } = entry.exec(line)?.groups ?? {};
    const second = Math.floor((timeOf(line) ?? 0) / 1000);
    if (name === undefined || second === 0) continue;
    const operations = found.get(name) ?? [];
    found.set(name, operations);
    const open = operations.at(-1);
    if (open && open.to === undefined) {
      if (status === 'installed') open.to = second;
    } else if (status !== 'installed') operations.push({ from: second });
  }
  return found;
}

function owns(name: string, unitFile: string, { lists }: PackagePlaces): boolean {
  const wanted = withoutUsr(unitFile);
  return [name, name.replace(/:.*/, '')].some((file) => {
    try {
      return readFileSync(`${lists}/${file}.list`, 'utf8')
        .split('\n')
        .some((line) => withoutUsr(line) === wanted);
    } catch {
      return false;
    }
  });
}

/** /lib is a link to /usr/lib on a merged system, and both spellings are in use. */
function withoutUsr(path: string): string {
  return path.replace(/^\/usr\/lib\//, '/lib/');
}
