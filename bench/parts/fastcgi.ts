/**
 * What goodgateway costs between nginx and php-fpm: the same nginx, the same php-fpm, once directly and once through the
 * gateway, with and without kept php-fpm connections.
 *
 * Rounds alternate, so that a busy machine is busy for all; each ratio is the median over the rounds of the ratio within
 * one round. Two placements: `shared`, where all processes share both cores as on a small server, so that every cycle
 * of the proxy is missing elsewhere (the budget is measured here); and `apart`, where the proxy has one core and nginx,
 * php-fpm and wrk the other. CPU time is read from /proc: the number that other load disturbs least. Where two cores are
 * busy with nothing else, the ratio of CPU times is the ratio of requests.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startGoodgateway, type Goodgateway } from '../../test/support/goodgateway.ts';
import { startNginx, type Nginx } from '../../test/support/nginx.ts';
import { startPhpFpm, type PhpFpm } from '../../test/support/php-fpm.ts';
import { succeed } from '../../test/support/program.ts';
import { isRoot } from '../../test/support/skip.ts';
import { cpuUs, median, table } from '../numbers.ts';
import type { Scope } from '../scope.ts';
import { pin, readWrk } from '../wrk.ts';

const ways = ['direct', 'goodgateway', 'goodgateway, keepalive: none', 'goodgateway, no fastcgi_keep_conn'] as const;
type Way = (typeof ways)[number];
type Placement = 'shared' | 'apart';

/** More than wrk's connections and the pool's reserve: what is measured is the way, not the waiting for a worker. */
const workers = 10;
const connections = 8;
const wantedWorkUs = 1000;

interface Scene {
  readonly fpm: PhpFpm;
  readonly nginx: Nginx;
  readonly gateway: Goodgateway;
}

interface Round {
  readonly perSecond: number;
  /** CPU time of the proxy for each request, and that of nginx, php-fpm and the proxy together. */
  readonly proxyUs: number;
  readonly allUs: number;
  readonly failed: number;
}

interface Run {
  readonly rounds: number;
  readonly seconds: number;
}

export async function fastcgi(scope: Scope, rounds = 5, seconds = 2): Promise<string> {
  return compare(await setUp(scope), { rounds, seconds });
}

async function setUp(scope: Scope): Promise<Scene> {
  const page = (name: string): string => readFileSync(join(import.meta.dirname, '../pages', name), 'utf8');
  const fpm = await startPhpFpm(scope, { maxChildren: workers, scripts: { 'hello.php': page('hello.php'), 'works.php': page('works.php') } });
  const common = { protocol: 'fastcgi', upstream: fpm.address, service: 'php', concurrency: workers, ...(isRoot ? { socket: { group: 'www-data' } } : {}) };
  const gateway = await startGoodgateway(scope, {
    built: true,
    gateways: (folder) => ({
      kept: { ...common, listen: `unix:${folder}/kept.sock` },
      fresh: { ...common, listen: `unix:${folder}/fresh.sock`, keepalive: 'none' },
    }),
    policies: [{ version: 1, name: 'php', mode: 'observe', service: { type: 'external' }, rules: [] }],
  });
  const at = (name: string): string => `unix:${gateway.folder}/${name}.sock`;
  const nginx = await startNginx(scope, {
    http: ['kept', 'fresh'].map((name) => `upstream ${name} { server ${at(name)} max_fails=0; keepalive 32; }`).join('\n'),
    server: [
      location(0, fpm, { pass: fpm.address, keep: false }),
      location(1, fpm, { pass: 'kept', keep: true }),
      location(2, fpm, { pass: 'fresh', keep: true }),
      location(3, fpm, { pass: at('kept'), keep: false }),
    ].join('\n'),
  });
  return { fpm, nginx, gateway };
}

