/** `goodgateway log`: what happened, one line an incident. */
import type { Command } from 'commander';
import { didYouMean } from '../config/did-you-mean.ts';
import { causeNames, type CauseName } from '../core/diagnosis.ts';
import type { AuditFile } from '../healer/audit/files.ts';
import { findIncident } from '../healer/audit/find-incident.ts';
import { readRecords, summarizeIncidents, type FoundRecord, type Selection } from '../healer/audit/query.ts';
import type { AuditRecord } from '../healer/audit/record.ts';
import { addToSummary, type IncidentSummary } from '../healer/audit/summary.ts';
import { readingCommand, withAudit, type AuditSource, type OpenAudit } from './audit-files.ts';
import { actionHeading, actionRows, incidentHeading, incidentRow, isByPerson, personHeading, personRows, requestHeading, requestsOf } from './log-rows.ts';
import { printRows } from './print-rows.ts';
import { complain, plain, printLine } from './terminal.ts';
import { formatWhen, parseWhen, whenExpected } from './when.ts';

interface LogOptions extends AuditSource {
  readonly since?: string;
  readonly until?: string;
  readonly service?: string;
  readonly cause?: string;
  readonly json?: true;
  readonly actions?: true;
  readonly humans?: true;
  readonly requests?: true;
  /** false: --no-index. */
  readonly index: boolean;
}

/** The sub-command. Exit status 0; 1 when there is no log to read, or no such incident; 2 when it was called wrongly. */
export function logCommand(): Command {
  return readingCommand('log')
    .description('what happened: one line for each incident')
    .argument('[incident]', 'only this one: its id, its code, or the id of a request that met it')
    .option('--since <when>', `from then on, ${whenExpected}`)
    .option('--until <when>', 'up to then; a day counts to its end')
    .option('--service <name>', 'of this service only')
    .option('--cause <cause>', 'of incidents with this cause only')
    .option('--actions', 'one line for each thing that was done, instead')
    .option('--humans', 'one line for each thing that a person did, instead: approvals, pauses, switches, acts by hand')
    .option('--requests', 'of one incident: sample ids of the requests that met it')
    .option('--json', 'the records themselves, one a line')
    .option('--no-index', 'read the whole log, not what its index says')
    .addHelpText(
      'after',
      '\nExamples:\n  goodgateway log --since yesterday --service php-fpm\n  goodgateway log --actions --since 30d --json\n  goodgateway log --humans --since 7d\n  goodgateway log --cause service.hung --since 30d\n  goodgateway log 7K3FQX --requests',
    )
    .action((incident: string | undefined, options: LogOptions) => showLog(incident, options));
}

async function showLog(incident: string | undefined, options: LogOptions): Promise<void> {
  const selection = select(options, Date.now());
  if ('wrong' in selection) return complain(selection.wrong, 2);
  if (options.requests && incident === undefined) return complain('--requests: expected an incident as well, such as: goodgateway log 7K3FQX --requests', 2);
  return withAudit(options, (audit) => answer(audit, incident, { selection, options }));
}

async function answer(audit: OpenAudit, incident: string | undefined, { selection, options }: { readonly selection: Chosen; readonly options: LogOptions }): Promise<void> {
  if (incident !== undefined) return showOne(incident, audit, options);
  const of = options.cause === undefined ? selection : { ...selection, incidents: await withCause(audit.files, selection) };
  if (options.json) return printRecords(audit.files, of, options);
  if (options.actions) return printRows(actionHeading, await actionRows(chosen(audit.files, { ...of, kind: 'acts' }, options)), 'nothing was done in that time');
  if (options.humans) return printRows(personHeading, await personRows(readRecords(audit.files, { ...of, kind: 'notable' })), 'nobody did anything in that time');
  return printIncidents(audit.files, selection);
}

type Chosen = Selection & { readonly cause: CauseName | undefined };

function select({ since, until, service, cause, index }: LogOptions, nowMs: number): Chosen | { readonly wrong: string } {
  const sinceMs = since === undefined ? undefined : parseWhen(since, nowMs);
  const untilMs = until === undefined ? undefined : parseWhen(until, nowMs, 'end');
  const named = causeNames.find((name) => name === cause);
  if (since !== undefined && sinceMs === undefined) return { wrong: `--since: expected a time ${whenExpected}, and got "${plain(since)}"` };
  if (until !== undefined && untilMs === undefined) return { wrong: `--until: expected a time ${whenExpected}, and got "${plain(until)}"` };
  if (cause !== undefined && named === undefined) return { wrong: strangeCause(cause) };
  return { sinceMs, untilMs, service, cause: named, useIndex: index };
}

function strangeCause(cause: string): string {
  const meant = didYouMean(cause, causeNames);
  return `--cause: there is no cause "${plain(cause)}"; ${meant === undefined ? `the causes are ${causeNames.join(', ')}` : `did you mean ${meant}?`}`;
}

async function withCause(files: readonly AuditFile[], selection: Chosen): Promise<ReadonlySet<string>> {
  const { incidents } = await summarizeIncidents(files, selection);
  return new Set(incidents.map(({ id }) => id));
}

/** `--actions` and `--humans` together: what a person had done. */
async function* chosen(files: readonly AuditFile[], selection: Selection, { actions, humans }: LogOptions): AsyncGenerator<FoundRecord, void, undefined> {
  for await (const found of readRecords(files, selection)) {
    if (actions && !found.record.event.startsWith('action.')) continue;
    if (!humans || isByPerson(found.record)) yield found;
  }
}

async function printRecords(files: readonly AuditFile[], selection: Selection, options: LogOptions): Promise<void> {
  const kind = options.humans ? 'notable' : undefined;
  for await (const { line } of chosen(files, { ...selection, kind }, options)) await printLine(line);
}

async function printIncidents(files: readonly AuditFile[], selection: Chosen): Promise<void> {
  const { incidents, leftOut } = await summarizeIncidents(files, selection);
  if (leftOut > 0) process.stderr.write(`goodgateway: ${leftOut} older incidents are left out; ask for less with --since\n`);
  await printRows(incidentHeading, incidents.map(incidentRow), 'no incident in that time');
}

async function showOne(wanted: string, audit: OpenAudit, { requests, json, index }: LogOptions): Promise<void> {
  const story = await findIncident(audit.files, wanted, { useIndex: index });
  if (!story) return complain(`no incident ${plain(wanted)} in ${audit.folder}; "goodgateway log" lists those that there are`, 1);
  if (story.leftOut > 0) process.stderr.write(`goodgateway: the oldest ${story.leftOut} records of this incident are left out: it began earlier than this says\n`);
  if (requests) return printRequests(story.records, json === true);
  if (json) {
    for (const record of story.records) await printLine(JSON.stringify(record));
    return;
  }
  const summary = story.records.reduce<IncidentSummary | undefined>((before, record) => addToSummary(before, story.id, record), undefined);
  await printRows(incidentHeading, summary ? [incidentRow(summary)] : [], 'no incident');
}

async function printRequests(records: readonly AuditRecord[], json: boolean): Promise<void> {
  const requests = requestsOf(records);
  if (!json)
    return printRows(
      requestHeading,
      requests.map(({ request, ts, gateway }) => [formatWhen(Date.parse(ts)), gateway, request]),
      'no request of it is known',
    );
  for (const one of requests) await printLine(JSON.stringify(one));
}
