/** Ten times as many requests at once as there are workers, twice: through goodgateway, and by nginx alone. */
import { Agent, request } from 'undici';
import { startSite } from '../../test/e2e/site.ts';
import { fastcgiLocation, startNginx, type Nginx } from '../../test/support/nginx.ts';
import { until } from '../../test/support/until.ts';
import { ms, table } from '../numbers.ts';
import type { Scope } from '../scope.ts';

const workers = 20;
const atOnce = 200;
const pageMs = 200;

interface Burst {
  readonly way: string;
  readonly statuses: ReadonlyMap<number, number>;
  readonly longestMs: number;
}

/** `backlog`: of php-fpm's socket; a small one is what a busy site runs into. */
export async function burst(scope: Scope): Promise<string> {
  const backlog = 16;
  const site = await startSite(scope, { built: true, fpm: { maxChildren: workers, pool: [`listen.backlog = ${backlog}`] }, policy: { mode: 'observe' }, failOpen: false });
  await until(async () => (await site.gateway.state('shop'))['limit'] === workers, { timeoutMs: 10_000, what: 'the limit of the pool' });
  const bursts: Burst[] = [];
  for (let i = 0; i < 2; i++) bursts.push(await send('goodgateway', site.nginx));
  const alone = await startNginx(scope, { server: fastcgiLocation(site.fpm.address, site.fpm.docroot) });
  for (let i = 0; i < 2; i++) bursts.push(await send('nginx alone', alone));
  return [
    `${workers} workers, ${atOnce} requests at once for a page that takes ${pageMs} ms, php-fpm's listen.backlog = ${backlog}:`,
    '',
    table(
      ['way', 'answers', 'longest wait'],
      bursts.map(({ way, statuses, longestMs }) => [way, [...statuses].map(([status, count]) => `${status} × ${count}`).join(', '), ms(longestMs)]),
    ),
  ].join('\n');
}

async function send(way: string, { url }: Nginx): Promise<Burst> {
  const dispatcher = new Agent({ connections: atOnce, pipelining: 1 });
  const statuses = new Map<number, number>();
  let longestMs = 0;
  const one = async (): Promise<void> => {
    const began = performance.now();
    const { statusCode, body } = await request(`${url}/late.php?ms=${pageMs}`, { dispatcher });
    await body.dump();
    statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
    longestMs = Math.max(longestMs, performance.now() - began);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  await dispatcher.close();
  return { way, statuses, longestMs };
}
