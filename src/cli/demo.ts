/**
 * `goodgateway demo`: a small shop, the proxy and the healer, all real processes in one temporary folder. No root, no
 * nginx. Ctrl-C ends all of them and removes the folder. After a kill -9 all end by themselves, and the next demo removes
 * the folder.
 */
import { lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { request } from 'undici';
import { fillPolicy } from '../config/fill-policy.ts';
import { loadConfiguration } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import { systemClock } from '../core/time.ts';
import { actionOptions } from '../healer/action-options.ts';
import { runCommand as runProgram } from '../healer/run-command.ts';
import { isAlive, readStat } from '../healer/proc.ts';
import { process as processService, startRemembered } from '../healer/services/process.ts';
import type { ServiceTarget } from '../healer/leaves.ts';
import { entryPoint, ownProcesses } from '../supervisor/entry-points.ts';
import { supervise } from '../supervisor/supervise.ts';

const folderPrefix = 'goodgateway-demo-';
const pidFile = 'pid';
const usualPort = 8080;
const readyWithinMs = 20_000;
const stopWithinMs = 5000;

export function demoCommand(): Command {
  return new Command('demo')
    .description('watch a small shop die and come back, on this machine, in a temporary folder')
    .option('--port <port>', 'where to open it', String(usualPort))
    .option('--verbose', 'show what the processes log')
    .addHelpText('after', '\nExample:\n  goodgateway demo')
    .action(async (options: { port: string; verbose?: boolean }) => {
      await removeStaleFolders();
      const folder = await mkdtemp(join(tmpdir(), folderPrefix));
      try {
        await writeFile(join(folder, pidFile), `${process.pid}\n`, { mode: 0o600 });
        await runDemo(folder, options);
      } finally {
        await rm(folder, { recursive: true, force: true, maxRetries: 3 });
      }
    });
}

/** What demos left that were killed and could not tidy up. Other people's folders, and those of living demos, stay. */
async function removeStaleFolders(): Promise<void> {
  // best effort: a folder that cannot be read or removed is in nobody's way
  const names = await readdir(tmpdir()).catch(() => []);
  for (const name of names.filter((one) => one.startsWith(folderPrefix))) {
    const folder = join(tmpdir(), name);
    if (await isStale(folder).catch(() => false)) await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
  }
}

/** Without a whole pid in it, a folder may belong to a demo that is just starting. */
async function isStale(folder: string): Promise<boolean> {
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) return false;
  const pid = /^(\d{1,10})\n$/.exec(await readFile(join(folder, pidFile), 'utf8'))?.[1];
  return pid !== undefined && !isAlive(readStat(Number(pid)));
}

async function runDemo(folder: string, options: { port: string; verbose?: boolean }): Promise<void> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  const ports = await choosePorts(Number(options.port));
  const config = await writeFiles(folder, ports);
  const shop = await shopTarget(config);
  if (!shop) return;
  const began = await startRemembered(shop, runProgram);
  if (began.result !== 'done') throw new Error(`the shop could not be started: ${began.detail}`);
  const quiet = { info: () => undefined, warn: () => undefined };
  const state = join(folder, 'state');
  const proxy = { reads: [folder], writes: [], appends: [], cache: join(state, 'compile-cache', 'proxy'), runtime: folder };
  const supervisor = supervise(ownProcesses(config, { state, proxy, ...(options.verbose ? {} : { log: join(folder, 'log') }) }), quiet, () => stop.abort());
  try {
    const url = `http://127.0.0.1:${ports.gateway}/`;
    if (await isReady(url, `http://127.0.0.1:${ports.admin}/state`, stop.signal)) process.stdout.write(welcome(url, folder));
    else if (!stop.signal.aborted) throw new Error(`the demo did not answer on ${url} within ${readyWithinMs / 1000} s; try: goodgateway demo --verbose`);
    await new Promise<void>((resolve) => (stop.signal.aborted ? resolve() : stop.signal.addEventListener('abort', () => resolve())));
  } finally {
    await supervisor.stop(stopWithinMs);
    await processService.control(shop, 'stop', runProgram, AbortSignal.timeout(stopWithinMs));
    process.stdout.write('\nEverything was stopped, and the folder of the demo was removed.\n');
  }
}

interface Ports {
  readonly gateway: number;
  readonly admin: number;
  readonly shop: number;
  readonly other: number;
}

