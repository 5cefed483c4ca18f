/** The real proxy process, started as the supervisor does it, without a healer; and what the kernel says about it. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { signal } from '../support/processes.ts';
import { accepts } from '../support/ports.ts';
import { until } from '../support/until.ts';
import type { ClientAddress } from './client-connection.ts';
import { liveBytes } from './live-memory.ts';
import { gatewayNames, type GatewayName } from './plan.ts';

export interface Usage {
  readonly rssBytes: number;
  /** After a full collection, where that was asked for. */
  readonly liveBytes?: number;
  readonly descriptors: number;
}

export interface ProxyProcess {
  readonly addresses: Readonly<Record<GatewayName, ClientAddress>>;
  /** What `backend` must listen on: `unix:/path` or `host:port`, in the order of the gateways' names. */
  readonly upstreams: readonly string[];
  /** Set when it has ended, which it never should. */
  exit(): string | undefined;
  /** What it has written. */
  log(): string;
  usage(): Usage;
  /** The same, and what is really held. */
  exactUsage(): Promise<Usage>;
  /** The gateways that have requests in their backends or at their gates; empty when all is quiet. */
  busy(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

const ownProgram = join(import.meta.dirname, '../../src/proxy/main.ts');

export interface ProxyOptions {
  readonly folder: string;
  readonly logLevel: 'info' | 'warn';
  /** Another build of `src/proxy/main.ts`. */
  readonly program?: string | undefined;
}

/** Writes the configuration and starts the proxy; resolves when it listens. */
export async function startProxy({ folder, logLevel, program = ownProgram }: ProxyOptions): Promise<ProxyProcess> {
  const ports = await lowPorts(5);
  const listen = [`127.0.0.1:${ports[0]}`, `unix:${folder}/h.sock`, `127.0.0.1:${ports[1]}`, `unix:${folder}/f.sock`];
  const upstreams = [`127.0.0.1:${ports[2]}`, `unix:${folder}/hb.sock`, `127.0.0.1:${ports[3]}`, `unix:${folder}/fb.sock`];
  const config = join(folder, 'goodgateway.yaml');
  writeFileSync(config, stringify(configuration({ folder, listen, upstreams, admin: ports[4]!, logLevel }), { aliasDuplicateObjects: false }));

  const logFile = join(folder, 'proxy.log');
  const output = openSync(logFile, 'a');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--inspect-port=127.0.0.1:0', program, '--config', config], {
    stdio: ['ignore', output, output],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  closeSync(output);
  let exit: string | undefined;
  const ended = new Promise<void>((resolve) =>
    child.once('exit', (code, by) => {
      exit = `status ${code ?? by}`;
      resolve();
    }),
  );
  const pid = child.pid!;
  const log = (): string => readFileSync(logFile, 'utf8');
  const stop = async (): Promise<void> => {
    signal(pid, 'SIGTERM');
    const late = setTimeout(() => signal(pid, 'SIGKILL'), 12_000);
    await ended;
    clearTimeout(late);
  };
  const addresses = Object.fromEntries(gatewayNames.map((name, n) => [name, clientAddress(listen[n]!)])) as Record<GatewayName, ClientAddress>;
  const ready = async (): Promise<boolean> =>
    exit !== undefined || (await Promise.all(Object.values(addresses).map((where) => accepts({ ...where, port: where.port ?? 0 } as Parameters<typeof accepts>[0])))).every(Boolean);
  await until(ready, { timeoutMs: 15_000, what: () => `the proxy to listen: ${log()}` });
  if (exit !== undefined) throw new Error(`the proxy ended: ${log()}`);
  signal(pid, 'SIGUSR1');
  const inspector = await until(() => /ws:\/\/\S+/.exec(log())?.[0], { timeoutMs: 15_000, what: 'the inspector' });
  const exactUsage = async (): Promise<Usage> => ({ liveBytes: await liveBytes(inspector), ...usageOf(pid) });
  await exactUsage(); // what the inspector itself opens and loads belongs to the beginning
  return { addresses, upstreams, exit: () => exit, log, usage: () => usageOf(pid), exactUsage, busy: () => busy(ports[4]!), stop };
}

/** Everything short, so that a run is; `hold.for` longer than a listener stays away, mostly. */
function configuration({
  folder,
  listen,
  upstreams,
  admin,
  logLevel,
}: {
  readonly folder: string;
  readonly listen: readonly string[];
  readonly upstreams: readonly string[];
  readonly admin: number;
  readonly logLevel: string;
}): object {
  const gateway = (n: number): object => ({
    listen: listen[n],
    listen_on_tcp_anyway: true,
    protocol: n < 2 ? 'http' : 'fastcgi',
    upstream: upstreams[n],
    service: 'fuzz',
    timeouts: { connect: '100ms', response: '200ms', idle: '200ms' },
    hold: { for: '300ms', fetch_for: '200ms', requests: 100 },
    ...(n % 2 === 0 ? {} : { concurrency: 20 }),
  });
  return {
    version: 1,
    gateways: Object.fromEntries(gatewayNames.map((name, n) => [name, gateway(n)])),
    admin: `127.0.0.1:${admin}`,
    runtime: join(folder, 'runtime'),
    state: join(folder, 'state'),
    audit: { folder: join(folder, 'audit') },
    log: { level: logLevel },
  };
}

function usageOf(pid: number): Usage {
  const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  return { rssBytes: kilobytes * 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

interface State {
  readonly gateways: Readonly<Record<string, { readonly in_flight: number; readonly held: number }>>;
}

/** Without a kept connection, which would count among the descriptors. */
function busy(port: number): Promise<readonly string[]> {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, path: '/state', agent: false, timeout: 5000 }, (answer) => {
      let text = '';
      answer.on('data', (piece: Buffer) => (text += piece.toString()));
      answer.on('end', () => resolve(busyOf(JSON.parse(text) as State)));
    });
    asked.on('timeout', () => asked.destroy()).on('error', () => resolve(['it does not say']));
    asked.end();
  });
}

function busyOf({ gateways }: State): readonly string[] {
  return Object.entries(gateways)
    .filter(([, { in_flight: inFlight, held }]) => inFlight + held > 0)
    .map(([name, { in_flight: inFlight, held }]) => `${name}: ${inFlight} in flight, ${held} held`);
}

function clientAddress(listen: string): ClientAddress {
  const [host = '', port = ''] = listen.split(':');
  return host === 'unix' ? { path: port } : { host, port: Number(port) };
}

/**
 * Below the range from which connections get their own ports: while a listener there is away, a connect to it can
 * meet itself.
 */
async function lowPorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let port = 20_000 + (process.pid % 9000); ports.length < count; port += 7) if (!(await accepts({ host: '127.0.0.1', port }))) ports.push(port);
  return ports;
}
