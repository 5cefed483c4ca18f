/**
 * What the service's logs say since it was last well: one evidence `log` for each known kind of line, with the last
 * such line and how often it came. Logs: those that the policy names, else php-fpm's own error_log or the captured
 * output; for a systemd unit its journal besides, for a container what it writes.
 */
import { existsSync } from 'node:fs';
import type { Evidence } from '../../core/diagnosis.ts';
import type { Probe, ProbeContext, ServiceTarget } from '../leaves.ts';
import { containerLogsTail } from '../service-parts/container-logs.ts';
import { readJournal } from './read-journal.ts';
import { matchSignature, readTail } from './read-lines.ts';
import { logFilesOf, phpLogOf } from './read-log-files.ts';
import { logSignatures } from './read-signatures.ts';

/** A pool's warning may come some seconds before the first request suffers. */
const marginMs = 10_000;
/** Looked back when the service was never seen well. */
const longestMs = 600_000;
/** Most of a line that is quoted. */
const quoteLimit = 300;
/** What stands behind it decides nothing. */
const longestLine = 4096;

/** Applies to every service. A log that cannot be read is evidence with `missing`. */
export const logTail: Probe = {
  name: 'log-tail',
  deadlineMs: 1500,
  quick: false,
  applies: () => true,
  async look(context, signal) {
    const sinceMs = Math.max(context.lastGoodMs - marginMs, context.clock.wallMs() - longestMs);
    const files = logFilesOf(context.target).map((file) => fromFile(file, sinceMs));
    const sources = await Promise.all([...files, fromPhp(context.target, sinceMs), fromJournal(context, sinceMs, signal), fromContainer(context, sinceMs, signal)]);
    return sources.flat();
  },
};

async function fromFile(file: string, sinceMs: number): Promise<readonly Evidence[]> {
  try {
    return linesEvidence(await readTail(file, sinceMs), file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [{ kind: 'log', source: file, text: `${file} could not be read.`, facts: {}, missing: reason }];
  }
}

/** Not there before PHP has logged its first error. */
async function fromPhp(target: ServiceTarget, sinceMs: number): Promise<readonly Evidence[]> {
  const file = phpLogOf(target);
  return file === undefined || !existsSync(file) ? [] : fromFile(file, sinceMs);
}

async function fromJournal({ target, run }: ProbeContext, sinceMs: number, signal: AbortSignal): Promise<readonly Evidence[]> {
  const result = await readJournal(target, sinceMs, { run, signal });
  if (!result) return [];
  if (result.exitCode === 0) return linesEvidence(result.output.split('\n'), 'journal');
  return [{ kind: 'log', source: 'journal', text: 'The journal could not be read.', facts: {}, missing: result.startError ?? result.output.slice(0, quoteLimit) }];
}

async function fromContainer({ target: { config } }: ProbeContext, sinceMs: number, signal: AbortSignal): Promise<readonly Evidence[]> {
  if (config.type !== 'docker') return [];
  const read = await containerLogsTail(config, { lines: 200, sinceMs }, signal);
  if ('lines' in read) return linesEvidence(read.lines, 'container');
  return [{ kind: 'log', source: 'container', text: 'What the container wrote could not be read.', facts: {}, missing: read.missing }];
}

function linesEvidence(lines: readonly string[], source: string): readonly Evidence[] {
  const found = new Map<string, Evidence>();
  for (const raw of lines) {
    const line = withoutQuery(raw.slice(0, longestLine));
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

/** php-fpm quotes whole URLs: `(request: "GET /x.php?key=…") executing too slow`. A query may hold a password. */
function withoutQuery(line: string): string {
  return line.replace(/(\(request: "[A-Z]{1,20} [^?\s]{0,500})\?.*(?="\) execut)/, '$1');
}
