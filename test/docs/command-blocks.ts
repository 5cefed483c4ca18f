/** The ```sh blocks of the documentation, cut into the commands that a reader would type one after the other. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CommandBlock {
  readonly file: string;
  /** Of the first line inside, counted from 1. */
  readonly line: number;
  readonly commands: readonly Command[];
  readonly text: string;
}

export interface Command {
  readonly text: string;
  /** 0, and what "exit status N" in its comment says. */
  readonly allowed: readonly number[];
}

const root = join(import.meta.dirname, '../..');

/** All pages for readers: README.md, docs/, and the READMEs of policies, fallback and docker. */
export function pages(): readonly string[] {
  const docs = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  return ['README.md', ...docs.map((name) => `docs/${name}`), 'policies/README.md', 'fallback/README.md'];
}

/** Each block of shell commands on a page, however its fence calls the shell. */
export function commandBlocks(file: string): readonly CommandBlock[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/^( *)```(?:sh|bash|shell)\n([^]*?)^\1```$/gm)].map((found) => {
    const [, indent = '', block = ''] = found;
    const lines = block.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
    const line = text.slice(0, found.index).split('\n').length + 1;
    return { file, line, text: lines, commands: lines.startsWith('#!') ? [command(lines)] : cut(lines) };
  });
}

/** One command may take several lines: quotes, here-documents and what ends in `\`, `|` or `&&` go on. */
function cut(text: string): readonly Command[] {
  const commands: Command[] = [];
  let open = '';
  for (const line of text.split('\n')) {
    if (open === '' && /^\s*(#|$)/.test(line)) continue;
    open = open === '' ? line : `${open}\n${line}`;
    if (goesOn(open)) continue;
    commands.push(command(open));
    open = '';
  }
  if (open !== '') throw new Error(`a block ends in the middle of a command: ${open}`);
  return commands;
}

function goesOn(text: string): boolean {
  const here = /<<-?\s*['"]?(\w+)['"]?/.exec(text)?.[1];
  if (here !== undefined) return text.split('\n').findIndex((line, i) => i > 0 && line === here) === -1;
  const bare = text.replaceAll(/\s#\s[^\n]*$/g, '').replaceAll(/\\./g, '');
  const single = bare.replaceAll(/"[^"]*"/g, '').split("'").length % 2 === 0;
  const double = bare.replaceAll(/'[^']*'/g, '').split('"').length % 2 === 0;
  return single || double || /(\\|\||&&)$/.test(text.replace(/\s+#\s.*$/, ''));
}

function command(text: string): Command {
  const comments = [...text.matchAll(/exit status (\d)/g)].map(([, status]) => Number(status));
  return { text, allowed: [0, ...comments] };
}
