/** Backends → the policies of the services behind them, from the ready ones that come with goodgateway. */
import { readFile } from 'node:fs/promises';
import { actOnCrash } from '../config/act-on-crash.ts';
import { fillPolicy } from '../config/fill-policy.ts';
import { formatAddress } from '../core/failure.ts';
import type { Backend, Behind } from './backend.ts';
import type { FoundPool, Machine } from './machine.ts';

export interface PlannedPolicy {
  readonly name: string;
  readonly text: string;
  /** The ready policy that it was made from. */
  readonly from: string;
  /** How the service is controlled, in words. */
  readonly service: string;
  readonly acts: boolean;
  /** Why it is only looked at from outside. */
  readonly external: string | undefined;
}

export interface PolicyChoices {
  readonly acting: boolean | undefined;
  readonly thereNow: (name: string) => Promise<string | undefined>;
}

interface Ready {
  readonly name: string;
  readonly from: string;
  readonly description: string;
  readonly service: Readonly<Record<string, unknown>>;
  readonly external?: string;
  /** The one place that its gateway leads to; a ready policy may name others. */
  readonly onlyTo?: string;
}

/**
 * One for each service, in the backends' order. `acting`: with the start of a crashed service at once; where nobody said,
 * as the policy is that is there already (`thereNow` by its name), else only observing.
 */
export async function planPolicies(backends: readonly Backend[], machine: Machine, { acting, thereNow }: PolicyChoices): Promise<readonly PlannedPolicy[]> {
  const planned = new Map<string, PlannedPolicy>();
  for (const backend of backends) {
    const ready = readyFor(backend, machine);
    if (planned.has(ready.name)) continue;
    const observing = await planOne(ready, acting ?? false);
    const already = acting === undefined ? await planOne(ready, true) : observing;
    planned.set(ready.name, (await thereNow(ready.name)) === already.text ? already : observing);
  }
  return [...planned.values()];
}

async function planOne(ready: Ready, acting: boolean): Promise<PlannedPolicy> {
  const { name, from, description, service, external, onlyTo } = ready;
  const text = await readFile(new URL(`../../policies/${from}`, import.meta.url), 'utf8');
  const there = onlyTo === undefined ? text : text.replace(/only_to: \[.*\]/, `only_to: [${JSON.stringify(onlyTo)}]`);
  const isUnit = service['type'] === 'systemd';
  const filled = fillPolicy(there.replace(/^(#.*\n)+/, `# Made by \`goodgateway init\` from policies/${from}. It is yours now: change what you like, then: goodgateway check\n`), [
    { path: ['name'], value: name },
    { path: ['description'], value: description },
    { path: ['service'], value: service },
    // `unit: active` is the first check of every ready policy
    ...(isUnit ? [] : [{ path: ['verify', 'checks', '0'], value: external === undefined ? { service: 'running' } : { connect: 'ok' } }]),
  ]);
  const acts = acting && external === undefined;
  return { name, from, acts, external, text: acts ? actOnCrash(filled) : filled, service: spoken(service) };
}

function readyFor(backend: Backend, machine: Machine): Ready {
  const { behind, service: name } = backend;
  switch (behind.kind) {
    case 'php':
      return { name, from: 'php-fpm.yaml', description: `PHP ${behind.found.version ?? ''} FastCGI, behind nginx`.replace('  ', ' '), ...phpService(behind.found, machine) };
    case 'apache':
      return { name, ...apacheReady(backend, behind, machine) };
    case 'unit':
      return { name, from: 'http-app.yaml', description: `The HTTP application ${behind.unit}, behind nginx`, service: { type: 'systemd', unit: behind.unit } };
    case 'elsewhere':
      return {
        name,
        from: backend.protocol === 'fastcgi' ? 'php-fpm.yaml' : 'http-app.yaml',
        description: `What listens at ${formatAddress(backend.address)}`,
        service: { type: 'external' },
        external: behind.why,
      };
  }
}

function phpService({ pool, program, unit, version }: FoundPool, { systemd }: Machine): Pick<Ready, 'service' | 'external'> {
  const log = pool.global('error_log')?.value;
  // where Debian has it goodgateway finds it, and so does the program
  const isUsual = pool.main === `/etc/php/${version}/fpm/php-fpm.conf`;
  const more = { ...(log?.startsWith('/') ? { log } : {}), ...(isUsual ? {} : { pool: pool.main }) };
  const main = isUsual ? [] : ['--fpm-config', pool.main];
  if (systemd && unit !== undefined) return { service: { type: 'systemd', unit, ...(program === undefined ? {} : { config_test: [program, ...main, '-t'] }), ...more } };
  const pidfile = pool.global('pid')?.value;
  if (program === undefined || !pidfile?.startsWith('/'))
    return { service: { type: 'external' }, external: program === undefined ? `the program of ${pool.main} is not known` : `${pool.main} has no \`pid = /…\` under [global]` };
  const all = ['--fpm-config', pool.main];
  const stop = { signal: 'QUIT', timeout: '10s' };
  return { service: { type: 'process', pidfile, start: [program, ...all, '--daemonize'], stop, reload: { signal: 'USR2' }, config_test: [program, ...all, '-t'], ...more } };
}

function apacheReady(backend: Backend, { apache: { program, unit, log } }: Extract<Behind, { kind: 'apache' }>, { systemd, panels }: Machine): Omit<Ready, 'name'> {
  const config = { config_test: [program, 'configtest'], log };
  if (!systemd) {
    const pidfile = unit === 'httpd.service' ? '/run/httpd/httpd.pid' : '/run/apache2/apache2.pid';
    return {
      from: 'apache.yaml',
      description: 'Apache behind nginx',
      service: { type: 'process', pidfile, start: [program, 'start'], stop: [program, 'stop'], reload: [program, 'graceful'], ...config },
    };
  }
  if (!panels.some(({ name }) => name === 'Plesk')) return { from: 'apache.yaml', description: 'Apache behind nginx', service: { type: 'systemd', unit, ...config } };
  return {
    from: 'apache-plesk.yaml',
    description: "Plesk's Apache behind Plesk's nginx",
    onlyTo: formatAddress(backend.address),
    service: { type: 'systemd', unit, listen: [formatAddress(backend.address)], defer_to_supervisor: '15s', ...config },
  };
}

function spoken(service: Readonly<Record<string, unknown>>): string {
  if (service['type'] === 'systemd') return `the unit ${String(service['unit'])}`;
  return service['type'] === 'process' ? `the process of ${String(service['pidfile'])}` : 'looked at from outside only';
}
