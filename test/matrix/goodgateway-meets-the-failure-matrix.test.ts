/** goodgateway's column of `npm run matrix`, over TCP and unix sockets: the cells were written down before the code. */
import t from 'tap';
import { cellsText, cellText, meets } from '../../bench/matrix/cell.ts';
import type { Proxy } from '../../bench/matrix/proxies/proxy.ts';
import { sections } from '../../bench/matrix/sections/registry.ts';
import { missing } from '../support/skip.ts';

// most of a row is waiting for a timeout
t.jobs = 4;
for (const section of sections) {
  for (const proxy of section.proxies.filter(({ isGoodgateway }) => isGoodgateway)) {
    for (const unix of [false, true]) {
      const where = `${section.id} ${section.title}: ${proxy.name} over ${unix ? 'unix sockets' : 'TCP'}`;
      t.test(where, { buffered: true, skip: needsNginx(proxy) && missing('nginx') }, async (t) => {
        const course = { scope: t, proxy, unix };
        for (const outcome of await section.run(course)) {
          const expected = section.expected(outcome, course);
          const what = [outcome.row, outcome.part].filter(Boolean).join(', ');
          t.ok(meets(outcome.seen, expected), what, { expected: cellsText(expected), got: cellText(outcome.seen), seconds: outcome.seen.seconds });
          // `npm run matrix` judges the time; a busy machine must not fail a test
          if (outcome.seen.readyPlusMs !== undefined) t.comment(`${what}: answered ${outcome.seen.readyPlusMs} ms after the backend was ready`);
        }
      });
    }
  }
}

function needsNginx({ name }: Proxy): boolean {
  return name.includes('nginx');
}
