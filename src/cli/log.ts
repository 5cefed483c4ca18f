/** `goodgateway log`: what happened, one line an incident. */
import type { Command } from 'commander';
import { incidentCode } from '../core/ids.ts';
import { formatDuration } from '../core/time.ts';
import type { AuditFile } from '../healer/audit/files.ts';
import { readRecords, summarizeIncidents, type Selection } from '../healer/audit/query.ts';
import type { AuditRecord } from '../healer/audit/record.ts';
import { whatWasDone } from '../core/deeds.ts';
import type { IncidentSummary } from '../healer/audit/summary.ts';
import { readingCommand, openAudit, type AuditSource } from './audit-files.ts';
import { complain, isTerminal, plain, printLine, styled, table } from './terminal.ts';
import { formatWhen, parseWhen, whenExpected } from './when.ts';

interface LogOptions extends AuditSource {
  readonly since?: string;
  readonly until?: string;
  readonly service?: string;
  readonly json?: true;
  readonly actions?: true;
}

/** The sub-command. Exit status 0; 1 when there is no log to read; 2 when it was called wrongly. */
export function logCommand(): Command {
  return readingCommand('log')
    .description('what happened: one line for each incident')
    .option('--since <when>', `from then on, ${whenExpected}`)
    .option('--until <when>', 'up to then; a day counts to its end')
    .option('--service <name>', 'of this service only')
    .option('--actions', 'one line for each thing that was done, instead')
    .option('--json', 'the records themselves, one a line')
    .addHelpText('after', '\nExample: goodgateway log --since yesterday --service php-fpm')
    .action((options: LogOptions) => showLog(options));
}

async function showLog(options: LogOptions): Promise<void> {
  const selection = select(options, Date.now());
  if ('wrong' in selection) return complain(selection.wrong, 2);
  const audit = await openAudit(options);
  if (!audit) return;
  if (options.json) return printRecords(audit.files, selection, options.actions === true);
  return options.actions ? printActions(audit.files, selection) : printIncidents(audit.files, selection);
}

function select({ since, until, service }: LogOptions, nowMs: number): Selection | { readonly wrong: string } {
  const sinceMs = since === undefined ? undefined : parseWhen(since, nowMs);
  const untilMs = until === undefined ? undefined : parseWhen(until, nowMs, 'end');
  if (since !== undefined && sinceMs === undefined) return { wrong: `--since: expected a time ${whenExpected}, and got "${plain(since)}"` };
  if (until !== undefined && untilMs === undefined) return { wrong: `--until: expected a time ${whenExpected}, and got "${plain(until)}"` };
  return { sinceMs, untilMs, service };
}

async function printRecords(files: readonly AuditFile[], selection: Selection, actionsOnly: boolean): Promise<void> {
  for await (const { record, line } of readRecords(files, selection)) {
    if (!actionsOnly || record.event.startsWith('action.')) await printLine(line);
  }
}

async function printIncidents(files: readonly AuditFile[], selection: Selection): Promise<void> {
  const { incidents, leftOut } = await summarizeIncidents(files, selection);
  if (leftOut > 0) process.stderr.write(`goodgateway: ${leftOut} older incidents are left out; ask for less with --since\n`);
  await printRows(['TIME', 'SERVICE', 'CODE', 'CAUSE', 'DONE', 'OUTCOME', 'TOOK'], incidents.map(incidentRow), 'no incident');
}

function incidentRow(incident: IncidentSummary): readonly string[] {
  const { code, service = '?', cause, outcome, tookMs } = incident;
  return [formatWhen(incident.openedAtMs), service, code, cause ?? 'not known', whatWasDone(incident), outcome.replace('_', ' '), tookMs === undefined ? '' : formatDuration(tookMs)];
}

const maxActions = 10_000;

async function printActions(files: readonly AuditFile[], selection: Selection): Promise<void> {
  const rows = new Map<string, readonly string[]>();
  for await (const { record } of readRecords(files, selection)) {
    const { event, action_id: id } = record;
    if (id === undefined || (event !== 'action.intent' && event !== 'action.finished' && event !== 'action.unknown')) continue;
    rows.set(id, actionRow(record, rows.get(id)));
    const [oldest] = rows.keys();
    if (rows.size > maxActions && oldest !== undefined) rows.delete(oldest);
  }
  await printRows(['TIME', 'SERVICE', 'CODE', 'ACTION', 'COMMAND', 'RESULT', 'TOOK'], [...rows.values()], 'nothing was done');
}

/** The row of an act: begun by its intent, completed by its outcome. */
function actionRow(record: AuditRecord, begun: readonly string[] | undefined): readonly string[] {
  const { ts, service = '?', incident = '', action = '?', argv, outcome, event } = record;
  const [time = formatWhen(Date.parse(ts)), , , , command = ''] = begun ?? [];
  const result = event === 'action.intent' ? 'no outcome' : (outcome?.result ?? 'unknown');
  return [time, service, incidentCode(incident), action, argv?.join(' ') ?? command, result, outcome?.duration_ms === undefined ? '' : formatDuration(outcome.duration_ms)];
}

/** Aligned with a heading on a terminal; otherwise one tab between the fields, as `cut` likes it. */
async function printRows(heading: readonly string[], rows: readonly (readonly string[])[], none: string): Promise<void> {
  const clean = rows.map((row) => row.map(plain));
  if (!isTerminal()) {
    for (const row of clean) await printLine(row.join('\t'));
    return;
  }
  if (clean.length === 0) return printLine(`${none} in that time`);
  const [first = '', ...lines] = table([heading, ...clean]);
  await printLine(styled('bold', first));
  for (const line of lines) await printLine(line);
}
