/**
 * The files that notifiers, and the monitor, name: a secret that everybody can read is none, and who can change a program acts as whoever
 * starts it. For the healer and for `check`; the proxy may not even look at these files.
 */
import { stat } from 'node:fs/promises';
import { valueAt, type ConfigProblem, type Path } from './problem.ts';
import { whoMayChange } from './who-may-change.ts';
import type { YamlDocument } from './yaml-document.ts';

/** The keys that name a file with a secret. */
const secretFileKeys = ['url_file', 'token_file', 'secret_file', 'password_file'] as const;

/** Every secret that is open to others, and every program that others could change. What does not exist is no problem of the files. */
export async function checkNotifiers(host: YamlDocument): Promise<readonly ConfigProblem[]> {
  const files = filesOf(host);
  const found = await Promise.all([
    ...files.secrets.map(async ({ path, file }) => {
      const why = await whySecretIsOpen(file);
      return why === undefined ? undefined : host.problem(path, 'value', `${path.at(-1)}: ${why}`);
    }),
    ...files.programs.map(async ({ path, file }) => {
      const isThere = (await stat(file).catch(() => undefined)) !== undefined;
      const why = isThere ? await whoMayChange(file) : undefined;
      return why === undefined ? undefined : host.problem(path, 'value', `command: ${file} is refused, because ${why}`);
    }),
  ]);
  return found.filter((each) => each !== undefined);
}

/** What is named and not there, for `check` to warn of: until it is, nobody is told by this notifier. */
export async function missingForNotifiers(host: YamlDocument): Promise<readonly ConfigProblem[]> {
  const { secrets, programs } = filesOf(host);
  const found = await Promise.all(
    [...secrets, ...programs].map(async ({ path, file }) => {
      const key = path.findLast((part) => typeof part === 'string');
      const isThere = (await stat(file).catch(() => undefined)) !== undefined;
      return isThere
        ? undefined
        : host.problem(path, 'value', `${key}: ${file} does not exist on this host, so ${path[0] === 'monitor' ? 'the monitor' : String(path[1])} is not told anything before it does`);
    }),
  );
  return found.filter((each) => each !== undefined);
}

/** Why others could read this secret, or put another in its place, with the command that cures it; `undefined`: they cannot, or there is none. */
export async function whySecretIsOpen(file: string): Promise<string | undefined> {
  const found = await stat(file).catch(() => undefined);
  if (!found || (found.mode & 0o027) === 0) return undefined;
  return `${(found.mode & 0o004) === 0 ? 'others than its owner may change' : 'everybody on this host can read'} ${file}: chmod 600 ${file}`;
}

interface Named {
  readonly path: Path;
  readonly file: string;
}

function filesOf(host: YamlDocument): { readonly secrets: readonly Named[]; readonly programs: readonly Named[] } {
  const written = valueAt(host.value, ['notifiers']);
  const names = typeof written === 'object' && written !== null ? Object.keys(written) : [];
  const named = (path: Path): readonly Named[] => {
    const file = valueAt(host.value, path);
    return typeof file === 'string' && file.startsWith('/') ? [{ path, file }] : [];
  };
  return {
    secrets: [...names.flatMap((name) => secretFileKeys.flatMap((key) => named(['notifiers', name, key]))), ...named(['monitor', 'ping_file'])],
    programs: names.flatMap((name) => named(['notifiers', name, 'command', 0])),
  };
}
