/**
 * What the service's logs say since it was last well: one evidence `log` for each known kind of line, with the last
 * such line and how often it came. Logs: those that the policy names, else php-fpm's own error_log or the captured
 * output; for a systemd unit its journal besides.
 */
import type { Evidence } from '../../core/diagnosis.ts';
import type { Probe, ProbeContext } from '../leaves.ts';
import { readFpmPool } from './read-fpm-pool.ts';
import { matchSignature, readTail } from './read-lines.ts';
import { logSignatures } from './read-signatures.ts';

/** A pool's warning may come some seconds before the first request suffers. */
const marginMs = 10_000;
/** Looked back when the service was never seen well. */
const longestMs = 600_000;
/** Most of a line that is quoted. */
const quoteLimit = 300;

/** Applies to every service. A log that cannot be read is evidence with `missing`. */
export const logTail: Probe = {
  name: 'log-tail',
  deadlineMs: 1500,
  quick: false,
  applies: () => true,
  async look(context, signal) {
    const sinceMs = Math.max(context.lastGoodMs - marginMs, context.clock.wallMs() - longestMs);
    const sources = await Promise.all([...logFiles(context).map((file) => fromFile(file, sinceMs)), fromJournal(context, sinceMs, signal)]);
    return sources.flat();
  },
};

function logFiles({ target }: ProbeContext): readonly string[] {
  const { config } = target;
  if (config.log) return config.log;
  const errorLog = target.protocol === 'fastcgi' ? readFpmPool(target)?.errorLog : undefined;
  if (errorLog) return [errorLog];
  if (config.type !== 'process' || config.pidfile) return [];
  return [config.output ?? `${target.stateFolder}/${target.name}.out`];
}

async function fromFile(file: string, sinceMs: number): Promise<readonly Evidence[]> {
  try {
    return linesEvidence(await readTail(file, sinceMs), file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [{ kind: 'log', source: file, text: `${file} could not be read.`, facts: {}, missing: reason }];
  }
}

async function fromJournal({ target, run }: ProbeContext, sinceMs: number, signal: AbortSignal): Promise<readonly Evidence[]> {
  if (target.config.type !== 'systemd') return [];
  const argv = ['/usr/bin/journalctl', '--unit', target.config.unit, '--since', `@${Math.floor(sinceMs / 1000)}`, '--lines', '200', '--output', 'cat', '--no-pager', '--quiet'];
  const result = await run.run(argv, { timeoutMs: 1000, signal });
  if (result.exitCode === 0) return linesEvidence(result.output.split('\n'), 'journal');
  return [{ kind: 'log', source: 'journal', text: 'The journal could not be read.', facts: {}, missing: result.startError ?? result.output.slice(0, quoteLimit) }];
}

function linesEvidence(lines: readonly string[], source: string): readonly Evidence[] {
  const found = new Map<string, Evidence>();
  for (const line of lines) {
    for (const signature of logSignatures) {
      const fields = matchSignature(signature, line);
      if (!fields) continue;
      const count = Number(found.get(signature.name)?.facts['count'] ?? 0) + 1;
      const text = line.slice(0, quoteLimit);
      found.set(signature.name, { kind: 'log', source, text, facts: { ...fields, signature: signature.name, count } });
      break;
    }
  }
  return [...found.values()];
}
