/**
 * The smallest service that a healer can start: a shell script that leaves a line for each time that it was called, and
 * a process that sleeps. Its state, its log and its configuration in one folder, so that one healer after the other can
 * look after it.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { auditRecords, type AuditRecord } from './audit-records.ts';
import { processInfo, signal } from './processes.ts';
import { succeed } from './program.ts';
import { tempFolder, type TestScope } from './temp-folder.ts';
import { until } from './until.ts';

export interface SmallService {
  readonly folder: string;
  readonly config: string;
  /** How often the start command was called. */
  starts(): number;
  /** Ends it as a crash does; the pidfile stays. */
  crash(): Promise<void>;
  /** From now on its start fails, or works again. */
  break(broken: boolean): void;
  isRunning(): boolean;
  /** The policy's file, written anew; `changes` by top-level key. */
  writePolicy(changes?: Readonly<Record<string, unknown>>, file?: string): void;
  writeHost(changes?: Readonly<Record<string, unknown>>): void;
  audit(): readonly AuditRecord[];
  state(): Readonly<Record<string, unknown>> & { readonly attempts: readonly { readonly id?: string; readonly incident: string }[]; readonly incidents: readonly unknown[] };
}

/** Limits that no test of another thing runs into. */
export const boldly = {
  host_budget: { starts: 1000, disruptive_actions: 1000 },
  breaker: { open_when: { failed_actions: 100, within: '1s' } },
  pause_when: [],
};

/** Enough tries for a test that lets them fail. */
export const patientStart = Array.from({ length: 5 }, () => ({ do: 'start', attempts: 10, timeout: '10s' }));

/** Everything written; the service runs. */
export async function smallService(t: TestScope): Promise<SmallService> {
  const folder = tempFolder(t, 'gg-small');
  const [config, pidfile, starts, script] = ['goodgateway.yaml', 'pid', 'starts', 'start'].map((name) => join(folder, name)) as [string, string, string, string];
  mkdirSync(join(folder, 'policies.d'));
  writeFileSync(starts, '');
  const lines = ['#!/bin/sh', `echo started >> ${starts}`, `[ -e ${folder}/broken ] && exit 1`, 'setsid sleep 600 </dev/null >/dev/null 2>&1 &', `echo $! > ${pidfile}`, ''];
  writeFileSync(script, lines.join('\n'), { mode: 0o755 });
  const pid = (): number => (existsSync(pidfile) ? Number(readFileSync(pidfile, 'utf8')) : 0);
  // from its fork on, before it is `setsid` and then `sleep`: what is not seen running cannot crash
  const isRunning = (): boolean => pid() > 0 && new RegExp(`(^| )sleep 600$|${script}`).test(processInfo(pid())?.command ?? '');
  const crash = async (): Promise<void> => {
    if (!isRunning()) return;
    signal(pid(), 'SIGKILL');
    await until(() => !isRunning(), { timeoutMs: 15_000, what: 'the end of the service' });
  };
  t.teardown(crash);
  const policy = {
    version: 1,
    name: 'small',
    mode: 'act',
    service: { type: 'process', pidfile, start: [script] },
    watch: { every: '100ms' },
    rules: [{ name: 'Crashed, so start it', when: { cause: 'service.crashed' }, try: patientStart }],
    limits: { cooldown: '0s', max_attempts: { times: 1000, within: '1h' }, backoff: { initial: '100ms', factor: 1, max: '100ms' } },
    verify: { within: '300ms', stable_for: '100ms', checks: [{ service: 'running' }] },
  };
  const host = {
    version: 1,
    gateways: { shop: { listen: `unix:${folder}/shop.sock`, protocol: 'http', upstream: `unix:${folder}/none.sock`, service: 'other' } },
    audit: { folder: join(folder, 'audit') },
    state: join(folder, 'state'),
    runtime: join(folder, 'run'),
    safety: boldly,
  };
  const write = (file: string, value: unknown): void => writeFileSync(file, stringify(value, { aliasDuplicateObjects: false }));
  const small: SmallService = {
    folder,
    config,
    starts: () => readFileSync(starts, 'utf8').split('\n').length - 1,
    crash,
    isRunning,
    break: (broken) => (broken ? writeFileSync(join(folder, 'broken'), '') : rmSync(join(folder, 'broken'), { force: true })),
    writePolicy: (changes = {}, file = 'small') => write(join(folder, 'policies.d', `${file}.yaml`), { ...policy, ...changes }),
    writeHost: (changes = {}) => write(config, { ...host, ...changes }),
    audit: () => auditRecords(join(folder, 'audit')),
    state: () => {
      const file = join(folder, 'state', 'healing.json');
      return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ReturnType<SmallService['state']>) : { attempts: [], incidents: [] };
    },
  };
  small.writeHost();
  small.writePolicy();
  write(join(folder, 'policies.d', 'other.yaml'), { version: 1, name: 'other', mode: 'observe', service: { type: 'external' }, watch: { connect_every: '1h' } });
  writeFileSync(pidfile, '');
  await succeed([script]);
  writeFileSync(starts, '');
  return small;
}
