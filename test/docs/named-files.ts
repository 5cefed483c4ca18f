/** Files that a page shows whole: blocks whose first line is `# /etc/…`. A reader writes them before the commands below. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface NamedFile {
  /** Absolute, below /etc. */
  readonly path: string;
  readonly text: string;
  readonly language: string;
}

const root = join(import.meta.dirname, '../..');

/** Those of the section (`## …`) that a line of a page lies in, from its beginning to its end. */
export function namedFiles(place: { readonly file: string; readonly line: number }): readonly NamedFile[] {
  const lines = readFileSync(join(root, place.file), 'utf8').split('\n');
  const isHeading = (line: string | undefined): boolean => line?.startsWith('## ') ?? true;
  let from = place.line - 1;
  while (from > 0 && !isHeading(lines[from])) from--;
  let to = place.line;
  while (to < lines.length && !isHeading(lines[to])) to++;
  return filesIn(lines.slice(from, to).join('\n'));
}

/** Those of a whole text. */
export function filesIn(text: string): readonly NamedFile[] {
  return [...text.matchAll(/^( *)```(\w+)\n([^]*?)^\1```$/gm)].flatMap(([, indent = '', language = '', block = '']) => {
    const plain = block.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
    const path = /^# (\/etc\/[\w./-]+)\n/.exec(plain)?.[1];
    return path === undefined ? [] : [{ path, text: plain, language }];
  });
}
