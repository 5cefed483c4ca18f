/**
 * HTTP through each proxy on one core: the same backend, the same load, one proxy after the other in alternating rounds,
 * so that a busy machine is busy for all. The proxy has one core; backend and wrk share the other.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startNginx } from '../../test/support/nginx.ts';
import { freePort } from '../../test/support/ports.ts';
import { family } from '../../test/support/processes.ts';
import { start, succeed } from '../../test/support/program.ts';
import { tempFolder } from '../../test/support/temp-folder.ts';
import { untilAccepts } from '../wait.ts';
import { readProfile } from '../cpu-profile.ts';
import { cpuUs, median, residentMiB, table } from '../numbers.ts';
import { smallNurseries } from '../../src/supervisor/entry-points.ts';
import type { Scope } from '../scope.ts';
import { pin, readWrk, type WrkResult } from '../wrk.ts';

const connections = 50;
const bodyBytes = 1024;

interface Peer {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
}

interface Round {
  readonly perSecond: number;
  readonly cpuUsEach: number;
  readonly failed: number;
}

export async function http(scope: Scope, rounds = 5, seconds = 3): Promise<string> {
  const backend = await startNginx(scope, { server: `location / { return 200 "${'x'.repeat(bodyBytes)}"; }`, http: 'keepalive_requests 100000000;' });
  for (const { pid } of backend.processes()) await pin(pid, '0');
  const peers = await startPeers(scope, backend.port);
  const results = new Map<Peer, Round[]>(peers.map((peer) => [peer, []]));
  for (const { port } of peers) await load(port, 1);
  for (let round = 0; round < rounds; round++) for (const peer of peers) results.get(peer)!.push(await measure(peer, seconds));
  const { perSecond: direct } = await load(backend.port, seconds);
  return `${describe(results, { rounds, seconds, direct })}\n\n${await profile(scope, backend.port)}`;
}

/** Long enough for the proxy to have started and to be compiled. */
const warmMs = 3000;

/** What the time of one request through goodgateway is spent on. */
async function profile(scope: Scope, backend: number): Promise<string> {
  const [port, folder] = [await freePort(), tempFolder(scope, 'gg-bench')];
  const [node = '', ...rest] = goodgateway({ folder, port, backend });
  // the permission model forbids the profiler to write
  const argv = rest.filter((word) => word !== '--permission' && !word.startsWith('--allow-fs'));
  const running = start(['taskset', '-c', '1', node, '--cpu-prof', `--cpu-prof-dir=${folder}`, ...argv]);
  await untilAccepts(running, { host: '127.0.0.1', port });
  await load(port, warmMs / 1000 + 3);
  process.kill(running.pid, 'SIGTERM');
  await running.ended;
  const { groups, functions } = readProfile(folder, warmMs);
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  return [
    'Where the time of goodgateway goes (a CPU profile of three seconds of the same load, idle time left out):',
    '',
    table(
      ['whose code was running', 'share'],
      groups.map(({ name, share }) => [name, percent(share)]),
    ),
    '',
    `The largest single functions: ${functions
      .slice(0, 8)
      .map(({ name, share }) => `\`${name}\` ${percent(share)}`)
      .join(', ')}.`,
  ].join('\n');
}

async function measure({ pid, port }: Peer, seconds: number): Promise<Round> {
  const cpu = (): number => family(pid).reduce((sum, one) => sum + cpuUs(one.pid), 0);
  const before = cpu();
  const { requests, perSecond, failed } = await load(port, seconds);
  return { perSecond, cpuUsEach: (cpu() - before) / requests, failed };
}

async function load(port: number, seconds: number): Promise<WrkResult> {
  return readWrk(await succeed(['taskset', '-c', '0', 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, `http://127.0.0.1:${port}/`], { timeoutMs: 60_000 }));
}

