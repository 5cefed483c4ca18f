/**
 * Debian's own units under a real systemd of the test's own, with goodgateway as a unit beside them. /etc and /var are
 * overlays of that systemd, so nothing of the machine is written; only ports and what would reach beyond them are
 * changed, by drop-ins.
 */
import { stringify } from 'yaml';
import { freePort } from '../support/ports.ts';
import { missing } from '../support/skip.ts';
import type { AuditRecord } from '../support/audit-records.ts';
import { bootSystemd, cannotBootSystemd, type Systemd } from '../support/systemd.ts';
import type { TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import { readyPolicy } from './site.ts';

/** Why it cannot run here; `false` when it can. */
export const cannotStartDebianHost = missing('php-fpm8.2', 'apache2', 'mariadbd', 'redis-server', 'python3') || cannotBootSystemd();

export const units = { php: 'php8.2-fpm.service', apache: 'apache2.service', mariadb: 'mariadb.service', redis: 'redis-server.service' } as const;
export type UnitName = keyof typeof units;

export interface DebianHost {
  /** Where goodgateway takes the FastCGI requests of php. */
  readonly phpGateway: string;
  readonly systemd: Systemd;
  shell(text: string): Promise<string>;
  systemctl(...args: readonly string[]): Promise<string>;
  write(path: string, text: string): Promise<string>;
  property(name: UnitName, property: string): Promise<string>;
  killMain(name: UnitName): Promise<unknown>;
  /** Every record of the service since the last `news` of it. */
  all(name: UnitName): Promise<readonly AuditRecord[]>;
  /** The same, and from now on only later ones count. */
  news(name: UnitName): Promise<readonly AuditRecord[]>;
  recovered(name: UnitName): Promise<unknown>;
  diagnosed(name: UnitName, cause: string): Promise<unknown>;
  /** For some looks of the healer at it there has been no open incident. */
  settle(name: UnitName): Promise<unknown>;
  /** What was begun, but to wait. */
  did(records: readonly AuditRecord[]): readonly unknown[];
  refusedBy(records: readonly AuditRecord[], gate: string): boolean;
  /** Everything that goodgateway has recorded. */
  records(): Promise<readonly AuditRecord[]>;
  lastLog(): string;
}

/** It looks once a second. */
const someLooksMs = 2500;

/** Booted, with its four services and goodgateway running. `values`: for places of the ready policies. */
export async function startDebianHost(t: TestScope, values: Partial<Readonly<Record<UnitName, object>>> = {}): Promise<DebianHost> {
  const [fpmPort, apachePort, webPort, redisPort] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const goodgateway = ['[Service]', 'WorkingDirectory=/run/project', 'ExecStart=/run/project/node_modules/.bin/node src/cli/main.ts run --config /run/gg/goodgateway.yaml', ''].join('\n');
  const systemd = await bootSystemd(t, { units: { 'goodgateway.service': goodgateway }, wanted: [] });
  const shell = (text: string): Promise<string> => systemd.inside(['/bin/sh', '-ec', text]);
  const write = (path: string, text: string): Promise<string> => systemd.inside(['/bin/sh', '-c', 'mkdir -p "$(dirname "$1")"; umask 022; printf %s "$2" > "$1"', 'write', path, text]);
  const systemctl = (...args: readonly string[]): Promise<string> => systemd.inside(['/usr/bin/systemctl', ...args]);
  for (const folder of ['etc', 'var'])
    await shell(`mkdir -p /run/o/${folder}/u /run/o/${folder}/w; mount -t overlay overlay -o lowerdir=/${folder},upperdir=/run/o/${folder}/u,workdir=/run/o/${folder}/w /${folder}`);
  await shell('mount -t tmpfs tmpfs /var/tmp; mkdir -p /run/php; chown www-data /run/php');
  await write('/etc/apache2/ports.conf', `Listen 127.0.0.1:${apachePort}\n`);
  // Debian's helper changes alternatives; the rest of the unit is as it is installed
  await write(`/run/systemd/system/${units.php}.d/test.conf`, '[Service]\nExecStartPost=\nExecStopPost=\n');
  await write(`/run/systemd/system/${units.mariadb}.d/test.conf`, '[Service]\nEnvironment=MYSQLD_OPTS=--skip-networking\n');
  await write(
    `/run/systemd/system/${units.redis}.d/test.conf`,
    `[Service]\nExecStart=\nExecStart=/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd --daemonize no --port ${redisPort}\n`,
  );
  await write('/run/gg/config-test', `#!/bin/sh\n[ -e /run/gg/interfere ] || exit 0\nrm /run/gg/interfere\nsystemctl kill --signal=KILL ${units.php}\nsystemctl start ${units.php}\n`);
  await shell('chmod 755 /run/gg/config-test');
  const soon = { mode: 'act', 'limits.cooldown': '0s', 'limits.max_attempts': { times: 20, within: '1h' }, 'verify.stable_for': '500ms', 'verify.within': '20s' };
  const policies: { readonly [file: string]: string } = {
    php: readyPolicy('php-fpm.yaml', { ...soon, name: 'php', 'service.config_test': ['/run/gg/config-test'], 'rules.9.try.0.timeout': '3s', ...values.php }),
    apache: readyPolicy('apache.yaml', { ...soon, name: 'apache', ...values.apache }),
    mariadb: readyPolicy('mariadb.yaml', { ...soon, ...values.mariadb }),
    redis: readyPolicy('redis.yaml', { ...soon, 'service.listen': [`127.0.0.1:${redisPort}`], 'rules.4.when.lasting': '1s', ...values.redis }),
  };
  for (const [name, text] of Object.entries(policies)) await write(`/run/gg/policies.d/${name}.yaml`, text);
  const gateways = {
    php: { listen: `127.0.0.1:${fpmPort}`, listen_on_tcp_anyway: true, protocol: 'fastcgi', upstream: 'unix:/run/php/php8.2-fpm.sock', service: 'php' },
    web: { listen: `127.0.0.1:${webPort}`, protocol: 'http', upstream: `127.0.0.1:${apachePort}`, service: 'apache' },
  };
  // everything here is broken within a minute, on purpose and one after the other: not one cause
  const safety = {
    humans_first: '0s',
    pause_when: ['package_manager_running', 'unit_job_pending'],
    host_budget: { disruptive_actions: 100, starts: 100, keep_for_humans: 0 },
    breaker: { open_when: { failed_actions: 100 } },
    shared_cause: { at_least: 100 },
  };
  await write(
    '/run/gg/goodgateway.yaml',
    stringify({ version: 1, gateways, safety, policies: 'policies.d/*.yaml', audit: { folder: '/run/gg/audit' }, state: '/run/gg/state', runtime: '/run/gg/run' }),
  );
  await systemctl('daemon-reload');
  await systemctl('start', ...Object.values(units), 'goodgateway.service');
  const records = async (): Promise<readonly AuditRecord[]> =>
    (await systemd.try(['/bin/sh', '-c', 'cat /run/gg/audit/*.jsonl'])).output
      .split('\n')
      // the last one may be in the middle of being written
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as AuditRecord);
  await until(async () => (await records()).filter(({ event }) => event === 'policy.loaded').length === 4, { timeoutMs: 60_000, everyMs: 100, what: 'the healer' });

  const seen = new Map<UnitName, number>();
  let lastLog = '';
  const all = async (name: UnitName): Promise<readonly AuditRecord[]> => {
    const found = (await records()).filter(({ service }) => service === name).slice(seen.get(name) ?? 0);
    lastLog = found.map((record) => `${record.event} ${String(record['text'] ?? '')}`).join('\n');
    return found;
  };
  const property = async (name: UnitName, wanted: string): Promise<string> => (await systemctl('show', '--value', '--property', wanted, units[name])).trim();
  const wait = (what: string, condition: () => Promise<boolean>): Promise<unknown> => until(condition, { timeoutMs: 40_000, everyMs: 100, what: () => `${what}:\n${lastLog}` });
  return {
    phpGateway: `127.0.0.1:${fpmPort}`,
    systemd,
    shell,
    systemctl,
    write,
    property,
    records,
    all,
    news: async (name) => {
      const found = await all(name);
      seen.set(name, (seen.get(name) ?? 0) + found.length);
      return found;
    },
    killMain: (name) => systemctl('kill', '--signal=KILL', '--kill-who=main', units[name]),
    recovered: (name) => wait(`${name} to recover`, async () => (await all(name)).some(({ event }) => event === 'incident.recovered')),
    diagnosed: (name, cause) => wait(`${cause} of ${name}`, async () => (await all(name)).some((record) => record.event.startsWith('diagnosis.') && record['cause'] === cause)),
    settle: async (name) => {
      let wellSince = performance.now();
      await wait(`${name} to be well for ${someLooksMs} ms`, async () => {
        const found = await all(name);
        if (found.filter(({ event }) => event === 'incident.opened').length > found.filter(({ event }) => event === 'incident.recovered').length) wellSince = performance.now();
        return performance.now() - wellSince >= someLooksMs;
      });
    },
    did: (found) =>
      found
        .filter(({ event }) => event === 'action.intent')
        .map((record) => record['action'])
        .filter((action) => action !== 'wait'),
    refusedBy: (found, gate) =>
      found.some(
        (record) =>
          record.event === 'action.refused' && Array.isArray(record['gates']) && record['gates'].some((one: { gate?: unknown; verdict?: unknown }) => one.gate === gate && one.verdict === 'refuse'),
      ),
    lastLog: () => lastLog,
  };
}
