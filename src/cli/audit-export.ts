/** `goodgateway audit export`: the log for other programs, as it comes; nothing is kept in memory. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { incidentCode } from '../core/ids.ts';
import { readRecords } from '../healer/audit/query.ts';
import type { AuditRecord } from '../healer/audit/record.ts';
import { readingCommand, withAudit, type AuditSource } from './audit-files.ts';
import { complain, plain, printLine } from './terminal.ts';
import { parseWhen, whenExpected } from './when.ts';

interface ExportOptions extends AuditSource {
  readonly format: 'ndjson' | 'csv';
  readonly since?: string;
  readonly until?: string;
  readonly service?: string;
}

/** The sub-command of `audit`. Exit status 0; 1 when there is no log to read; 2 when it was called wrongly. */
export function auditExportCommand(): Command {
  return readingCommand('export')
    .description('all records to standard output: lines of JSON as they stand in the log, or a table for a spreadsheet')
    .addOption(new Option('--format <format>', 'ndjson, or csv (columns: docs/audit-log.md)').choices(['ndjson', 'csv']).default('ndjson'))
    .option('--since <when>', `from then on, ${whenExpected}`)
    .option('--until <when>', 'up to then; a day counts to its end')
    .option('--service <name>', 'of this service only')
    .addHelpText('after', '\nExample: goodgateway audit export --format csv --since 30d > audit.csv')
    .action((options: ExportOptions) => exportAudit(options));
}

async function exportAudit(options: ExportOptions): Promise<void> {
  const { format, since, until, service } = options;
  const nowMs = Date.now();
  const sinceMs = since === undefined ? undefined : parseWhen(since, nowMs);
  const untilMs = until === undefined ? undefined : parseWhen(until, nowMs, 'end');
  if (since !== undefined && sinceMs === undefined) return complain(`--since: expected a time ${whenExpected}, and got "${plain(since)}"`, 2);
  if (until !== undefined && untilMs === undefined) return complain(`--until: expected a time ${whenExpected}, and got "${plain(until)}"`, 2);
  return withAudit(options, async ({ files }) => {
    if (format === 'csv') await printLine(`${Object.keys(columns).join(',')}\r`);
    for await (const { record, line } of readRecords(files, { sinceMs, untilMs, service })) await printLine(format === 'csv' ? `${csvRow(record)}\r` : line);
  });
}

/** Name and content of each column; the names and their order are a public interface, new ones come at the end. */
const columns: Readonly<Record<string, (record: AuditRecord) => string | number | undefined>> = {
  seq: ({ seq }) => seq,
  time: ({ ts }) => ts,
  host: ({ host }) => host,
  event: ({ event }) => event,
  incident: ({ incident }) => incident,
  code: ({ incident }) => incident && incidentCode(incident),
  service: ({ service }) => service,
  target: ({ target }) => target,
  policy: ({ policy }) => policy?.name,
  mode: ({ policy }) => policy?.mode,
  actor: ({ actor }) => actorOf(actor),
  symptom: ({ symptom }) => symptom?.kind,
  count: ({ symptom }) => symptom?.count,
  cause: ({ cause }) => cause,
  confidence: ({ confidence }) => confidence,
  rule: ({ rule }) => rule,
  rung: ({ rung }) => rung,
  attempt: ({ attempt }) => attempt,
  action: ({ action }) => action,
  action_id: ({ action_id: id }) => id,
  refused_by: ({ gates }) => gates && gates.flatMap(({ gate, verdict }) => (verdict === 'refuse' ? [gate] : [])).join(' '),
  command: ({ argv }) => argv?.join(' '),
  result: ({ outcome }) => outcome?.result,
  exit: ({ outcome }) => outcome?.exit,
  duration_ms: ({ outcome }) => outcome?.duration_ms,
  verified: ({ verify }) => verify?.outcome,
  text: ({ text }) => text,
};

function actorOf(actor: AuditRecord['actor']): string | undefined {
  if (actor === undefined || actor === 'auto') return actor;
  return 'by' in actor ? actor.by : (actor.user ?? `uid ${actor.uid}`);
}

/** @see RFC 4180 */
function csvRow(record: AuditRecord): string {
  return Object.values(columns)
    .map((valueOf) => csvField(valueOf(record)))
    .join(',');
}

/** What a spreadsheet would take for a formula gets an apostrophe: text of a log line must not be able to calculate. */
function csvField(value: string | number | undefined): string {
  if (typeof value !== 'string') return value === undefined ? '' : String(value);
  const harmless = /^(?:\s*[=+\-@]|[\t\r])/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
