/** docs/safety.md lists each rule with the tests that hold it; both are true, or this fails. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { safetyRules } from './rules.ts';

const tests = join(import.meta.dirname, '..');
const page = join(tests, '../docs/safety.md');

t.test('each rule R1 to R30 has a test of its name', async (t) => {
  t.same(
    safetyRules.map(({ number }) => number),
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
  for (const { number, name } of safetyRules) t.ok(filesOf(number).length > 0, `R${number} ${name}`);
});

t.test('docs/safety.md lists them with their tests', async (t) => {
  const rows = safetyRules.map(
    ({ number, name, says }) =>
      `| R${number} | ${name} | ${says} | ${filesOf(number)
        .map((file) => `\`${file}\``)
        .join(', ')} |`,
  );
  const table = ['| rule | name | what it says | its tests, below `test/` |', '|---|---|---|---|', ...rows].join('\n');
  const text = readFileSync(page, 'utf8').replace(/(<!-- rules: made by .*? -->\n)[^]*?(<!-- end -->)/, (_all, begin: string, end: string) => `${begin}${table}\n${end}`);
  // As with tap's own snapshots: TAP_SNAPSHOT=1 writes what the next runs compare with.
  if (process.env['TAP_SNAPSHOT'] === '1') writeFileSync(page, text);
  t.equal(readFileSync(page, 'utf8'), text, 'write it anew with TAP_SNAPSHOT=1 node test/safety/every-rule-has-its-test.test.ts');
  t.match(text, /\| R30 \|/);
});

function filesOf(number: number): readonly string[] {
  const named = new RegExp(`\\.test\\(\\s*['"\`]R${number}[ :]`);
  return readdirSync(tests, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts') && named.test(readFileSync(join(tests, file), 'utf8')))
    .toSorted();
}
