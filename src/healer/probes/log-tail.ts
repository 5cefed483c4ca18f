/**
 * What the service's logs say since it was last well: one evidence `log` for each known kind of line, with the last
 * such line and how often it came. Logs: those that the policy names, else php-fpm's own error_log or the captured
 * output; for a systemd unit its journal besides, for a container what it writes.
 */
import { existsSync } from 'node:fs';
import type { Evidence } from '../../core/diagnosis.ts';
import { isPassedOn, type KnownLine, type SignatureTable } from '../../signatures/compile.ts';
import { withoutQueries } from '../../signatures/quote.ts';
import { redact } from '../audit/redact.ts';
import type { Probe, ProbeContext, ServiceTarget } from '../leaves.ts';
import { containerLogsTail } from '../service-parts/container-logs.ts';
import { familyOf, shippedFamilies, tableWith } from '../signature-table.ts';
import { readJournal } from './read-journal.ts';
import { readTail } from './read-lines.ts';
import { logFilesOf, phpLogOf } from './read-log-files.ts';
import { troubleSinceMs } from './read-once.ts';

/** Most of a line that is quoted. */
const quoteLimit = 300;

/** Applies to every service. A log that cannot be read is evidence with `missing`. */
export const logTail: Probe = {
  name: 'log-tail',
  deadlineMs: 1500,
  quick: false,
  applies: () => true,
  async look(context, signal) {
    const signatures = await (context.signatures ?? tableWith)();
    const shipped = await shippedFamilies();
    const table: Table = { know: (text) => signatures.know(text), isOwn: (id) => !shipped.has(familyOf(id)) };
    const sinceMs = troubleSinceMs(context);
    const files = logFilesOf(context.target).map((file) => fromFile(file, sinceMs, table));
    const rest = [fromPhp(context.target, sinceMs, table), fromJournal(context, { sinceMs, table, signal }), fromContainer(context, { sinceMs, table, signal })];
    const sources = await Promise.all([...files, ...rest]);
    return sources.flat();
  },
};

interface Table extends Pick<SignatureTable, 'know'> {
  /** Of a family that does not come with goodgateway, and that no cause asks for. */
  isOwn(id: string): boolean;
}

interface Reading {
  readonly sinceMs: number;
  readonly table: Table;
  readonly signal: AbortSignal;
}

async function fromFile(file: string, sinceMs: number, table: Table): Promise<readonly Evidence[]> {
  try {
    return linesEvidence(await readTail(file, sinceMs), file, table);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [{ kind: 'log', source: file, text: `${file} could not be read.`, facts: {}, missing: reason }];
  }
}

/** Not there before PHP has logged its first error. The pool's user writes it: nothing in it is the master's word, or the kernel's. */
async function fromPhp(target: ServiceTarget, sinceMs: number, table: Table): Promise<readonly Evidence[]> {
  const file = phpLogOf(target);
  return file === undefined || !existsSync(file) ? [] : fromFile(file, sinceMs, { ...table, know: (text) => passedOn(table.know(text)) });
}

function passedOn(known: KnownLine | undefined): KnownLine | undefined {
  return known && isPassedOn(known.entry) ? known : undefined;
}

async function fromJournal({ target, run }: ProbeContext, { sinceMs, table, signal }: Reading): Promise<readonly Evidence[]> {
  const result = await readJournal(target, sinceMs, { run, signal });
  if (!result) return [];
  if (result.exitCode === 0) return linesEvidence(result.output.split('\n'), 'journal', table);
  return [{ kind: 'log', source: 'journal', text: 'The journal could not be read.', facts: {}, missing: result.startError ?? result.output.slice(0, quoteLimit) }];
}

async function fromContainer({ target: { config } }: ProbeContext, { sinceMs, table, signal }: Reading): Promise<readonly Evidence[]> {
  if (config.type !== 'docker') return [];
  const read = await containerLogsTail(config, { lines: 200, sinceMs }, signal);
  if ('lines' in read) return linesEvidence(read.lines, 'container', table);
  return [{ kind: 'log', source: 'container', text: 'What the container wrote could not be read.', facts: {}, missing: read.missing }];
}

function linesEvidence(lines: readonly string[], source: string, table: Table): readonly Evidence[] {
  const found = new Map<string, { readonly known: KnownLine; readonly evidence: Evidence }>();
  for (const text of lines) {
    const known = table.know(text);
    if (!known) continue;
    const { id } = known.entry;
    const count = Number(found.get(id)?.evidence.facts['count'] ?? 0) + 1;
    // "ready for connections" is the end of what was said of the start, and a new start is the end of that
    for (const [other, { known: before }] of found) {
      if (familyOf(other) === familyOf(id) && (before.entry.kind === 'noise') !== (known.entry.kind === 'noise')) found.delete(other);
    }
    found.set(id, { known, evidence: { kind: 'log', source, text: clean(text).slice(0, quoteLimit), facts: { ...factsOf(known, count), ...(table.isOwn(id) && { own: true }) } } });
  }
  return [...found.values()].map(({ evidence }) => evidence);
}

/** `signature` is the family that causes ask for; `entry`, `program`, `sign`, `for` and `against` are what `causes/read-votes.ts` weighs of those that are `own`. */
function factsOf({ entry, fields }: KnownLine, count: number): Evidence['facts'] {
  const own = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? clean(value) : value]));
  const votes = (list: readonly { readonly cause: string; readonly weight: number }[]) => list.map(({ cause, weight }) => `${cause} ${weight}`);
  return { ...own, signature: familyOf(entry.id), entry: entry.id, program: entry.program, sign: entry.kind, for: votes(entry.for), against: votes(entry.against), count };
}

/** Without secrets, and without what visitors sent along. */
function clean(text: string): string {
  return redact(withoutQueries(text)).text;
}
