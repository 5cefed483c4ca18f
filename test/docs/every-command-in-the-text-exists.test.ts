/** `goodgateway …` in the middle of a sentence or a table: the sub-command exists, and takes these options. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import t from 'tap';
import { commandBlocks, pages } from './command-blocks.ts';

const root = join(import.meta.dirname, '../..');

t.test('every command that the documentation names exists, with its options', async (t) => {
  const named = new Map<string, string>();
  for (const page of pages()) {
    const text = readFileSync(join(root, page), 'utf8');
    for (const [, command = ''] of text.matchAll(/`goodgateway ([a-z][^`]*)`/g)) named.set(command.replaceAll(/\s+/g, ' '), page);
const typed = commandBlocks(page).flatMap((block) => block.commands.map(({ text }) => text));
    for (const one of typed) for (const [, command = ''] of one.matchAll(/(?:^|[|;&] )goodgateway ([a-z][^#|\n]*)/g)) named.set(command.trim(), page);
  }
  t.ok(named.size > 50, `${named.size} commands were found`);
  const known = new Map<string, Command>();
  for (const [command, page] of named) {
    const [name = ''] = command.split(' ');
    const found = known.get(name) ?? (await load(name));
    if (found) known.set(name, found);
    t.ok(found, `${page}: goodgateway ${name}`);
    if (found) t.same(unknownOptions(found, command), [], `${page}: goodgateway ${command}`);
  }
});

async function load(name: string): Promise<Command | undefined> {
  if (!existsSync(join(root, 'src/cli', `${name}.ts`))) return undefined;
  const module = (await import(`../../src/cli/${name}.ts`)) as Readonly<Record<string, unknown>>;
  const make = Object.entries(module).find(([key]) => key.endsWith('Command'))?.[1];
  const made: unknown = typeof make === 'function' ? make() : undefined;
  return made instanceof Command ? made : undefined;
}

/** What follows `--` alone, or an operator of the shell, is another program's. */
function unknownOptions(command: Command, text: string): readonly string[] {
  const [own = ''] = text.split(/ (?:--|&&|\|\|?|;) /);
  const sub = command.commands.find((one) => own.split(' ')[1] === one.name());
  const known = [command, ...(sub ? [sub] : [])].flatMap(({ options }) => options.flatMap(({ long, short }) => [long, short]));
  const used = own.replaceAll(/"[^"]*"/g, '').match(/(?<=\s)--?[a-z][a-z-]*/g) ?? [];
  return used.filter((option) => !known.includes(option) && option !== '--help');
}
