/** A few faults of the lab (`npm run faults`), of each family, on real servers. */
import { join } from 'node:path';
import t from 'tap';
import { finish } from '../support/program.ts';
import { missing } from '../support/skip.ts';
import type { Row } from './judge.ts';
import { quick } from './list.ts';
import { cannotHaveNamespaces } from './own-namespace.ts';

interface Lab {
  readonly rows: readonly Row[];
  readonly failed: readonly string[];
}

const skip = cannotHaveNamespaces || missing('nginx', 'php-fpm8.2', 'apache2', 'python3');
if (skip) process.stderr.write(`SKIPPED real faults are named and healed: ${skip}\n`);

t.test('real faults are named rightly, healed, and nothing harmful is done', { skip }, async (t) => {
  const { output } = await finish([process.execPath, '--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'main.ts'), '--quick', '--json', '--jobs', '3'], { timeoutMs: 200_000 });
  const line = output.split('\n').find((one) => one.startsWith('{"rows"'));
  t.ok(line, output);
  const { rows, failed } = JSON.parse(line ?? '{}') as Lab;
  t.same(failed, []);
  t.same(new Set(rows.map(({ name }) => name)), new Set(quick), 'each was played');
  for (const row of rows) {
    t.equal(row.verdict, 'right', `${row.name}: ${JSON.stringify(row.named)}`);
    t.same(row.problems, [], row.name);
  }
});