function describe(results: ReadonlyMap<Peer, readonly Round[]>, run: { readonly rounds: number; readonly seconds: number; readonly direct: number }): string {
  const own = [...results].find(([{ name }]) => name === 'goodgateway')![1];
  const rows = [...results].map(([peer, rounds]) => {
    const ratio = median(rounds.map((round, i) => own[i]!.perSecond / round.perSecond));
    const failed = rounds.reduce((sum, round) => sum + round.failed, 0);
    const memory = family(peer.pid).reduce((sum, { pid }) => sum + residentMiB(pid), 0);
    return [
      failed > 0 ? `${peer.name} (${failed} FAILED)` : peer.name,
      Math.round(median(rounds.map((round) => round.perSecond))).toLocaleString('en'),
      `${Math.round(median(rounds.map((round) => round.cpuUsEach)))} µs`,
      `× ${ratio.toFixed(2)}`,
      `${memory.toFixed(0)} MiB`,
    ];
  });
  return [
    `HTTP on one core, ${bodyBytes} bytes, ${connections} connections, medians of ${run.rounds} alternating rounds of ${run.seconds} s (the backend alone, on the core that it shares with wrk: ${Math.round(run.direct).toLocaleString('en')}/s):`,
    '',
    table(['proxy', 'requests/s', 'CPU each', 'goodgateway is', 'memory after'], rows),
    '',
    'Goals: stock @fastify/http-proxy × 2.5, Caddy × 2, HAProxy × 0.5.',
  ].join('\n');
}

// ---- the peers, each told to use one core and to keep its connections to the backend

async function startPeers(scope: Scope, backend: number): Promise<readonly Peer[]> {
  const peers: Peer[] = [];
  for (const [name, program, argv] of [
    ['goodgateway', process.execPath, goodgateway],
    ['nginx', '/usr/sbin/nginx', nginx],
    ['haproxy', '/usr/sbin/haproxy', haproxy],
    ['caddy', '/usr/bin/caddy', caddy],
    ['stock @fastify/http-proxy', process.execPath, script('fastify-http-proxy.ts')],
    ['http-proxy', process.execPath, script('http-proxy.ts')],
  ] as const) {
    if (!existsSync(program)) continue;
    const port = await freePort();
    const folder = tempFolder(scope, 'gg-bench');
    const running = start(['taskset', '-c', '1', ...argv({ folder, port, backend })], { environment: { HOME: folder, GOMAXPROCS: '1' } });
    scope.teardown(() => process.kill(running.pid, 'SIGTERM'));
    await untilAccepts(running, { host: '127.0.0.1', port });
    peers.push({ name, pid: running.pid, port });
  }
  return peers;
}

interface Place {
  readonly folder: string;
  readonly port: number;
  readonly backend: number;
}

function goodgateway({ folder, port, backend }: Place): readonly string[] {
  const config = join(folder, 'goodgateway.yaml');
  writeFileSync(
    config,
    [
      'version: 1',
      `gateways: { app: { listen: "127.0.0.1:${port}", protocol: http, upstream: "127.0.0.1:${backend}", service: app } }`,
      `audit: { folder: ${folder} }`,
      `state: ${folder}`,
      `runtime: ${folder}`,
      'log: { level: error }',
    ].join('\n'),
  );
  return [process.execPath, smallNurseries, '--permission', '--allow-fs-read=*', '--allow-fs-write=*', join(import.meta.dirname, '../../dist/proxy/main.js'), '--config', config];
}

function nginx({ folder, port, backend }: Place): readonly string[] {
  const config = join(folder, 'nginx.conf');
  writeFileSync(
    config,
    `worker_processes 1; daemon off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  keepalive_requests 100000000;
  upstream app { server 127.0.0.1:${backend}; keepalive 64; keepalive_requests 100000000; }
  server { listen 127.0.0.1:${port}; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; } }
}`,
  );
  return ['/usr/sbin/nginx', '-e', `${folder}/error.log`, '-c', config];
}

function haproxy({ folder, port, backend }: Place): readonly string[] {
  const config = join(folder, 'haproxy.cfg');
  writeFileSync(
    config,
    `global
  nbthread 1
  maxconn 1024
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
  server s 127.0.0.1:${backend}
`,
  );
  return ['/usr/sbin/haproxy', '-db', '-f', config];
}

function caddy({ folder, port, backend }: Place): readonly string[] {
  const config = join(folder, 'Caddyfile');
  writeFileSync(config, `{\n  admin off\n  auto_https off\n}\nhttp://:${port} {\n  bind 127.0.0.1\n  reverse_proxy 127.0.0.1:${backend}\n}\n`);
  return ['/usr/bin/caddy', 'run', '--adapter', 'caddyfile', '--config', config];
}

function script(file: string): (place: Place) => readonly string[] {
  return ({ port, backend }) => [process.execPath, join(import.meta.dirname, '../peers', file), String(port), String(backend)];
}
