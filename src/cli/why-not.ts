/** `goodgateway why-not`: why nothing was done for a service, with the numbers. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { findConfiguration } from '../config/load.ts';
import { loadHost } from '../config/load-host.ts';
import { findIncident } from '../healer/audit/find-incident.ts';
import { readRecords, summarizeIncidents } from '../healer/audit/query.ts';
import type { IncidentSummary } from '../healer/audit/summary.ts';
import { askHealer } from './ask-healer.ts';
import { readingCommand, withAudit, type AuditSource, type OpenAudit } from './audit-files.ts';
import { statusSchema, type Status } from './status-answer.ts';
import { complain, plain, printLine } from './terminal.ts';
import { heldBackBy, notDoneIn, questionsIn } from './why-not-facts.ts';
import { tellWhyNot, type WhyNot } from './why-not-story.ts';

interface WhyNotOptions extends AuditSource {
  readonly json?: true;
  /** false: --no-index. */
  readonly index: boolean;
}

/** The sub-command. Exit status 0; 1 when nothing is known of the service, or there is no log; 2 when it was called wrongly. */
export function whyNotCommand(): Command {
  return readingCommand('why-not')
    .description('why it did not act: every gate that refused, with its numbers, and what holds the healer back')
    .argument('<service>', 'the name of its policy')
    .option('--json', 'as one JSON object')
    .option('--no-index', 'read the whole log, not what its index says')
    .addHelpText('after', '\nExample: goodgateway why-not php-fpm')
    .action((service: string, options: WhyNotOptions) => withAudit(options, (audit) => showWhyNot(audit, service, options)));
}

const answerWithinMs = 5000;

async function showWhyNot(audit: OpenAudit, service: string, options: WhyNotOptions): Promise<void> {
  const useIndex = options.index;
  const now = await askNow(options);
  const { incidents } = await summarizeIncidents(audit.files, { service, useIndex });
  const incident = chooseIncident(incidents, now, service);
  const held = await heldBackBy(readRecords(audit.files, { kind: 'notable', useIndex }), service);
  const isKnown = incident !== undefined || held.mode !== undefined || held.removed !== undefined || (!('noAnswer' in now) && now.services.some(({ name }) => name === service));
  if (!isKnown) return complain(`nothing is known of a service ${plain(service)}: it is not in ${audit.folder}, and the healer does not know it; "goodgateway status" lists those that there are`, 1);
  const story = incident && (await findIncident(audit.files, incident.id, { useIndex }));
  const records = story?.records ?? [];
  const found: WhyNot = { service, incident, records, notDone: notDoneIn(records), questions: questionsIn(records), held, now, nowMs: Date.now() };
  if (options.json) return printLine(JSON.stringify(forPrograms(found)));
  for (const line of tellWhyNot(found)) await printLine(line);
}

/** The log of another machine is not this healer's; and a mistake in the configuration keeps nobody from reading. */
async function askNow({ config, folder }: WhyNotOptions): Promise<Status | { readonly noAnswer: string }> {
  if (folder !== undefined && config === undefined) return { noAnswer: 'the healer is not asked about a folder that was named' };
  const loaded = await loadHost(await findConfiguration(config));
  if (!loaded.ok) return { noAnswer: 'the healer is not asked, because the configuration cannot be read or has mistakes ("goodgateway check" names them)' };
  return askHealer(join(loaded.host.runtime, 'control.sock'), { ask: 'status' }, { answer: statusSchema, withinMs: answerWithinMs });
}

/** The one that is open, by the healer's word; else the newest. */
function chooseIncident(incidents: readonly IncidentSummary[], now: Status | { readonly noAnswer: string }, service: string): IncidentSummary | undefined {
  const open = 'noAnswer' in now ? undefined : now.services.find(({ name }) => name === service)?.incident?.id;
  return incidents.find(({ id }) => id === open) ?? incidents.at(-1);
}

function forPrograms({ service, incident, notDone, questions, held, now }: WhyNot): object {
  const inForce = Object.entries(held).flatMap(([what, record]) => (typeof record === 'object' ? [{ what, at: record.ts, text: record.text ?? record.pause?.reason ?? '' }] : []));
  return {
    service,
    incident: incident ?? null,
    not_done: notDone,
    questions,
    log_says: { mode: held.mode ?? null, in_force: inForce },
    healer: 'noAnswer' in now ? null : now,
    no_answer: 'noAnswer' in now ? now.noAnswer : null,
  };
}
