/** The demonstration's shop as a real process. */
import { join } from 'node:path';
import { accepts, freePort } from './ports.ts';
import { endAll, processInfo, type ProcessInfo } from './processes.ts';
import { start, type Running } from './program.ts';
import type { TestScope } from './temp-folder.ts';
import { until } from './until.ts';

export interface ShopOptions {
  readonly workers?: number;
  readonly admin?: string;
  /** File in which orders outlive a crash. */
  readonly orders?: string;
}

export interface Shop {
  readonly port: number;
  readonly otherPort: number;
  readonly url: string;
  readonly otherUrl: string;
  readonly argv: readonly string[];
  /** The process that runs now. */
  running(): Running;
  info(): ProcessInfo | undefined;
  /** Ends it, if it still runs, and starts it again. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts it on two free ports and waits until it accepts; ended when the test is over. */
export async function startShop(t: TestScope, options: ShopOptions = {}): Promise<Shop> {
  const [port, otherPort] = [await freePort(), await freePort()];
  const program = join(import.meta.dirname, '../../src/demo/shop.ts');
  const argv = [process.execPath, program, '--port', `${port}`, '--other-port', `${otherPort}`, '--workers', `${options.workers ?? 4}`];
  if (options.admin !== undefined) argv.push('--admin', options.admin);
  if (options.orders !== undefined) argv.push('--orders', options.orders);

  const begin = async (): Promise<Running> => {
    const begun = start(argv);
    await until(() => accepts({ host: '127.0.0.1', port }), { timeoutMs: 30_000, what: () => `the shop to accept: ${begun.output()}` });
    return begun;
  };
  let running = await begin();
  const info = (): ProcessInfo | undefined => processInfo(running.pid);
  const stop = (): Promise<void> => endAll(() => [info()].filter((one) => one !== undefined));
  t.teardown(stop);
  return {
    port,
    otherPort,
    argv,
    info,
    stop,
    url: `http://127.0.0.1:${port}`,
    otherUrl: `http://127.0.0.1:${otherPort}`,
    running: () => running,
    restart: async () => {
      await stop();
      running = await begin();
    },
  };
}
