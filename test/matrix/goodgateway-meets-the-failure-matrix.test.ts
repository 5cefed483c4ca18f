/**
 * goodgateway's column of `npm run matrix`, over TCP and unix sockets: the cells were written down before the code.
 * The proxy runs in this process, where `npm run matrix` starts it as one of its own: twelve starts at once would be
 * most of the work.
 */
import t from 'tap';
import { cellsText, cellText, meets } from '../../bench/matrix/cell.ts';
import { behindNginx, goodgatewayFile } from '../../bench/matrix/proxies/goodgateway.ts';
import type { Proxy, ProxySetup, RunningProxy } from '../../bench/matrix/proxies/proxy.ts';
import { sections } from '../../bench/matrix/sections/registry.ts';
import { hostSchema } from '../../src/config/host-schema.ts';
import { runProxy } from '../../src/proxy/run-proxy.ts';
import { missing } from '../support/skip.ts';
import type { TestScope } from '../support/temp-folder.ts';

// most of a row is waiting for a timeout
t.jobs = 12;
for (const section of sections) {
  for (const proxy of section.proxies.filter(({ isGoodgateway }) => isGoodgateway)) {
    for (const unix of [false, true]) {
      const where = `${section.id} ${section.title}: ${proxy.name} over ${unix ? 'unix sockets' : 'TCP'}`;
      t.test(where, { buffered: true, skip: needsNginx(proxy) && missing('nginx') }, async (t) => {
        const course = { scope: t, proxy: { ...proxy, start: needsNginx(proxy) ? behindNginx(startHere) : startHere }, unix, rounds: 1 };
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

async function startHere(scope: TestScope, setup: ProxySetup): Promise<RunningProxy> {
  const proxy = await runProxy(hostSchema.parse(goodgatewayFile(scope, setup).host), 'test', { info: () => undefined, warn: () => undefined });
  scope.teardown(() => proxy.close(AbortSignal.abort()));
  return { front: setup.front, revive: () => Promise.resolve() };
}

function needsNginx({ name }: Proxy): boolean {
  return name.includes('nginx');
}
