/**
 * The words of a program that a policy names for `run`: a list, never a shell line; a word of it may stand for what
 * goodgateway knows by itself. Whole words only, from a fixed set, none of which can come from a request. Pure.
 */
import { basename } from 'node:path';

/** What a whole argument may stand for. */
export const placeholders = ['{service}', '{unit}', '{incident}', '{cause}'] as const;
export type Placeholder = (typeof placeholders)[number];

export const shells = ['sh', 'bash', 'dash', 'zsh', 'ksh', 'mksh', 'ash', 'fish', 'csh', 'tcsh'];

/** The first word that is refused, and why; `undefined` when all may be used. */
export function refusedWord(argv: readonly string[]): { readonly index: number; readonly message: string } | undefined {
  for (const [index, word] of argv.entries()) {
    const message = whyShell(argv, index) ?? whyPlaceholder(word, index);
    if (message !== undefined) return { index, message };
  }
  return undefined;
}

/** The words with what they stand for; a placeholder without a value is returned as `missing`. */
export function fillPlaceholders(argv: readonly string[], values: Readonly<Record<Placeholder, string | undefined>>): { readonly argv: readonly string[] } | { readonly missing: Placeholder } {
  const missing = argv.find((word): word is Placeholder => isPlaceholder(word) && values[word] === undefined);
  return missing === undefined ? { argv: argv.map((word) => (isPlaceholder(word) ? (values[word] ?? word) : word)) } : { missing };
}

function isPlaceholder(word: string): word is Placeholder {
  return placeholders.some((one) => one === word);
}

/** Also behind a wrapper (`env`, `nice`, `timeout`): a shell anywhere that is given a line of its language. */
function whyShell(argv: readonly string[], index: number): string | undefined {
  const name = basename(argv[index] ?? '');
  const rest = argv.slice(index + 1);
  const splits = name === 'env' && optionsOf(rest, /^-[a-zA-Z]*[uC]$/).some((word) => /^(-[a-zA-Z]*S|--split-string)/.test(word));
  const takesLine = shells.includes(name) && optionsOf(rest, /^[-+][a-zA-Z]*[oO]$/).some((word) => /^-[a-zA-Z]*c/.test(word) || word === '--command');
  if (!splits && !takesLine) return undefined;
  return `\`${name} ${splits ? '-S' : '-c'}\` is a shell line in disguise; write the line into a script file that only root can change, and name that file`;
}

/** Up to the first word that is no option, nor belongs to one that takes a word (`bash -o pipefail -ec …`). */
function optionsOf(words: readonly string[], takesWord: RegExp): readonly string[] {
  const end = words.findIndex((word, at) => !/^[-+]/.test(word) && !takesWord.test(words[at - 1] ?? ''));
  return words.slice(0, end < 0 ? words.length : end);
}

function whyPlaceholder(word: string, index: number): string | undefined {
  const found = /\{[a-z_]+\}/.exec(word)?.[0];
  if (found === undefined) return undefined;
  if (index === 0) return `${found} cannot be in the program: which program runs is fixed`;
  if (!isPlaceholder(found)) return `${found} stands for nothing: there are ${placeholders.join(', ')}`;
  return found === word ? undefined : `${found} must be an argument of its own, not a part of one`;
}
