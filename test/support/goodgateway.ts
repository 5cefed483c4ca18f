/**
 * goodgateway itself, as an operator runs it: `run --config FILE` as a real process, everything that it writes in one
 * temporary folder. Start it last, so that it is stopped first: a healer would start again what a test stops.
 */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { auditRecords, type AuditRecord } from './audit-records.ts';
import { accepts, freePort } from './ports.ts';
import { endAll, family, processes, processInfo, signal, type ProcessInfo } from './processes.ts';
import { finish, start, type Finished } from './program.ts';
import { tempFolder, type TestScope } from './temp-folder.ts';
import { until } from './until.ts';

const programs = { source: join(import.meta.dirname, '../../src/cli/main.ts'), built: join(import.meta.dirname, '../../dist/cli/main.js') };

/** Objects in the shape of the YAML files; a policy may be YAML text too. */
export interface GoodgatewayOptions {
  /** By name. Gets the folder, for the sockets: `listen: unix:${folder}/shop.sock`. */
  readonly gateways: (folder: string) => Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly policies: readonly (string | Readonly<Record<string, unknown>>)[];
  /** Other keys of goodgateway.yaml: `safety`, `notifiers`, `log`. May need the folder, too. */
  readonly host?: Readonly<Record<string, unknown>> | ((folder: string) => Readonly<Record<string, unknown>>);
  /** What is installed (after `npm run build`) instead of the source: for measuring. */
  readonly built?: boolean;
  /** Argv in front of it that ends in an `exec` of what follows: for namespaces of its own. */
  readonly within?: readonly string[];
  /** Default: in its own folder. */
  readonly auditFolder?: string;
  /** For an admin listener that `host` describes: where it is, and what it asks for. */
  readonly adminUrl?: string;
  readonly adminHeaders?: Readonly<Record<string, string>>;
  /** Its admin listener stays shut: it is ready when its gateways listen. */
  readonly readyWithoutAdmin?: boolean;
}

export type ProcessName = 'supervisor' | 'proxy' | 'healer';

export interface Goodgateway {
  readonly folder: string;
  readonly config: string;
  readonly adminUrl: string;
  pid(name: ProcessName): number | undefined;
  /** Sends KILL, or another signal, and for KILL waits until that process is gone. Returns the pid that it had. */
  kill(name: ProcessName, by?: NodeJS.Signals): Promise<number>;
  /** Everything that the processes have written so far. */
  log(): string;
  /** All audit records, in order. */
  audit(): readonly AuditRecord[];
  /** What /state says about one gateway. */
  state(gateway: string): Promise<Readonly<Record<string, unknown>>>;
  /** Runs another sub-command with this configuration: `command('audit', 'verify')`. */
  command(...args: readonly string[]): Promise<Finished>;
  /** Ends it politely, and what it started and left behind; resolves with the exit status of the supervisor. */
  stop(): Promise<number | null>;
}

