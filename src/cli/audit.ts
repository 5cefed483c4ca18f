/** `goodgateway audit verify`: is the log whole? */
import { Command } from 'commander';
import { verifyAuditFolder, type Verification } from '../healer/audit/verify-audit-folder.ts';
import { auditExportCommand } from './audit-export.ts';
import { readingCommand, openAudit, type AuditSource } from './audit-files.ts';
import { plain, printLine, styled } from './terminal.ts';

/** The sub-command with its own: `verify` ends with 0 when the chain is whole, 1 when not or when there is no log. */
export function auditCommand(): Command {
  const verify = readingCommand('verify')
    .description('check the hash chain over all files')
    .option('--json', 'the result as one JSON object')
    .addHelpText('after', '\nExample: goodgateway audit verify --folder /backup/web1/goodgateway')
    .action((options: AuditSource & { readonly json?: true }) => verifyAudit(options));
  return new Command('audit').description('the audit log itself').addCommand(verify).addCommand(auditExportCommand());
}

async function verifyAudit(options: AuditSource & { readonly json?: true }): Promise<void> {
  const audit = await openAudit(options);
  if (!audit) return;
  const found = await verifyAuditFolder(audit.files);
  if (!found.ok) process.exitCode = 1;
  if (options.json) return printLine(JSON.stringify({ folder: audit.folder, ...found }));
  for (const line of found.firstBad ? describeBad(found, found.firstBad) : describeWhole(found)) await printLine(line);
}

function describeWhole({ records, files, firstSeq = 1, removedBy, head }: Verification): readonly string[] {
  return [
    `${styled('green', 'whole')}: ${count(records, 'record')} in ${count(files, 'file')}`,
    ...(firstSeq > 1
      ? [`begins at record ${firstSeq}; older files were removed${removedBy === undefined ? ', and no record says that goodgateway did it' : ` because of their age, says record ${removedBy}`}`]
      : []),
    ...(head ? [`ends with record ${head.seq} in ${head.file}`, `sha256 of that line: ${head.hash}`] : []),
    'A clean cut at the end cannot be seen by the chain alone: keep number and hash elsewhere.',
  ];
}

function describeBad({ records }: Verification, bad: NonNullable<Verification['firstBad']>): readonly string[] {
  return [`${styled('red', bad.what)}: ${bad.file}, line ${bad.line}`, plain(bad.text), `${count(records, 'record')} before it ${records === 1 ? 'is' : 'are'} whole; what comes after was not judged`];
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
