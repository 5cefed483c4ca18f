/** Kept connections with the real php-fpm behind the real nginx: each occupies a worker, so what do others get? */
import t from 'tap';
import { parseAddress, type Address } from '../../src/core/failure.ts';
import { fastcgi } from '../../src/upstream/fastcgi/exchange.ts';
import { encodeParams } from '../../src/upstream/fastcgi/params.ts';
import { startFastcgiGateway } from '../support/fastcgi-gateway.ts';
import { startPhpFpm } from '../support/php-fpm.ts';
import { answersLate } from '../support/php-scripts.ts';
import { needs } from '../support/skip.ts';
import { until } from '../support/until.ts';

const workers = 5;

/** Another client of the pool, with a connection of its own for each request, as php-fpm's neighbours have. */
async function askDirectly(backend: Address, script: string, docroot: string): Promise<string> {
  const params = encodeParams(Object.entries({ REQUEST_METHOD: 'GET', SCRIPT_NAME: script, SCRIPT_FILENAME: docroot + script, QUERY_STRING: 'ms=5' }));
  const result = await fastcgi.attempt(
    { method: 'GET', target: script, wire: { protocol: 'fastcgi', params, role: 1 }, body: { length: 0, open: () => never() }, clientGone: new AbortController().signal },
    backend,
    { connectTimeoutMs: 10_000, responseTimeoutMs: 10_000, idleTimeoutMs: 10_000 },
  );
  if (result.kind !== 'response') throw new Error(JSON.stringify(result));
  let text = '';
  for await (const piece of result.body) text += String(piece);
  return text;
}

function never(): never {
  throw new Error('a GET without a body');
}

const numberIn = (status: string, name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);

t.test('a busy gateway keeps connections to php-fpm, starves nobody, and gives idle ones back', async (t) => {
  if (!needs(t, 'nginx', 'php-fpm8.2')) return;
  const fpm = await startPhpFpm(t, { maxChildren: workers, pool: ['pm.status_path = /status'], scripts: { 'late.php': answersLate } });
  const backend = parseAddress(fpm.address)!;
  const { nginx, gateway } = await startFastcgiGateway(t, { upstream: fpm.address, docroot: fpm.docroot, settings: { concurrency: workers }, location: 'fastcgi_keep_conn on;' });

  let stop = false;
  const statuses: number[] = [];
  const visit = async (): Promise<void> => {
    const page = await fetch(`${nginx.url}/late.php?ms=5`);
    await page.text();
    statuses.push(page.status);
  };
  const visitors = Array.from({ length: 20 }, async () => {
    while (!stop) await visit();
  });
  await until(() => statuses.length > 100, { timeoutMs: 20_000, what: 'a busy gateway' });
  let others = 0;
  for (; others < 20; others++) {
    t.equal(await askDirectly(backend, '/late.php', fpm.docroot), 'late', 'a neighbour is served');
    t.ok(numberIn(await askDirectly(backend, '/status', ''), 'active processes') >= 1, 'the status page is served');
  }
  stop = true;
  await Promise.all(visitors);
  // idle ones are given back after a second: where this process stood still for so long, there are none any more
  const idle = await until(() => gateway.connections.idle || Promise.all(Array.from({ length: workers }, visit)).then(() => gateway.connections.idle), {
    timeoutMs: 15_000,
    what: 'connections that are kept',
  });
  const ended = performance.now();
  t.ok(
    statuses.every((status) => status === 200),
    'nobody got an error',
  );
  t.ok(idle >= 1 && idle <= workers - 1, `${idle} connections were kept, and one worker in ${workers} was left to others`);

  // a worker that waits on a kept connection does not count as idle: it cannot accept
  const allIdle = async (): Promise<boolean> => numberIn(await askDirectly(backend, '/status', ''), 'idle processes') === workers - 1;
  await until(allIdle, { timeoutMs: 10_000, what: 'all workers to be free again' });
  t.comment(`all workers were free ${Math.round(performance.now() - ended)} ms after the last answer`);
});
