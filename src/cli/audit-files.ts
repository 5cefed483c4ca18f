/** Which audit log a command reads, and what it says when there is none. */
import { Command } from 'commander';
import { resolve } from 'node:path';
import { findConfiguration } from '../config/load.ts';
import { hostSchema } from '../config/host-schema.ts';
import { formatProblem, valueAt } from '../config/problem.ts';
import { readConfigFile } from '../config/read-config-file.ts';
import { validate } from '../config/validate.ts';
import type { AuditFile } from '../healer/audit/files.ts';
import { findAuditFiles } from '../healer/audit/query.ts';
import { complain } from './terminal.ts';

export interface AuditSource {
  readonly config?: string;
  readonly folder?: string;
}

/** A command that reads the audit log: `--config`, `--folder`. */
export function readingCommand(name: string): Command {
  return new Command(name).option('--config <file>', 'goodgateway.yaml, which says where the log is').option('--folder <folder>', 'read the log in this folder, such as a copy from another machine');
}

/** The log's files; otherwise says why not on standard error, sets the exit status and returns `undefined`. */
export async function openAudit(source: AuditSource): Promise<{ readonly folder: string; readonly files: readonly AuditFile[] } | undefined> {
  const chosen = await chooseFolder(source);
  if ('problem' in chosen) return complain(chosen.problem, 2);
  const found = await findAuditFiles(chosen.folder);
  return found.kind === 'found' ? { folder: chosen.folder, files: found.files.map(withComplaint) } : complain(found.detail, 1);
}

/** One damaged file must not hide all the others. */
export function withComplaint(file: AuditFile): AuditFile {
  let isTold = false;
  const onDamaged = (problem: string): void => {
    if (!isTold) complain(`${file.name} is damaged (${problem}): what stands behind the damage is left out; "goodgateway audit verify" says where it is`, 1);
    isTold = true;
  };
  return { ...file, onDamaged };
}

/**
 * Only `audit:` of the configuration is read: a mistake in a policy must not keep anybody from reading the log,
 * least of all on the day on which it matters.
 */
async function chooseFolder({ config, folder }: AuditSource): Promise<{ readonly folder: string } | { readonly problem: string }> {
  if (folder !== undefined) return { folder: resolve(folder) };
  const read = await readConfigFile(await findConfiguration(config));
  const document = read.documents[0];
  const usual = hostSchema.shape.audit.parse(undefined).folder;
  // Nobody named a file and there is none: the log of a default installation may still be there.
  if (!document && config === undefined) return { folder: usual };
  if (!document) return { problem: read.problems.map(formatProblem).join('\n') };
  const audit = validate(hostSchema.shape.audit, valueAt(document.value, ['audit']));
  if (audit.ok) return { folder: audit.value.folder };
  return { problem: `${read.file}: audit: ${audit.findings.map((each) => each.message).join('; ')}; or name the folder with --folder` };
}
