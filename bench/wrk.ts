/** wrk's word, and who runs on which core. */
import { succeed } from '../test/support/program.ts';

export interface WrkResult {
  readonly requests: number;
  readonly perSecond: number;
  /** Answers that were neither 2xx nor 3xx, and connections that broke. */
  readonly failed: number;
}

export function readWrk(output: string): WrkResult {
  const found = /(\d+) requests in ([\d.]+)(m?s)/.exec(output);
  if (!found) throw new Error(`wrk said: ${output}`);
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output)?.slice(1) ?? [];
  const failed = Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0) + errors.reduce((sum, count) => sum + Number(count), 0);
  return { requests: Number(found[1]), perSecond: Number(found[1]) / (Number(found[2]) / (found[3] === 'ms' ? 1000 : 1)), failed };
}

/** All threads of the process. */
export async function pin(pid: number, cores: string): Promise<void> {
  await succeed(['taskset', '-a', '-p', '-c', cores, String(pid)]);
}
