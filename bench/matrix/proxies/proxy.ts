/** What every column of the tables is: a proxy that can be started in front of a given backend. */
import type { Address } from '../../../src/core/failure.ts';
import { endAll, family, processInfo } from '../../../test/support/processes.ts';
import { start } from '../../../test/support/program.ts';
import type { TestScope } from '../../../test/support/temp-folder.ts';
import { untilAccepts } from '../../wait.ts';

export interface ProxySetup {
  readonly protocol: 'http' | 'fastcgi';
  readonly backend: Address;
  readonly front: Address;
  /** Waits for a backend that is away as long as it can be told to; the read timeout is then long enough for the gap. */
  readonly patient?: boolean;
  /** Keeps connections to the backend, where that has to be asked for. */
  readonly keep?: boolean;
}

export interface Proxy {
  /** The head of its column. */
  readonly name: string;
  readonly isGoodgateway?: true;
  /** Its front is FastCGI, not HTTP. */
  readonly speaksFastcgi?: true;
  /** `undefined` where it is not installed. */
  version(): Promise<string | undefined>;
  start(scope: TestScope, setup: ProxySetup): Promise<RunningProxy>;
}

export interface RunningProxy {
  /** Where a client finds it. */
  readonly front: Address;
  /** Starts it again if its process has ended. */
  revive(): Promise<void>;
}

export interface ProgramOfProxy {
  readonly argv: readonly string[];
  readonly front: Address;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Runs a proxy in the foreground until the scope ends, and waits until it accepts. */
export async function runProxyProgram(scope: TestScope, { argv, front, environment = {} }: ProgramOfProxy): Promise<RunningProxy> {
  const where = front.kind === 'unix' ? { path: front.path } : { host: front.host, port: front.port };
  const pids = new Set<number>();
  let running = start(argv, { environment });
  const mine = () => {
    for (const { pid } of family(running.pid)) pids.add(pid);
    return [...pids].map(processInfo).filter((found) => found !== undefined);
  };
  let over = false;
  scope.teardown(() => {
    over = true;
    return endAll(mine, 'SIGTERM', 1000);
  });
  await untilAccepts(running, where);
  mine(); // children whose parent dies later are known by their pid
  return {
    front,
    revive: async () => {
      // a course that was called off goes on for a moment, and must start nothing any more
      if (over || processInfo(running.pid) !== undefined) return;
      await running.ended;
      running = start(argv, { environment });
      await untilAccepts(running, where);
    },
  };
}

/** `host:port`, as every configuration file spells it. The other proxies are asked over TCP only. */
export function hostPort(address: Address): string {
  if (address.kind === 'unix') throw new Error('expected a TCP address: only goodgateway is tried over unix sockets here');
  return `${address.host}:${address.port}`;
}

/** The first line that a program prints about its version, or `undefined` where the program is missing. */
export async function firstLine(argv: readonly string[], pattern: RegExp): Promise<string | undefined> {
  const { output } = await start(argv).ended;
  return pattern.exec(output)?.[1];
}
