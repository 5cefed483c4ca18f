import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { missing } from '../support/skip.ts';
import { until } from '../support/until.ts';
import { ask, startSite, type Site } from './site.ts';

const skip = missing('nginx', 'php-fpm8.2');

async function limitIs(site: Site, limit: number): Promise<void> {
  await until(async () => (await site.gateway.state('shop'))['limit'] === limit, { timeoutMs: 20_000, what: `a limit of ${limit}` });
}

function count(statuses: readonly number[]): Readonly<Record<number, number>> {
  return Object.fromEntries([...new Set(statuses)].map((status) => [status, statuses.filter((one) => one === status).length]));
}

t.test('ten times as many requests as workers wait in the gateway, and none gets an error', { skip }, async (t) => {
  const site = await startSite(t, { fpm: { maxChildren: 20, pool: ['listen.backlog = 8'] }, policy: { hung_after: '30s' }, failOpen: false });
  await limitIs(site, 20);
  for (let burst = 1; burst <= 2; burst++) {
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask(`${site.nginx.url}/late.php?ms=200`)));
    t.same(count(answers.map(({ status }) => status)), { 200: 200 }, `burst ${burst}`);
  }
  t.same(
    site.records('action.intent').filter(({ action }) => action !== 'wait'),
    [],
    'a busy service is left alone',
  );
});

t.test('who would wait longer than the hold time gets an honest 503, never a 502, and nothing is restarted', { skip }, async (t) => {
  const site = await startSite(t, { fpm: { maxChildren: 2, pool: ['listen.backlog = 4'] }, policy: { hung_after: '30s' }, gateway: { hold: { for: '1s' } }, failOpen: false });
  await limitIs(site, 2);
  const answers = await Promise.all(Array.from({ length: 30 }, () => ask(`${site.nginx.url}/late.php?ms=300`)));
  t.same(
    answers.filter(({ status }) => status !== 200 && status !== 503).map(({ status }) => status),
    [],
  );
  const refused = answers.filter(({ status }) => status === 503);
  t.ok(refused.length > 0 && refused.length < 30, `${refused.length} of 30 were refused`);
  t.ok(refused.every(({ headers }) => headers['proxy-status'] === 'goodgateway; error=connection_limit_reached' && Number(headers['retry-after']) >= 1));
  t.same(
    site.records('action.intent').filter(({ action }) => action !== 'wait'),
    [],
  );
});

t.test('another pm.max_children is noticed when php-fpm was started with it', { skip }, async (t) => {
  const site = await startSite(t, { fpm: { maxChildren: 3 }, policy: { mode: 'observe' } });
  await limitIs(site, 3);
  writeFileSync(site.fpm.config, readFileSync(site.fpm.config, 'utf8').replace('pm.max_children = 3', 'pm.max_children = 4'));
  await site.fpm.stop();
  await site.fpm.start();
  await limitIs(site, 4);
});
