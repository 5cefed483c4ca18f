/** `goodgateway why`: one incident as a story, with the proof. */
import type { Command } from 'commander';
import { findIncident } from '../healer/audit/find-incident.ts';
import { readingCommand, withAudit, type AuditSource, type OpenAudit } from './audit-files.ts';
import { tellIncident } from './incident-story.ts';
import { complain, plain, printLine } from './terminal.ts';

interface WhyOptions extends AuditSource {
  readonly json?: true;
  readonly all?: true;
  /** false: --no-index. */
  readonly index: boolean;
}

/** The sub-command. Exit status 0; 1 when there is no such incident or no log; 2 when it was called wrongly. */
export function whyCommand(): Command {
  return readingCommand('why')
    .description('one incident: what was seen, what it meant, what was done, whether it helped')
    .argument('<incident>', 'its id, the code of six characters that the page shows, or the id of a request that met it')
    .option('--json', 'its records, one a line')
    .option('--all', 'the gates that passed one by one, too')
    .option('--no-index', 'read the whole log, not what its index says')
    .addHelpText('after', '\nExample: goodgateway why 7K3FQX')
    .action((incident: string, options: WhyOptions) => withAudit(options, (audit) => showIncident(audit, incident, options)));
}

async function showIncident(audit: OpenAudit, wanted: string, options: WhyOptions): Promise<void> {
  const story = await findIncident(audit.files, wanted, { useIndex: options.index });
  if (!story) return complain(`no incident ${plain(wanted)} in ${audit.folder}; "goodgateway log" lists those that there are`, 1);
  if (story.isIndexWrong) process.stderr.write('goodgateway: the index of the log differs from the log; this is what the log says\n');
  if (story.leftOut > 0) process.stderr.write(`goodgateway: the oldest ${story.leftOut} records of this incident are left out\n`);
  for (const line of options.json ? story.records.map((record) => JSON.stringify(record)) : tellIncident(story, { all: options.all === true })) await printLine(line);
}
