import t from 'tap';
import { rowOf } from './scenario.ts';
import { scenarios } from './scenarios.ts';

for (const { name, skip, play } of scenarios) {
  t.test(name, { skip: skip ?? false }, async (t) => {
    const row = rowOf(name, await play(t));
    t.equal(row.disturbed, 0, `nothing is stopped, reloaded, restarted or ended: ${JSON.stringify(row)}`);
  });
}
