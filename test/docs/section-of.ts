/**
 * The section (`## …`) of a page in which a block of commands stands: the files that it shows whole (blocks whose first
 * line is `# /etc/…`), which a reader writes before the commands, and the machine that it begins with
 * (`<!-- a fresh host: php -->`).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Section {
  /** Unique over all pages. */
  readonly name: string;
  readonly files: readonly NamedFile[];
  /** `php` or `apache`: a host with such a site, and nothing of goodgateway. */
  readonly host: string | undefined;
}

export interface NamedFile {
  /** Absolute, below /etc. */
  readonly path: string;
  readonly text: string;
}

const root = join(import.meta.dirname, '../..');

/** The section around a line of a page. */
export function sectionOf({ file, line }: { readonly file: string; readonly line: number }): Section {
  const lines = readFileSync(join(root, file), 'utf8').split('\n');
  const isHeading = (text: string | undefined): boolean => text?.startsWith('## ') ?? true;
  let from = line - 1;
  while (from > 0 && !isHeading(lines[from])) from--;
  let to = line;
  while (to < lines.length && !isHeading(lines[to])) to++;
  const text = lines.slice(from, to).join('\n');
  return { name: `${file}:${from}`, files: filesIn(text), host: /<!-- a fresh host: (\w+) -->/.exec(text)?.[1] };
}

function filesIn(text: string): readonly NamedFile[] {
  return [...text.matchAll(/^( *)```\w+\n([^]*?)^\1```$/gm)].flatMap(([, indent = '', block = '']) => {
    const plain = block.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
    const path = /^# (\/etc\/[\w./-]+)\n/.exec(plain)?.[1];
    return path === undefined ? [] : [{ path, text: plain }];
  });
}
