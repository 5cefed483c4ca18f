import type { CollectorContext } from '../leaves.ts';

/** What a program prints, at most `context.maxBytes` of its end. Throws with the reason when it says nothing useful. */
export async function readCommand(argv: readonly string[], { run, maxBytes, timeoutMs }: CollectorContext, signal: AbortSignal): Promise<string> {
  const result = await run.run(argv, { timeoutMs, signal, outputBytes: maxBytes });
  if (result.startError !== undefined) throw new Error(result.startError);
  if (result.timedOut) throw new Error(`${argv[0]} did not end in time`);
  if (result.exitCode !== 0 && result.output === '') throw new Error(`${argv[0]} ended with status ${result.exitCode} and without a word`);
  // of a cut first line nobody can say what it is: a filter by its beginning would let it pass
  return Buffer.byteLength(result.output) < maxBytes - 1 ? result.output : result.output.slice(result.output.indexOf('\n') + 1);
}
