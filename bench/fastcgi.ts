/**
 * What goodgateway costs between nginx and php-fpm: the same nginx, the same php-fpm, once directly and once through the
 * gateway, with and without kept php-fpm connections. `node bench/fastcgi.ts [--rounds 5] [--seconds 2]`.
 *
 * Rounds alternate, so that a busy machine is busy for all; each ratio is the median over the rounds of the ratio within
 * one round. Two placements: `shared`, where all processes share both cores as on a small server, so that every cycle
 * of the proxy is missing elsewhere (the budget is measured here); and `apart`, where the proxy has one core and nginx,
 * php-fpm and wrk the other. CPU time is read from /proc: the number that other load disturbs least. Where two cores are
 * busy with nothing else, the ratio of CPU times is the ratio of requests.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startGoodgateway, type Goodgateway } from '../test/support/goodgateway.ts';
import { startNginx, type Nginx } from '../test/support/nginx.ts';
import { startPhpFpm, type PhpFpm } from '../test/support/php-fpm.ts';
import { succeed } from '../test/support/program.ts';
import { isRoot } from '../test/support/skip.ts';

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

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '2' } } });
const ended: (() => unknown)[] = [];
try {
  await compare(await setUp());
} finally {
  for (const end of ended.reverse()) await end();
}

async function setUp(): Promise<Scene> {
  const scope = { teardown: (run: () => unknown) => ended.push(run) };
  const page = (name: string): string => readFileSync(join(import.meta.dirname, 'pages', name), 'utf8');
  const fpm = await startPhpFpm(scope, { maxChildren: workers, scripts: { 'hello.php': page('hello.php'), 'works.php': page('works.php') } });
  const common = { protocol: 'fastcgi', upstream: fpm.address, service: 'php', concurrency: workers, ...(isRoot ? { socket: { group: 'www-data' } } : {}) };
  const gateway = await startGoodgateway(scope, {
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

async function compare(scene: Scene): Promise<void> {
  const rounds = Number(values.rounds);
  const n = await calibrate(scene.nginx);
  print(`FastCGI: nginx → php-fpm (${workers} workers), ${connections} connections, medians of ${rounds} alternating rounds of ${values.seconds} s`);
  for (const placement of ['shared', 'apart'] as const) {
    for (const [page, path] of [
      ['hello', '/hello.php'],
      [`${wantedWorkUs / 1000} ms of work`, `/works.php?n=${n}`],
    ] as const) {
      const results = new Map<Way, Round[]>(ways.map((way) => [way, []]));
      for (let round = 0; round < rounds; round++) for (const way of ways) results.get(way)!.push(await measure(scene, { way, path, placement }));
      report(`${page}, ${placement === 'shared' ? 'all on both cores' : 'the proxy on a core of its own'}`, results);
    }
  }
}

/** Rounds of work that take a millisecond here; the fastest of many, because other load only makes it slower. */
async function calibrate(nginx: Nginx): Promise<number> {
  const tried = 20_000;
  let fastest = Infinity;
  for (let i = 0; i < 20; i++) fastest = Math.min(fastest, Number(await (await fetch(`${nginx.url}/0/works.php?n=${tried}`)).text()));
  return Math.round((tried * wantedWorkUs) / fastest);
}

async function measure(scene: Scene, { way, path, placement }: { way: Way; path: string; placement: Placement }): Promise<Round> {
  const proxy = scene.gateway.pid('proxy')!;
  const [others, own] = placement === 'shared' ? ['0,1', '0,1'] : ['0', '1'];
  for (const { pid } of [...scene.nginx.processes(), ...scene.fpm.processes()]) await pin(pid, others);
  await pin(proxy, own);
  const url = `${scene.nginx.url}/${ways.indexOf(way)}${path}`;
  const all = [...scene.nginx.processes(), ...scene.fpm.processes()].map(({ pid }) => pid);
  const [before, allBefore] = [cpuUs([proxy]), cpuUs([proxy, ...all])];
  const wrk = ['taskset', '-c', others, 'wrk', '-t1', `-c${connections}`, `-d${values.seconds}s`, url];
  const output = await succeed(wrk, { timeoutMs: 60_000 });
  const found = /(\d+) requests in ([\d.]+)(m?s)/.exec(output);
  if (!found) throw new Error(`wrk said: ${output}`);
  const seconds = Number(found[2]) / (found[3] === 'ms' ? 1000 : 1);
  const requests = Number(found[1]);
  return {
    perSecond: requests / seconds,
    proxyUs: (cpuUs([proxy]) - before) / requests,
    allUs: (cpuUs([proxy, ...all]) - allBefore) / requests,
    failed: Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0),
  };
}

async function pin(pid: number, cores: string): Promise<void> {
  await succeed(['taskset', '-a', '-p', '-c', cores, String(pid)]);
}

/** User and system time so far, all threads; ticks are 10 ms. */
function cpuUs(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * 10_000;
}

function report(title: string, results: ReadonlyMap<Way, readonly Round[]>): void {
  const direct = results.get('direct')!;
  print(`\n${title}`);
  for (const [way, rounds] of results) {
    const perSecond = median(rounds.map((round) => round.perSecond));
    const ratio = median(rounds.map((round, i) => round.perSecond / direct[i]!.perSecond));
    const cpuRatio = median(rounds.map((round, i) => direct[i]!.allUs / round.allUs));
    const cells = [`${Math.round(perSecond)}/s`.padStart(8), `× ${ratio.toFixed(2)}`];
    cells.push(`CPU ${Math.round(median(rounds.map((round) => round.allUs)))} µs`.padStart(11), `× ${cpuRatio.toFixed(2)}`);
    if (way !== 'direct') cells.push(`proxy ${Math.round(median(rounds.map((round) => round.proxyUs)))} µs`);
    const failed = rounds.reduce((sum, round) => sum + round.failed, 0);
    if (failed > 0) cells.push(`${failed} FAILED`);
    print(`  ${way.padEnd(36)} ${cells.join('   ')}`);
  }
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
