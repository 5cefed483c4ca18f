import type { NetConnectOpts } from 'node:net';
import { accepts } from '../test/support/ports.ts';
import { processInfo } from '../test/support/processes.ts';
import type { Running } from '../test/support/program.ts';
import { until } from '../test/support/until.ts';

/** Resolves when the program accepts connections there; rejects with its output when it ended or takes too long. */
export async function untilAccepts(running: Running, where: NetConnectOpts): Promise<void> {
  const ended = (): boolean => processInfo(running.pid) === undefined;
  await until(async () => ended() || (await accepts(where)), { timeoutMs: 15_000, what: () => `a program to accept: ${running.output()}` });
  if (ended()) throw new Error(`a program ended at its start: ${running.output()}`);
}
