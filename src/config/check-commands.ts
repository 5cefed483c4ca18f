/**
 * The commands and targets of a service as they were written: each command a program with its arguments, never a line
 * for a shell; each target one thing, never a pattern. An empty or wild selector that is read as "everything" has
 * destroyed more than any crash.
 */
import { basename } from 'node:path';
import { valueAt, type ConfigProblem, type Path } from './problem.ts';
import { shells } from './program-words.ts';
import type { PolicyEntry } from './written.ts';
import type { YamlDocument } from './yaml-document.ts';

/** The keys of `service` that hold a command. */
export const commandKeys = ['start', 'stop', 'reload', 'config_test'] as const;

/** Every shell line and every pattern in one policy's service. */
export function checkCommands({ document, path }: PolicyEntry): readonly ConfigProblem[] {
  const service: Path = [...path, 'service'];
  return [...commandKeys.flatMap((key) => command(document, [...service, key])), ...['unit', 'container', 'script', 'pidfile'].flatMap((key) => target(document, [...service, key]))];
}

function command(document: YamlDocument, at: Path): readonly ConfigProblem[] {
  const argv = valueAt(document.value, at);
  if (!Array.isArray(argv)) return [];
  const [program] = argv as readonly unknown[];
  const key = String(at.at(-1));
  if (typeof program === 'string' && /\s/.test(program.trim()))
    return [document.problem([...at, 0], 'value', `${key}: expected the program alone, and each argument as an entry of its own: [${program.trim().split(/\s+/).join(', ')}]`)];
  const script = shellScript(argv.map(String));
  if (script === undefined) return [];
  return [document.problem([...at, script], 'value', `${key}: a line for a shell is refused; name the program itself with its arguments, or put the line into a script of your own and name that`)];
}

/** Programs that only start another one. */
const starters = ['env', 'nice', 'ionice', 'nohup', 'setsid', 'busybox', 'timeout', 'chroot', 'sudo', 'setpriv'];
/** Options of starters that hold a whole line: `su -c`, `env -S`. */
const lineOptions: Readonly<Record<string, RegExp>> = { su: /^(-c|--command)/, runuser: /^(-c|--command)/, env: /^(-S|--split-string)/ };

/** Where in the argv a line is given to a shell (`sh -c …`, also behind `env` and the like); `undefined` where it is not. */
function shellScript(argv: readonly string[]): number | undefined {
  const first = basename(argv[0] ?? '');
  const line = lineOptions[first];
  const option = line ? argv.findIndex((word) => line.test(word)) : -1;
  if (option > 0) return option;
  if (!shells.includes(first) && !starters.includes(first)) return undefined;
  const shell = argv.findIndex((word) => shells.includes(basename(word)));
  const flag = shell < 0 ? -1 : argv.findIndex((word, i) => i > shell && /^-[a-z]*c$/.test(word));
  // what stands between a shell and its -c are options; a script's own arguments may say -c
  return flag > 0 && argv.slice(shell + 1, flag).every((word) => word.startsWith('-')) ? flag : undefined;
}

function target(document: YamlDocument, at: Path): readonly ConfigProblem[] {
  const written = valueAt(document.value, at);
  if (typeof written !== 'string') return [];
  const wild = /[*?[\]{}]/.exec(written)?.[0];
  const all = /^all(\.service)?$/i.test(written);
  if (wild === undefined && !all) return [];
  return [
    document.problem(
      at,
      'value',
      `${at.at(-1)}: expected exactly one, and got ${JSON.stringify(written)}: ${wild === undefined ? '"all" names' : `"${wild}" may match`} more than one service, or none`,
    ),
  ];
}
