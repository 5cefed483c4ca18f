/** docs/causes.md has one entry for each cause, with what is true of it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { causeNames } from '../../src/core/diagnosis.ts';
import { causeEntry, readyPolicies } from './causes-reference.ts';

const file = join(import.meta.dirname, '../../docs/causes.md');
const entry = /^### (\S+)\n\n\*\*You see\.\*\* ([^]+?)\n\n\*\*It looks at\.\*\* ([^]+?)\n\n<!-- (\S+): made by .*? -->\n\n([^]*?)<!-- end -->/gm;

t.test('docs/causes.md has an entry for each cause, in the order of the language', async (t) => {
  const entries = [...readFileSync(file, 'utf8').matchAll(entry)];
  t.same(entries.map(([, name]) => name).toSorted(), [...causeNames].toSorted());
  for (const [, name, see = '', look = '', made] of entries) {
    t.equal(made, name, 'what is made is of the same cause');
    t.ok(see.length > 10 && look.length > 10, `${name} says what is seen and looked at`);
  }
});

t.test('what it does and never does is what the policies and the gates say', async (t) => {
  const ready = await readyPolicies();
  const text = readFileSync(file, 'utf8').replace(/(<!-- (\S+): made by .*? -->\n)[^]*?(<!-- end -->)/g, (all, begin: string, name: string, end: string) => {
    const cause = causeNames.find((one) => one === name);
    return cause === undefined ? all : `${begin}\n${causeEntry(cause, ready)}\n${end}`;
  });
  // As with tap's own snapshots: TAP_SNAPSHOT=1 writes what the next runs compare with.
  if (process.env['TAP_SNAPSHOT'] === '1') writeFileSync(file, text);
  t.equal(readFileSync(file, 'utf8'), text, 'write it anew with TAP_SNAPSHOT=1 node test/docs/causes-reference.test.ts');
});