/** The port that was asked for if it is free, else any; the others never matter to anybody. */
async function choosePorts(wanted: number): Promise<Ports> {
  const [gateway, admin, shop, other] = await freePorts([wanted, 0, 0, 0]);
  return { gateway: gateway!, admin: admin!, shop: shop!, other: other! };
}

async function freePorts(wanted: readonly number[]): Promise<number[]> {
  const servers = await Promise.all(wanted.map((port) => listenSomewhere(port)));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function listenSomewhere(port: number): Promise<ReturnType<typeof createServer>> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => (port === 0 ? reject(error) : resolve(listenSomewhere(0))));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

async function writeFiles(folder: string, ports: Ports): Promise<string> {
  const start = [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    entryPoint('demo/shop'),
    '--port',
    String(ports.shop),
    '--other-port',
    String(ports.other),
    '--workers',
    '4',
    '--admin',
    `http://127.0.0.1:${ports.admin}`,
    '--orders',
    join(folder, 'orders'),
    '--end-with',
    String(process.pid),
  ];
  const ready = await readFile(fileURLToPath(new URL('../../policies/demo.yaml', import.meta.url)), 'utf8');
  await writeFile(join(folder, 'policy.yaml'), fillPolicy(ready, [{ path: ['service', 'start'], value: start }]), { mode: 0o600 });
  const config = join(folder, 'goodgateway.yaml');
  // so that the commands to try are short, wherever goodgateway lies
  await writeFile(join(folder, 'goodgateway'), `#!/bin/sh\nexec '${process.execPath}' --disable-warning=ExperimentalWarning '${entryPoint('cli/main')}' "$@" --config '${config}'\n`, { mode: 0o700 });
  await writeFile(
    config,
    `version: 1
gateways:
  shop:
    listen: 127.0.0.1:${ports.gateway}
    protocol: http
    upstream: 127.0.0.1:${ports.shop}
    also_allowed: [127.0.0.1:${ports.other}]
    service: shop
    concurrency: 4
admin: 127.0.0.1:${ports.admin}
policies: policy.yaml
audit: { folder: ${folder}/audit }
state: ${folder}/state
runtime: ${folder}
# people press buttons: a real host keeps the small default budgets
safety: { host_budget: { disruptive_actions: 1000, starts: 1000 }, breaker: { open_when: { failed_actions: 100, within: 1m } } }
`,
    { mode: 0o600 },
  );
  return config;
}

/** The shop as the healer knows it, so that it is started and stopped in the same way. */
async function shopTarget(config: string): Promise<ServiceTarget | undefined> {
  const loaded = await loadConfiguration(config, { actionOptions });
  if (!loaded.ok) {
    for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
    process.exitCode = 1;
    return undefined;
  }
  const { host, policies } = loaded.configuration;
  const gateway = host.gateways['shop'];
  const shop = policies.get('shop');
  if (!gateway || !shop) throw new Error('expected policies/demo.yaml to be the policy of "shop"; install goodgateway again');
  return { name: 'shop', config: shop.policy.service, upstreams: [gateway.upstream, ...gateway.also_allowed], current: 0, protocol: 'http', stateFolder: host.state };
}

/** The shop answers, and the healer hears of what happens to it: a press before that would be healed, and not be told. */
async function isReady(url: string, stateUrl: string, signal: AbortSignal): Promise<boolean> {
  const deadline = systemClock.monotonicMs() + readyWithinMs;
  while (!signal.aborted && systemClock.monotonicMs() < deadline) {
    try {
      const shop = await request(url, { signal });
      await shop.body.dump();
      const state = await request(stateUrl, { signal });
      const isHealerThere = (await state.body.text()).includes('"healer":"connected"');
      if (shop.statusCode === 200 && isHealerThere) return true;
    } catch {
      // not listening yet
    }
    await systemClock.sleep(50, signal);
  }
  return false;
}

function welcome(url: string, folder: string): string {
  const command = join(folder, 'goodgateway');
  return `
Open ${url}

Three things to try:
  1. Press "Crash", and go on shopping: your next request waits for a moment instead of failing.
  2. Press "Fill all workers": nothing is restarted, because busy is not broken.
  3. Read what happened and why, in another terminal:
     ${command} log
     ${command} why CODE

Everything is in ${folder}; Ctrl-C ends it and leaves nothing behind.
`;
}