function location(way: number, { docroot }: PhpFpm, { pass, keep }: { readonly pass: string; readonly keep: boolean }): string {
  return `location ~ ^/${way}(/.*)$ {
    include /etc/nginx/fastcgi_params;
    fastcgi_param SCRIPT_FILENAME ${docroot}$1;
    fastcgi_param HTTP_X_REQUEST_ID $request_id;
    fastcgi_pass ${pass};
    fastcgi_keep_conn ${keep ? 'on' : 'off'};
    fastcgi_next_upstream error;
  }`;
}

async function compare(scene: Scene, run: Run): Promise<string> {
  const n = await calibrate(scene.nginx);
  const sections = [
    `nginx → php-fpm (${workers} workers) directly and through goodgateway, ${connections} connections, medians of ${run.rounds} alternating rounds of ${run.seconds} s. CPU is nginx's, php-fpm's and the proxy's for one request. Budget for the 1 ms page: × 0.85, goal × 0.95.`,
  ];
  for (const placement of ['shared', 'apart'] as const) {
    for (const [page, path] of [
      ['Hello page', '/hello.php'],
      [`Page of ${wantedWorkUs / 1000} ms of work`, `/works.php?n=${n}`],
    ] as const) {
      const results = new Map<Way, Round[]>(ways.map((way) => [way, []]));
      for (let round = 0; round < run.rounds; round++) for (const way of ways) results.get(way)!.push(await measure(scene, { way, path, placement, seconds: run.seconds }));
      sections.push(`${page}, ${placement === 'shared' ? 'all on both cores' : 'the proxy on a core of its own'}:`, report(results));
    }
  }
  return sections.join('\n\n');
}

/** Rounds of work that take a millisecond here; the fastest of many, because other load only makes it slower. */
async function calibrate(nginx: Nginx): Promise<number> {
  const tried = 20_000;
  let fastest = Infinity;
  for (let i = 0; i < 20; i++) fastest = Math.min(fastest, Number(await (await fetch(`${nginx.url}/0/works.php?n=${tried}`)).text()));
  return Math.round((tried * wantedWorkUs) / fastest);
}

async function measure(scene: Scene, { way, path, placement, seconds }: { way: Way; path: string; placement: Placement; seconds: number }): Promise<Round> {
  const proxy = scene.gateway.pid('proxy')!;
  const [others, own] = placement === 'shared' ? ['0,1', '0,1'] : ['0', '1'];
  const servers = [...scene.nginx.processes(), ...scene.fpm.processes()].map(({ pid }) => pid);
  for (const pid of servers) await pin(pid, others);
  await pin(proxy, own);
  const cpu = (): number => servers.reduce((sum, pid) => sum + cpuUs(pid), 0);
  const [proxyBefore, serversBefore] = [cpuUs(proxy), cpu()];
  const wrk = ['taskset', '-c', others, 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, `${scene.nginx.url}/${ways.indexOf(way)}${path}`];
  const { requests, perSecond, failed } = readWrk(await succeed(wrk, { timeoutMs: 60_000 }));
  const proxyUs = (cpuUs(proxy) - proxyBefore) / requests;
  return { perSecond, failed, proxyUs, allUs: proxyUs + (cpu() - serversBefore) / requests };
}

function report(results: ReadonlyMap<Way, readonly Round[]>): string {
  const direct = results.get('direct')!;
  const rows = [...results].map(([way, rounds]) => {
    const failed = rounds.reduce((sum, round) => sum + round.failed, 0);
    return [
      failed > 0 ? `${way} (${failed} FAILED)` : way,
      Math.round(median(rounds.map((round) => round.perSecond))).toLocaleString('en'),
      `× ${median(rounds.map((round, i) => round.perSecond / direct[i]!.perSecond)).toFixed(2)}`,
      `${Math.round(median(rounds.map((round) => round.allUs)))} µs`,
      `× ${median(rounds.map((round, i) => direct[i]!.allUs / round.allUs)).toFixed(2)}`,
      way === 'direct' ? '' : `${Math.round(median(rounds.map((round) => round.proxyUs)))} µs`,
    ];
  });
  return table(['way', 'requests/s', 'of direct', 'CPU', 'of direct', 'of it the proxy'], rows);
}
