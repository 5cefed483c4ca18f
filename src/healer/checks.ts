/**
 * The checks of a policy, made for real: the service's own state, its address, an answer, its real traffic.
 * Each looks once; {@link verify} decides how often. What this machine does not offer is skipped with the reason.
 */
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Fact } from '../channel/messages.ts';
import type { CheckConfig } from '../config/policy-schema.ts';
import { formatAddress, type Address } from '../core/failure.ts';
import type { AttemptResult } from '../upstream/exchange.ts';
import { fastcgi } from '../upstream/fastcgi/exchange.ts';
import { encodeParams } from '../upstream/fastcgi/params.ts';
import { connectProbe, httpProbe } from '../upstream/probe.ts';
import { askDatastore, type DatastoreKind } from './ask-datastore.ts';
import type { ServiceTarget, ServiceType } from './leaves.ts';
import type { RunCommand } from './commands.ts';
import type { CheckResult, RunCheck } from './verify.ts';

export type TrafficSummary = Extract<Fact, { type: 'traffic_summary' }>;

export interface ChecksContext {
  /** Asked anew for each look: the upstream may have been switched meanwhile. */
  readonly target: () => ServiceTarget;
  readonly serviceType: ServiceType;
  readonly run: RunCommand;
  /** The newest summaries of the service's gateways; older ones than the first pass are ignored. */
  readonly traffic: () => readonly TrafficSummary[];
}

/** The real checks of one service, for {@link verify}. */
export function createChecks(context: ChecksContext): RunCheck {
  return async (check, { signal, firstPassWallMs }) => {
    const target = context.target();
    if ('service' in check) return isRunning(context, target, signal);
    if ('unit' in check) return target.config.type === 'systemd' ? isRunning(context, target, signal) : skip('the service is no systemd unit');
    if ('container' in check) return target.config.type === 'docker' ? isRunning(context, target, signal) : skip('the service is no container');
    if ('mysql' in check) return answersAs('mysql', target, signal);
    if ('redis' in check) return answersAs('redis', target, signal);
    if ('memcached' in check) return answersAs('memcached', target, signal);
    if ('connect' in check) return connects(target.upstreams[target.current], signal);
    if ('listening' in check) return connects(check.listening, signal);
    if ('fpm_ping' in check) return answersPing(target, signal);
    if ('http' in check) return answersHttp(check.http, target, signal);
    return judgeTraffic(check.traffic, context.traffic(), firstPassWallMs);
  };
}

/** A local backend takes a connect in microseconds and answers a probe in milliseconds. */
const probeTimeoutMs = 1000;

async function isRunning({ serviceType, run }: ChecksContext, target: ServiceTarget, signal: AbortSignal): Promise<CheckResult> {
  const { state, text } = await serviceType.state(target, run, signal);
  return { passed: state === 'unknown' ? 'skipped' : state === 'running', text };
}

async function connects(address: Address | undefined, signal: AbortSignal): Promise<CheckResult> {
  if (!address) return skip('no gateway leads to the service, so there is no address to connect to');
  const failure = await connectProbe(address, probeTimeoutMs, { signal });
  return failure ? { passed: false, text: failure.detail } : { passed: true, text: `connected to ${formatAddress(address)}` };
}

/** Asked where its gateways go, or where the policy says that it listens. */
async function answersAs(kind: DatastoreKind, { upstreams, current }: ServiceTarget, signal: AbortSignal): Promise<CheckResult> {
  const address = upstreams[current];
  return address ? askDatastore(kind, address, { timeoutMs: probeTimeoutMs, signal }) : skip('no address is known to ask: name it under service.listen');
}

/** What its gateways reach over TLS is asked over TLS. */
async function answersHttp(check: Extract<CheckConfig, { http: unknown }>['http'], { tls }: ServiceTarget, signal: AbortSignal): Promise<CheckResult> {
  const url = new URL(check.url);
  const [lowest = 0, highest = lowest] = check.status.split('-').map(Number);
  const address: Address = { kind: 'tcp', host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) };
  const result = await httpProbe(address, { path: url.pathname + url.search, host: check.host ?? url.host, timeoutMs: probeTimeoutMs, signal, tls: tls?.get(formatAddress(address)) });
  if (result.kind === 'failure') return { passed: false, text: result.failure.detail };
  return { passed: result.status >= lowest && result.status <= highest, text: `answered ${result.status}, expected ${check.status}` };
}

/** php-fpm answers `pong` only where its pool names a `ping.path`; a stock one does not. */
async function answersPing(target: ServiceTarget, signal: AbortSignal): Promise<CheckResult> {
  const address = target.config.status?.fpm ?? (target.protocol === 'fastcgi' ? target.upstreams[target.current] : undefined);
  if (!address) return skip('no FastCGI address is known to ask for a ping');
  if (!target.config.pool) return skip('the policy names no pool file (service.pool) to read ping.path from');
  const pool = await readFile(target.config.pool, 'utf8').catch((error: unknown) => ({ unreadable: String(error) }));
  if (typeof pool !== 'string') return skip(`ping.path cannot be read: ${pool.unreadable}`);
  const path = /^[ \t]*ping\.path[ \t]*=[ \t]*"?(\/[^\s";]*)/m.exec(pool)?.[1];
  if (!path) return skip(`${target.config.pool} sets no ping.path`);
  return judgePing(await askFpm(address, path, signal), path);
}

function judgePing(result: AttemptResult, path: string): CheckResult {
  if (result.kind === 'client_gone') return { passed: false, text: 'the ping was called off' };
  if (result.kind === 'failure') return { passed: false, text: result.failure.detail };
  result.body.on('error', () => {}); // best effort: the head has told all that is asked
  result.body.destroy();
  return { passed: result.head.status === 200, text: `${path} answered ${result.head.status}` };
}

function askFpm(address: Address, path: string, signal: AbortSignal): Promise<AttemptResult> {
  const params = encodeParams([
    ['SCRIPT_NAME', path],
    ['SCRIPT_FILENAME', path],
    ['REQUEST_METHOD', 'GET'],
    ['REQUEST_URI', path],
    ['QUERY_STRING', ''],
  ]);
  const request = { method: 'GET', target: path, wire: { protocol: 'fastcgi', params, role: 1 }, body: { length: 0, open: () => Readable.from([]) }, clientGone: signal } as const;
  return fastcgi.attempt(request, address, { connectTimeoutMs: probeTimeoutMs, responseTimeoutMs: probeTimeoutMs, idleTimeoutMs: probeTimeoutMs });
}

/** Answers below 500 are good; failed attempts and 5xx are errors; what we answered ourselves says nothing of the backend. */
function judgeTraffic(check: Extract<CheckConfig, { traffic: unknown }>['traffic'], summaries: readonly TrafficSummary[], sinceWallMs: number | undefined): CheckResult {
  if (sinceWallMs === undefined) return { passed: 'skipped', text: 'no traffic is let through yet' };
  const since = summaries.filter((summary) => summary.atMs - summary.periodMs >= sinceWallMs);
  const requests = since.reduce((sum, { completed, failed }) => sum + completed + failed, 0);
  const errors = since.reduce((sum, { failed, status5xx }) => sum + failed + status5xx, 0);
  const text = `${errors} of ${requests} requests failed`;
  if (requests < check.min_requests) return { passed: 'skipped', text: `${text}; fewer than ${check.min_requests} requests say nothing` };
  return { passed: errors < check.errors_below * requests, text: `${text}, expected less than ${Math.round(check.errors_below * 1000) / 10}%` };
}

function skip(text: string): CheckResult {
  return { passed: 'skipped', text };
}
