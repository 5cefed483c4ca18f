/** `goodgateway report`: did it help? And of what is only observed: would it have been right? */
import type { Command } from 'commander';
import { formatDuration } from '../core/time.ts';
import { readRecords } from '../healer/audit/query.ts';
import { buildReport, type DoneRow, type Report, type ServiceReport, type WouldRow } from '../healer/audit/report.ts';
import { readingCommand, withAudit, type AuditSource } from './audit-files.ts';
import { complain, plain, printLine, styled, table, wrap } from './terminal.ts';
import { formatWhen, parseWhen, whenExpected } from './when.ts';

interface ReportOptions extends AuditSource {
  readonly since: string;
  readonly service?: string;
  readonly json?: true;
}

/** The sub-command. Exit status 0; 1 when there is no log to read; 2 when it was called wrongly. */
export function reportCommand(): Command {
  return readingCommand('report')
    .description('did it help: what was done and what came of it, or what would have been done')
    .option('--since <when>', `incidents from then on, ${whenExpected}`, '14d')
    .option('--service <name>', 'of this service only')
    .option('--json', 'for programs')
    .addHelpText('after', '\nExample: goodgateway report --since 14d --service php-fpm')
    .action((options: ReportOptions) => showReport(options));
}

/** So much is read before it: what was opened earlier is told apart from what only went on. */
const lookBackMs = 86_400_000;

async function showReport(options: ReportOptions): Promise<void> {
  const { since, service } = options;
  const sinceMs = parseWhen(since, Date.now());
  if (sinceMs === undefined) return complain(`--since: expected a time ${whenExpected}, and got "${plain(since)}"`, 2);
  return withAudit(options, async ({ files }, gaps) => {
    const report = await buildReport(readRecords(files, { sinceMs: Math.max(0, sinceMs - lookBackMs) }), { sinceMs, service });
    if (options.json) return printLine(JSON.stringify({ since: new Date(sinceMs).toISOString(), ...report, notUnderstood: gaps.strange }));
    if (gaps.strange > 0) await printLine('! Not everything is counted: there are records that this version does not understand.');
    for (const line of tellReport(report, sinceMs)) await printLine(line);
  });
}

function tellReport({ services, repeated, leftOut }: Report, sinceMs: number): readonly string[] {
  const loud = repeated.flatMap(({ service, cause, times, lastAtMs }) =>
    wrap(plain(`! ${service}: ${cause} was healed ${times} times within a day, last at ${formatWhen(lastAtMs)}. The fault itself is still there: look for it.`), { hang: '  ' }).map((line) =>
      styled('red', line),
    ),
  );
  if (services.length === 0) return [`no incident since ${formatWhen(sinceMs)}`];
  return [
    ...loud,
    ...(loud.length > 0 ? [''] : []),
    `since ${formatWhen(sinceMs)}`,
    ...(leftOut > 0 ? [`${leftOut} older incidents are left out; ask for less with --since`] : []),
    ...services.flatMap((service) => ['', ...tellService(service)]),
  ];
}

function tellService(report: ServiceReport): readonly string[] {
  const { service, incidents, ends, gaveUp, relapses, attempts, helped, refusedBy, healedBefore } = report;
  const parts = [`${ends.healed} healed`, `${ends.by_itself} by itself`, `${ends.person} by a person`, `${ends.not} not`];
  const refusals = Object.entries(refusedBy).toSorted(([, a], [, b]) => b - a);
  return [
    styled('bold', plain(`${service}: ${count(incidents, 'incident')}`)),
    `  ${parts.join(', ')}${gaveUp > 0 ? `; given up ${count(gaveUp, 'time')}` : ''}`,
    ...(attempts > 0 ? [`  ${helped} of ${count(attempts, 'step')} helped (${percent(helped, attempts)}); ${count(relapses, 'relapse')} within 10 min`] : []),
    ...grouped(report.done, ['done', 'TRIED', 'HELPED', 'RELAPSED', 'MEDIAN', 'P90'], doneCells),
    ...grouped(report.would, ['would have done', 'TIMES', 'NEEDLESS', 'BY PERSON', 'WELL IN'], wouldCells),
    ...wrap(needless(report), { indent: '  ' }).filter((line) => line.trim() !== ''),
    ...(healedBefore > 0 ? wrap(`${count(healedBefore, 'incident')} healed by itself before anything would have been done`, { indent: '  ' }) : []),
    ...(refusals.length > 0 ? wrap(plain(`refused by ${refusals.map(([gate, times]) => `${gate} ${times}`).join(', ')}`), { indent: '  ', hang: '    ' }) : []),
  ];
}

/** The would-be needless actions in one sentence: what two weeks of observing are for. */
function needless({ would }: ServiceReport): string {
  const all = would.reduce((sum, row) => sum + row.incidents, 0);
  const needlessOnes = would.reduce((sum, row) => sum + row.needless, 0);
  return all === 0 ? '' : `${needlessOnes} of ${count(all, 'action')} would have been needless: it was well again by itself`;
}

/** Rows under their cause: causes and actions side by side would not fit into 80 columns. */
function grouped<Row extends DoneRow | WouldRow>(rows: readonly Row[], heading: readonly string[], cells: (row: Row) => readonly string[]): readonly string[] {
  if (rows.length === 0) return [];
  const lines = rows
    .toSorted((a, b) => a.cause.localeCompare(b.cause))
    .flatMap((row, i, all) => [...(all[i - 1]?.cause === row.cause ? [] : [{ cause: row.cause, cells: undefined }]), { cause: row.cause, cells: cells(row) }]);
  const aligned = table([heading, ...lines.flatMap((line) => (line.cells ? [line.cells] : []))]);
  let next = 1;
  return [`    ${styled('dim', aligned[0] ?? '')}`, ...lines.map((line) => (line.cells ? `    ${plain(aligned[next++] ?? '')}` : `  ${plain(line.cause)}`))];
}

function doneCells({ action, tried, helped, relapsed, medianMs, p90Ms }: DoneRow): readonly string[] {
  return [action, String(tried), String(helped), String(relapsed), duration(medianMs), duration(p90Ms)];
}

function wouldCells({ action, incidents, needless: without, person, medianMs }: WouldRow): readonly string[] {
  return [action, String(incidents), String(without), String(person), duration(medianMs)];
}

function duration(ms: number | undefined): string {
  return ms === undefined ? '-' : formatDuration(ms);
}

function percent(part: number, whole: number): string {
  return `${Math.round((part / whole) * 100)} %`;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
