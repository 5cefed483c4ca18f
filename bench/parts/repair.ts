/**
 * `kill -9` of every php-fpm process under 500 requests a second, ten times in a row: what visitors notice of it, and
 * how fast each step of the repair is. A policy whose limits are raised for it.
 */
import { signal } from '../../test/support/processes.ts';
import { startLoad, type Load, type LoadResult } from '../../test/support/load.ts';
import type { AuditRecord } from '../../test/support/audit-records.ts';
import { until } from '../../test/support/until.ts';
import { startSite, type Site } from '../../test/e2e/site.ts';
import { median, ms, quantile, table } from '../numbers.ts';
import type { Scope } from '../scope.ts';

const rate = 500;
const workers = 20;

interface Kill {
  readonly results: readonly LoadResult[];
  /** From the kill until … */
  readonly openedMs: number;
  readonly intentMs: number;
  readonly acceptsMs: number;
  /** php-fpm's own start: from the command until it has made its socket and gone into the background. */
  readonly startMs: number;
}

export async function repair(scope: Scope, kills = 10): Promise<string> {
  const site = await startSite(scope, {
    built: true,
    fpm: { maxChildren: workers },
    policy: { 'limits.max_attempts': { times: 100, within: '1h' }, 'verify.stable_for': '500ms' },
    host: { safety: { host_budget: { disruptive_actions: 100, starts: 100, within: '1h' }, breaker: { open_when: { failed_actions: 100, within: '1m' } } } },
  });
  const load = startLoad(scope, { port: site.nginx.port, rate, posts: 0.2, path: (_method, id) => `/record.php?id=${id}` });
  await until(() => load.results.length > rate, { timeoutMs: 20_000, what: 'steady load' });
  const rounds: Kill[] = [];
  for (let i = 0; i < kills; i++) rounds.push(await killOnce(site, load, i));
  const all = await load.stop();
  return describe(rounds, all, site);
}

async function killOnce(site: Site, load: Load, before: number): Promise<Kill> {
  const from = load.results.length;
  const killedAtMs = Date.now();
  for (const { pid } of site.fpm.processes()) signal(pid, 'SIGKILL');
  await until(() => site.records('incident.recovered').length > before, { timeoutMs: 60_000, what: `recovery ${before + 1}` });
  await until(() => load.results.length > from + 2 * rate && load.inFlight() < workers, { timeoutMs: 60_000, what: 'steady load again' });
  const at = (event: string): number => Date.parse(String(last(site.records(event))['ts']));
  return {
    results: load.results.slice(from),
    openedMs: at('incident.opened') - killedAtMs,
    intentMs: at('action.intent') - killedAtMs,
    acceptsMs: at('action.finished') - killedAtMs,
    startMs: at('action.finished') - at('action.intent'),
  };
}

function last(records: readonly AuditRecord[]): AuditRecord {
  return records.at(-1) ?? { event: 'none' };
}

function describe(rounds: readonly Kill[], all: readonly LoadResult[], site: Site): string {
  const failed = (method: string): readonly LoadResult[] => all.filter((one) => one.method === method && one.status !== 200);
  const posts = site.executions().filter((line) => line.startsWith('POST'));
  const twice = posts.length - new Set(posts).size;
  const count = (method: string): number => all.filter((one) => one.method === method).length;
  const waits = rounds.map(({ results }) =>
    quantile(
      results.map(({ tookMs }) => tookMs),
      0.99,
    ),
  );
  const row = (what: string, pick: (kill: Kill) => number): readonly string[] => [what, ms(Math.min(...rounds.map(pick))), ms(median(rounds.map(pick))), ms(Math.max(...rounds.map(pick)))];
  return [
    `\`kill -9\` of all ${workers + 1} php-fpm processes at ${rate} requests/s, ${rounds.length} times in a row, through nginx:`,
    '',
    `- GET: ${count('GET').toLocaleString('en')}, failed ${failed('GET').length} (budget 0)`,
    `- POST: ${count('POST').toLocaleString('en')}, answered by an honest 503 because they were being executed: ${failed('POST').length} (budget ${workers} a kill); executed twice: ${twice} (budget 0)`,
    '',
    table(
      ['from the kill until', 'least', 'median', 'most'],
      [row('the incident is open', (kill) => kill.openedMs), row('the intent is on the disk, and the command starts', (kill) => kill.intentMs), row('php-fpm was started', (kill) => kill.acceptsMs)],
    ),
    '',
    table(
      ['waiting time of the visitors', 'least', 'median', 'most'],
      [
        ['99 % of a round wait at most', ms(Math.min(...waits)), ms(median(waits)), ms(Math.max(...waits))],
        row('the longest wait of a round', ({ results }) => Math.max(...results.map(({ tookMs }) => tookMs))),
        row("php-fpm's own start", (kill) => kill.startMs),
      ],
    ),
  ].join('\n');
}
