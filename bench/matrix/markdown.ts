/** The tables as Markdown: what is printed is what stands in docs/failure-matrix.md. */
import { cellText } from './cell.ts';
import type { Proxy } from './proxies/proxy.ts';
import type { Outcome, Section } from './section.ts';

export interface Column {
  readonly proxy: Proxy;
  readonly outcomes: readonly Outcome[];
  /** Why the column is empty. */
  readonly gaveUp: string | undefined;
}

export interface Table {
  readonly section: Section;
  readonly columns: readonly Column[];
  /** goodgateway's cells that are not the expected ones. */
  readonly wrong: readonly string[];
}

/** Shorter times say nothing on a machine that does something else, too. */
const worthSayingSeconds = 0.1;

/** The whole document. Asks every proxy for its version. */
export async function markdown(tables: readonly Table[]): Promise<string> {
  const versions = await Promise.all(programs(tables).map(async ([name, proxy]) => `${name} ${(await proxy.version()) ?? '(not installed)'}`));
  const date = new Date().toISOString().slice(0, 10);
  return [header(date, versions), ...tables.map(table)].join('\n');
}

/** Columns of one program are one program. */
function programs(tables: readonly Table[]): readonly (readonly [string, Proxy])[] {
  const proxies = tables.flatMap(({ columns }) => columns.map(({ proxy }) => proxy));
  return [...new Map(proxies.map((proxy) => [proxy.isGoodgateway ? 'goodgateway' : proxy.name.replace(/ \(.*/, ''), proxy]))];
}

function header(date: string, versions: readonly string[]): string {
  return `# The failure matrix

What a client sees, and how often the backend saw the request, when a backend fails in each of the ways that we know:
goodgateway beside other proxies. Printed by

\`\`\`sh
npm run --silent matrix > docs/failure-matrix.md
\`\`\`

on ${date} with Node ${process.versions.node} and ${versions.join(', ')}. \`npm run matrix -- --only 1.1\` prints one table.
goodgateway's cells are compared with the expected ones in \`bench/matrix/expected.ts\`; one that differs is named, and
the exit status is 1. \`npm test\` compares the same cells over TCP and unix sockets.

**How to read a cell.** The status that the client saw · \`!\` the client could see that the answer broke off · the
error that \`Proxy-Status\` names (RFC 9209), where there is one · \`xN\` how often the backend saw the request · the
seconds until the answer, above 0.1. \`closed\`: the connection ended without an answer. \`silent\`: nothing came for
20 s (3 s in the last table). \`raw\`: the client got bytes that are no HTTP. A 200 without \`!\` for a broken answer is
one that nobody can tell from a whole one.

**What it does not say.** The other proxies run as Debian packages them, which is not their newest version, with their
defaults but for the timeouts that are named; most can be configured to do better in some rows. Times are from one run
on a busy machine. A different behaviour may be a choice, not a mistake.
`;
}

function table({ section, columns }: Table): string {
  const filled = columns.filter(({ gaveUp }) => gaveUp === undefined);
  const empty = columns.filter(({ gaveUp }) => gaveUp !== undefined).map(({ proxy, gaveUp }) => `${proxy.name}: ${gaveUp}`);
  const rows = [...new Set(filled.flatMap(({ outcomes }) => outcomes.map(({ row }) => row)))];
  const lines = [
    ['case', ...filled.map(({ proxy }) => proxy.name)],
    ['---', ...filled.map(() => '---')],
    ...rows.map((row) => [row, ...filled.map(({ outcomes }) => cell(outcomes.filter((one) => one.row === row)))]),
  ];
  const text = lines.map((cells) => `| ${cells.map((one) => one.replaceAll('|', '\\|')).join(' | ')} |`).join('\n');
  const notes = [...section.notes, ...empty].map((note) => `${note}\n`).join('\n');
  return `## ${section.title}\n\n${notes}\n${text}\n`;
}

/** GET and POST in one where nothing but a moment's time differs. */
function cell(outcomes: readonly Outcome[]): string {
  const texts = outcomes.map(({ seen }) => cellText(seen));
  if (new Set(texts).size === 1) return withTime(outcomes[0]!);
  return outcomes.map((one) => `${one.part} ${withTime(one)}`).join('<br>');
}

function withTime({ seen }: Outcome): string {
  const took = seen.seconds > worthSayingSeconds ? ` ${seen.seconds.toFixed(1)}s` : '';
  return `${cellText(seen)}${took}${seen.readyPlusMs === undefined ? '' : ` (ready + ${seen.readyPlusMs} ms)`}`;
}
