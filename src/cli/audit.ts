/** `goodgateway audit verify`: is the log whole? */
import { Command, InvalidArgumentError } from 'commander';
import { stat } from 'node:fs/promises';
import { findCheckpoints, parseCheckpoint, type Checkpoint } from '../healer/audit/checkpoint.ts';
import { verifyAuditFolder, type Verification } from '../healer/audit/verify-audit-folder.ts';
import { runCommand } from '../healer/run-command.ts';
import { auditExportCommand } from './audit-export.ts';
import { readingCommand, openAudit, type AuditSource } from './audit-files.ts';
import { complain, plain, printLine, styled } from './terminal.ts';

interface VerifyOptions extends AuditSource {
  readonly json?: true;
  readonly checkpoint?: readonly Checkpoint[];
  readonly journal?: true;
}

/** The sub-command with its own: `verify` ends with 0 when the log is whole, 1 when not or when there is none. */
export function auditCommand(): Command {
  const verify = readingCommand('verify')
    .description('check the hash chain over all files')
    .option('--checkpoint <seq:hash>', 'hold it against a number and hash that were noted elsewhere, such as in a message; may be given several times', addCheckpoint)
    .option('--journal', 'hold it against all that the journal of this machine has noted')
    .option('--json', 'the result as one JSON object')
    .addHelpText('after', '\nExamples:\n  goodgateway audit verify --journal\n  goodgateway audit verify --folder /backup/web1/goodgateway --checkpoint 4711:9f2c61d0a3b4')
    .action((options: VerifyOptions) => verifyAudit(options));
  return new Command('audit').description('the audit log itself').addCommand(verify).addCommand(auditExportCommand());
}

function addCheckpoint(text: string, before: readonly Checkpoint[] = []): readonly Checkpoint[] {
  const checkpoint = parseCheckpoint(text);
  if (!checkpoint) throw new InvalidArgumentError('Expected the number of a record and at least 8 digits of its hash, such as 4711:9f2c61d0a3b4.');
  return [...before, checkpoint];
}

async function verifyAudit({ json, checkpoint = [], journal, ...source }: VerifyOptions): Promise<void> {
  const audit = await openAudit(source);
  if (!audit) return;
  const noted = journal ? await readJournal(audit.folder) : [];
  if (!noted) return;
  const found = await verifyAuditFolder(audit.files, [...checkpoint, ...noted]);
  if (!found.ok) process.exitCode = 1;
  if (json) return printLine(JSON.stringify({ folder: audit.folder, ...found }));
  for (const line of found.firstBad ? describeBad(found, found.firstBad) : describeWhole(found)) await printLine(line);
}

const journalctl = '/usr/bin/journalctl';
/** Some thousand checkpoints; of more the newest. */
const mostJournalBytes = 1_048_576;

/** Only what the owner of the log wrote counts: everybody may write to the journal under any name, but not as somebody else. */
async function readJournal(folder: string): Promise<readonly Checkpoint[] | undefined> {
  const { uid } = await stat(folder);
  const read = await runCommand.run([journalctl, '--quiet', '--no-pager', '--output=cat', '--identifier=goodgateway', `_UID=${uid}`], { timeoutMs: 60_000, outputBytes: mostJournalBytes });
  if (read.exitCode !== 0) return complain(`the journal cannot be read: ${read.startError ?? plain(read.output)}`, 1);
  const noted = findCheckpoints(read.output, folder);
  return noted.length > 0 ? noted : complain(`the journal holds no checkpoint of the log in ${folder}`, 1);
}

function describeWhole({ records, files, firstSeq = 1, removedBy, head, lastCheckpoint, outside }: Verification): readonly string[] {
  return [
    `${styled('green', 'whole')}: ${count(records, 'record')} in ${count(files, 'file')}`,
    ...(firstSeq > 1
      ? [
          `begins at record ${firstSeq}; older files were removed${removedBy === undefined ? ', and no record says that goodgateway did it' : ` because they were too old or too much, says record ${removedBy}`}`,
        ]
      : []),
    ...(head ? [`ends with record ${head.seq} in ${head.file}`, `sha256 of that line: ${head.hash}`] : []),
    ...(lastCheckpoint ? [`last told outside: record ${lastCheckpoint.seq}, says record ${lastCheckpoint.record}`] : []),
    ...(outside.gone > 0 ? [`${count(outside.gone, 'checkpoint')} from outside: of files that were removed, not judged`] : []),
    outside.fit > 0
      ? `${count(outside.fit, 'checkpoint')} from outside ${outside.fit === 1 ? 'fits' : 'fit'}: up to there nothing was cut off or written anew.`
      : 'A clean cut at the end cannot be seen by the chain alone: see --checkpoint and --journal.',
  ];
}

function describeBad({ records }: Verification, bad: NonNullable<Verification['firstBad']>): readonly string[] {
  const place = `${styled('red', bad.what)}: ${bad.file}, line ${bad.line}`;
  return [place, plain(bad.text), `${count(records, 'record')} before it ${records === 1 ? 'is' : 'are'} whole; what comes after was not judged`];
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
