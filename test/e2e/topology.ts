/** What the scenes of docs/topologies.md share: its blocks, its gateways at a test's places, and how they are watched. */
import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { Apache } from '../support/apache.ts';
import { documentedBlocks } from '../support/documented.ts';
import type { AuditRecord } from '../support/audit-records.ts';
import type { Goodgateway } from '../support/goodgateway.ts';
import type { PhpFpm } from '../support/php-fpm.ts';
import { signal } from '../support/processes.ts';
import { isRoot } from '../support/skip.ts';
import { until } from '../support/until.ts';
import { pidfileService, readyPolicy } from './site.ts';

const page = 'docs/topologies.md';
/** The page's nginx blocks, in its order. */
export const [standbyPhp = '', standbyHttp = '', severalSites = '', moving = ''] = documentedBlocks(page, 'nginx');
/** The page's configurations, in its order. */
export const yamls = documentedBlocks(page, 'yaml');

const inATest = {
  mode: 'act',
  'limits.cooldown': '0s',
  'limits.max_attempts.times': 18,
  'verify.within': '10s',
  'verify.stable_for': '1s',
  'verify.checks': [{ service: 'running' }, { connect: 'ok' }],
};
const recoveredWithinMs = 30_000;

/** The ready policies with a test's patience. */
export function phpPolicy(fpm: PhpFpm): string {
  return readyPolicy('php-fpm.yaml', { ...inATest, service: pidfileService(fpm) });
}

export function apachePolicy({ pidfile, startArgv, configTestArgv }: Apache): string {
  return readyPolicy('apache.yaml', { ...inATest, service: { type: 'process', pidfile, start: startArgv, stop: { signal: 'TERM', timeout: '2s' }, config_test: configTestArgv } });
}

/** A gateway of the page's n-th configuration, at the places of this test. */
export function documentedGateway(yaml: number, name: string, values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { gateways } = parse(yamls[yaml] ?? '') as { gateways: Record<string, Record<string, unknown>> };
  return { ...gateways[name], ...(isRoot ? {} : { socket: {} }), ...values };
}

/** Records of that event, oldest first. */
export function records(gateway: Goodgateway, event: string): readonly AuditRecord[] {
  return gateway.audit().filter((record) => record.event === event);
}

/** Waits for one more recovery of that service than there were. */
export async function recovered(gateway: Goodgateway, service: string, before: number): Promise<void> {
  const count = (): number => records(gateway, 'incident.recovered').filter((record) => record['service'] === service).length;
  await until(() => count() > before, { timeoutMs: recoveredWithinMs, what: () => `the recovery of ${service}: ${gateway.log().slice(-3000)}` });
}

/** Nothing is repaired until the returned function is called: time for a scene that a repair would end. */
export async function withoutHealer(gateway: Goodgateway): Promise<() => void> {
  const supervisor = gateway.pid('supervisor')!;
  signal(supervisor, 'SIGSTOP');
  await gateway.kill('healer');
  return () => signal(supervisor, 'SIGCONT');
}

/** Until the last process is gone its socket takes connections that nobody will answer. */
export async function killAll(service: Pick<PhpFpm, 'processes' | 'crash'>): Promise<void> {
  const pids = service.processes().map(({ pid }) => pid);
  service.crash();
  await until(() => !service.processes().some(({ pid }) => pids.includes(pid)), { timeoutMs: 15_000, what: 'the end of every process' });
}

/** The lines of a file; none while it is not there. */
export function lines(file: string): readonly string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
}

/** Requests that this gateway has finished. */
export async function completed(gateway: Goodgateway, name: string): Promise<number> {
  return ((await gateway.state(name))['total'] as { completed: number }).completed;
}
