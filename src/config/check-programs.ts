/** Who could put another program in the place of one that the healer starts with its own rights? */
import { lstat, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { commandKeys } from './check-commands.ts';
import { valueAt, type ConfigProblem, type Path } from './problem.ts';
import { whoMayChange } from './who-may-change.ts';
import type { PolicyEntry } from './written.ts';

/** Every program of the service that others than root and ourselves could change. To be asked where the policy acts as root. */
export async function checkPrograms({ document, path }: PolicyEntry): Promise<readonly ConfigProblem[]> {
  const service: Path = [...path, 'service'];
  const places = [...commandKeys.map((key) => [...service, key, 0]), [...service, 'script']];
  const found = await Promise.all(
    places.map(async (at) => {
      const program = valueAt(document.value, at);
      if (typeof program !== 'string' || !program.startsWith('/')) return undefined;
      const why = await whyUnsafe(program);
      const key = at.findLast((part) => typeof part === 'string');
      return why === undefined ? undefined : document.problem(at, 'value', `${key}: ${program} is refused, because ${why}`);
    }),
  );
  return found.filter((each) => each !== undefined);
}

async function whyUnsafe(program: string): Promise<string | undefined> {
  const isThere = await lstat(program).then(
    () => true,
    () => false,
  );
  return isThere ? whoMayChange(program) : whoMayPutItThere(dirname(program));
}

/** A program that is not there yet is as safe as the nearest folder that is; sticky ones (/tmp) let everybody put it there. */
async function whoMayPutItThere(folder: string): Promise<string | undefined> {
  const about = await stat(folder).catch(() => undefined);
  if (!about) return folder === '/' ? undefined : whoMayPutItThere(dirname(folder));
  if ((about.mode & 0o022) !== 0) return `it does not exist, and others may put one into the folder ${folder}`;
  return whoMayChange(folder);
}
