/** Links between the pages of the documentation: the file is there, and so is the heading. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import t from 'tap';
import { pages } from './command-blocks.ts';

const root = join(import.meta.dirname, '../..');

t.test('every relative link and anchor exists', async (t) => {
  const links = pages().flatMap((page) => linksOf(page).map((target) => ({ page, target })));
  t.ok(links.length > 100, `${links.length} links were found`);
  const anchors = new Map<string, ReadonlySet<string>>();
  for (const { page, target } of links) {
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? page : relative(root, join(root, dirname(page), path));
    if (!existsSync(join(root, file))) t.fail(`${page}: ${target} leads nowhere`);
    else if (anchor !== undefined) t.ok((anchors.get(file) ?? remember(anchors, file)).has(anchor), `${page}: ${target}`);
  }
});

t.test('every page is in the table of contents', async (t) => {
  const listed = linksOf('docs/README.md').map((target) => relative(root, join(root, 'docs', target.split('#')[0] ?? '')));
  t.same(
    pages().filter((page) => page !== 'docs/README.md' && page !== 'README.md' && !listed.includes(page)),
    [],
  );
});

/** Without those to other hosts, and what only looks like a link inside code. */
function linksOf(page: string): readonly string[] {
  const text = proseOf(page).replaceAll(/`[^`\n]*`/g, '`code`');
  return [...text.matchAll(/\[(?:[^\]]*)\]\(([^()\s]+)\)/g)].flatMap(([, target = '']) => (/^[a-z]+:/.test(target) ? [] : [target]));
}

function remember(anchors: Map<string, ReadonlySet<string>>, file: string): ReadonlySet<string> {
  const found = new Set(statSync(join(root, file)).isFile() && file.endsWith('.md') ? headingsOf(file) : []);
  anchors.set(file, found);
  return found;
}

/** As GitHub makes them: small letters, no punctuation, a hyphen for each space. */
function headingsOf(file: string): readonly string[] {
  return [...proseOf(file).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) =>
    heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function proseOf(file: string): string {
  return readFileSync(join(root, file), 'utf8').replaceAll(/^( *)```[^]*?^\1```$/gm, '');
}
