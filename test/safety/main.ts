/**
 * `npm run safety`: plays every scene in which nothing may be disturbed, and prints the matrix of docs/safety.md. Exit
 * status 1 when something was disturbed, or a scene did not go as it has to.
 *
 *   --only deploy    scenes whose name contains this
 *   --write          the matrix into docs/safety.md, when every scene was played well
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openScope, type Scope } from '../../bench/scope.ts';
import { busy } from './busy.ts';
import { changes } from './changes.ts';
import { fullDisks } from './full-disks.ts';
import { rowOf, type Row, type Scenario } from './scenario.ts';
import { unbroken } from './unbroken.ts';

const page = join(import.meta.dirname, '../../docs/safety.md');
/** A scene that takes longer is given up: something hangs that it did not foresee. */
const sceneLimitMs = 120_000;

const { values } = parseArgs({ options: { only: { type: 'string' }, write: { type: 'boolean', default: false } } });
const scenes = [...busy, ...unbroken, ...changes, ...fullDisks].filter(({ name }) => name.toLowerCase().includes((values.only ?? '').toLowerCase()));
if (scenes.length === 0) fail(2, `expected --only to be a part of a scene's name, got ${values.only}`);
if (values.write && values.only !== undefined) fail(2, 'expected --write without --only: a part of the matrix is not the matrix');

let open: Scope | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void Promise.resolve(open?.end()).then(() => process.exit(130)));

const rows: Row[] = [];
const problems: string[] = [];
let skipped = 0;
for (const scene of scenes) {
  if (scene.skip) {
    skipped += 1;
    process.stderr.write(`SKIPPED ${scene.name}: ${scene.skip}\n`);
    continue;
  }
  process.stderr.write(`${scene.name} …\n`);
  const row = await play(scene);
  if (row) rows.push(row);
}
const table = ['| situation | causes named | done | refused by | disturbed | visitors |', '|---|---|---|---|---|---|', ...rows.map(lineOf)].join('\n');
process.stdout.write(`${table}\n`);
const disturbed = rows.reduce((sum, row) => sum + row.disturbed, 0);
process.stderr.write(`${rows.length} scenes were played, ${skipped} skipped; disturbed: ${disturbed}.\n`);
for (const problem of problems) process.stderr.write(`WRONG ${problem}\n`);
if (values.write && problems.length === 0 && skipped === 0) write(table);
else if (values.write) process.stderr.write('docs/safety.md is left as it is: not every scene was played well.\n');
process.exit(problems.length === 0 ? 0 : 1);

async function play(scene: Scenario): Promise<Row | undefined> {
  const scope = (open = openScope());
  const timer = { stop: (): void => undefined };
  const tooLong = new Promise<never>((_resolve, reject) => {
    const running = setTimeout(() => reject(new Error(`took longer than ${sceneLimitMs / 1000} s`)), sceneLimitMs);
    timer.stop = () => clearTimeout(running);
  });
  try {
    const row = rowOf(scene, await Promise.race([scene.play(scope), tooLong]));
    if (row.disturbed > 0) problems.push(`${scene.name}: disturbed ${row.disturbed} times`);
    problems.push(...row.wrong.map((what) => `${scene.name}: ${what}`));
    return row;
  } catch (error) {
    problems.push(`${scene.name}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  } finally {
    timer.stop();
    await scope.end();
    open = undefined;
  }
}

function lineOf({ name, causes, done, refusedBy, disturbed, visitors }: Row): string {
  const list = (words: readonly string[]): string => words.map((word) => `\`${word}\``).join(', ') || 'none';
  return `| ${[name, list(causes), list(done), list(refusedBy), `**${disturbed}**`, visitors].join(' | ')} |`;
}

function write(matrix: string): void {
  const text = readFileSync(page, 'utf8');
  const written = text.replace(/(<!-- matrix: made by .*? -->\n)[^]*?(<!-- end -->)/, (_all, begin: string, end: string) => `${begin}${matrix}\n${end}`);
  writeFileSync(page, written);
}

function fail(code: number, message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}