/** Writes the files, starts it, and waits until it listens everywhere and the healer is connected. */
export async function startGoodgateway(t: TestScope, options: GoodgatewayOptions): Promise<Goodgateway> {
  const folder = tempFolder(t, 'gg-run');
  const admin = await freePort();
  const config = writeConfiguration(folder, admin, options);
  shareCompiledCode(folder);
  const program = programs[options.built === true ? 'built' : 'source'];
  const running = start([...(options.within ?? []), process.execPath, '--disable-warning=ExperimentalWarning', program, 'run', '--config', config]);

  // Whatever it started, also when its parent is gone: services that the healer started without a pidfile.
  const seen = new Map<number, string>();
  const mine = (): ProcessInfo[] => {
    for (const one of [...family(running.pid), ...processes(({ command }) => command.includes(config))]) seen.set(one.pid, one.command);
    return [...seen.keys()]
      .map(processInfo)
      .filter((one) => one !== undefined)
      .filter((one) => one.command === seen.get(one.pid));
  };
  const stop = async (): Promise<number | null> => {
    mine();
    signal(running.pid, 'SIGTERM');
    await until(() => processInfo(running.pid) === undefined, { timeoutMs: 45_000, what: 'a polite end' }).catch(() => undefined);
    await endAll(mine);
    return (await running.ended).code;
  };
  t.teardown(stop);

  const pid = (name: ProcessName): number | undefined => (name === 'supervisor' ? processInfo(running.pid)?.pid : mine().find(({ command }) => command.includes(`/${name}/main.`))?.pid);
  const adminUrl = options.adminUrl ?? `http://127.0.0.1:${admin}`;
  const state = async (): Promise<StateAnswer> => (await fetch(`${adminUrl}/state`, { headers: options.adminHeaders ?? {} })).json() as Promise<StateAnswer>;
  const isReady = async (): Promise<boolean> => {
    if (processInfo(running.pid) === undefined) return true;
    return (options.readyWithoutAdmin === true || (await state()).healer === 'connected') && (await listensEverywhere(options.gateways(folder)));
  };
  await until(isReady, { timeoutMs: 60_000, what: () => `goodgateway to be ready: ${running.output()}` });
  if (processInfo(running.pid) === undefined) throw new Error(`goodgateway ended: ${running.output()}`);

  return {
    folder,
    config,
    adminUrl,
    pid,
    stop,
    log: () => running.output(),
    audit: () => auditRecords(options.auditFolder ?? join(folder, 'audit')),
    state: async (gateway) => (await state()).gateways[gateway] ?? {},
    command: (...args) => finish([process.execPath, '--disable-warning=ExperimentalWarning', program, ...args, '--config', config]),
    kill: async (name, by = 'SIGKILL') => {
      const found = await until(() => pid(name), { timeoutMs: 15_000, what: `a running ${name}` });
      signal(found, by);
      if (by === 'SIGKILL') await until(() => processInfo(found) === undefined, { timeoutMs: 15_000, what: `the end of the ${name}` });
      return found;
    },
  };
}

interface StateAnswer {
  readonly healer: string;
  readonly gateways: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Where all tests of a run share what Node has compiled (CI), goodgateway starts in half the time: two thirds of a second of a core. */
function shareCompiledCode(folder: string): void {
  const shared = process.env['NODE_COMPILE_CACHE'];
  if (shared === undefined) return;
  const own = join(folder, 'state', 'compile-cache');
  mkdirSync(own, { recursive: true });
  for (const name of ['healer', 'proxy']) {
    const place = join(shared, `goodgateway-${name}`);
    mkdirSync(place, { recursive: true });
    symlinkSync(place, join(own, name));
  }
}

function writeConfiguration(folder: string, admin: number, options: GoodgatewayOptions): string {
  mkdirSync(join(folder, 'policies.d'));
  options.policies.forEach((policy, index) => {
    writeFileSync(join(folder, 'policies.d', `${index}.yaml`), typeof policy === 'string' ? policy : stringify(policy, { aliasDuplicateObjects: false }));
  });
  const host = {
    version: 1,
    gateways: options.gateways(folder),
    admin: `127.0.0.1:${admin}`,
    policies: 'policies.d/*.yaml',
    audit: { folder: options.auditFolder ?? join(folder, 'audit') },
    state: join(folder, 'state'),
    runtime: join(folder, 'runtime'),
    ...(typeof options.host === 'function' ? options.host(folder) : options.host),
  };
  const config = join(folder, 'goodgateway.yaml');
  writeFileSync(config, stringify(host, { aliasDuplicateObjects: false }));
  return config;
}

async function listensEverywhere(gateways: Readonly<Record<string, Readonly<Record<string, unknown>>>>): Promise<boolean> {
  const addresses = Object.values(gateways)
    .flatMap(({ listen }) => listen)
    .map(String);
  const answers = addresses.map((address) => {
    if (address.startsWith('unix:')) return accepts({ path: address.slice(5) });
    const colon = address.lastIndexOf(':');
    return accepts({ host: address.slice(0, colon).replace(/[[\]]/g, ''), port: Number(address.slice(colon + 1)) });
  });
  return (await Promise.all(answers)).every(Boolean);
}
