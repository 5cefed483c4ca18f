/** Ten times as many requests at once as there are workers, twice: through goodgateway, and by nginx alone. */
import { Agent, request } from 'undici';
import { startSite, type Site } from '../../test/e2e/site.ts';
import { fastcgiLocation, startNginx, type Nginx } from '../../test/support/nginx.ts';
import { until } from '../../test/support/until.ts';
import { median, ms, table } from '../numbers.ts';
import type { Scope } from '../scope.ts';

const workers = 20;
const atOnce = 200;
const pageMs = 200;
/** hold.requests: more than those are refused at once. */
const line = 250;
/** More than workers and line take. */
const tooMany = 400;

interface Burst {
  readonly way: string;
  readonly statuses: ReadonlyMap<number, number>;
  readonly longestMs: number;
}

/** `backlog`: of php-fpm's socket; a small one is what a busy site runs into. */
export async function burst(scope: Scope): Promise<string> {
  const backlog = 16;
  const site = await startSite(scope, {
    built: true,
    fpm: { maxChildren: workers, pool: [`listen.backlog = ${backlog}`] },
    policy: { mode: 'observe' },
    gateway: { hold: { requests: line } },
    failOpen: false,
  });
  await until(async () => (await site.gateway.state('shop'))['limit'] === workers, { timeoutMs: 10_000, what: 'the limit of the pool' });
  const bursts: Burst[] = [];
  for (let i = 0; i < 2; i++) bursts.push(await send('goodgateway', site.nginx));
  const alone = await startNginx(scope, { server: fastcgiLocation(site.fpm.address, site.fpm.docroot) });
  for (let i = 0; i < 2; i++) bursts.push(await send('nginx alone', alone));
  await send('goodgateway', site.nginx, tooMany);
  const refused = refusedMs(site);
  return [
    `${workers} workers, ${atOnce} requests at once for a page that takes ${pageMs} ms, php-fpm's listen.backlog = ${backlog}:`,
    '',
    table(
      ['way', 'answers', 'longest wait'],
      bursts.map(({ way, statuses, longestMs }) => [way, [...statuses].map(([status, count]) => `${status} × ${count}`).join(', '), ms(longestMs)]),
    ),
    '',
    `${tooMany} at once, where ${workers} are served and ${line} may wait: ${refused.length} got the page, which took the gateway ${ms(median(refused))} (median; most ${ms(Math.max(...refused))}; budget 10 ms), as its own access record says.`,
  ].join('\n');
}

async function send(way: string, { url }: Nginx, count = atOnce): Promise<Burst> {
  const dispatcher = new Agent({ connections: count, pipelining: 1 });
  const statuses = new Map<number, number>();
  let longestMs = 0;
  const one = async (): Promise<void> => {
    const began = performance.now();
    const { statusCode, body } = await request(`${url}/late.php?ms=${pageMs}`, { dispatcher });
    await body.dump();
    statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
    longestMs = Math.max(longestMs, performance.now() - began);
  };
  await Promise.all(Array.from({ length: count }, one));
  await dispatcher.close();
  return { way, statuses, longestMs };
}

/** From the last parameter of the request until its page was handed over. */
function refusedMs({ gateway }: Site): readonly number[] {
  const lines = gateway.log().split('\n');
  const records = lines.filter((text) => text.includes('"queue_full"')).map((text) => JSON.parse(text) as { readonly took_ms: number });
  return records.map((record) => record.took_ms);
}
