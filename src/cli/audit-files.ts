/** Which audit log a command reads, and what it says when there is none. */
import { Command } from 'commander';
import { resolve } from 'node:path';
import { findConfiguration } from '../config/load.ts';
import { hostSchema } from '../config/host-schema.ts';
import { formatProblem, valueAt } from '../config/problem.ts';
import { productVersion } from '../config/product-version.ts';
import { readConfigFile } from '../config/read-config-file.ts';
import { validate } from '../config/validate.ts';
import type { AuditFile, StrangeRecord } from '../healer/audit/files.ts';
import { findAuditFiles } from '../healer/audit/query.ts';
import { complain, plain } from './terminal.ts';

export interface AuditSource {
  readonly config?: string;
  readonly folder?: string;
}

/** A command that reads the audit log: `--config`, `--folder`. */
export function readingCommand(name: string): Command {
  return new Command(name).option('--config <file>', 'goodgateway.yaml, which says where the log is').option('--folder <folder>', 'read the log in this folder, such as a copy from another machine');
}

export interface OpenAudit {
  readonly folder: string;
  readonly files: readonly AuditFile[];
}

/** The log's files; otherwise says why not on standard error, sets the exit status and returns `undefined`. */
export async function openAudit(source: AuditSource): Promise<OpenAudit | undefined> {
  const chosen = await chooseFolder(source);
  if ('problem' in chosen) return complain(chosen.problem, 2);
  const found = await findAuditFiles(chosen.folder);
  return found.kind === 'found' ? { folder: chosen.folder, files: found.files } : complain(found.detail, 1);
}

/** Answers from the log, and says on standard error what of it could not be read or understood; says why not where there is none. */
export async function withAudit(source: AuditSource, answer: (audit: OpenAudit, gaps: Gaps) => Promise<unknown>): Promise<void> {
  const audit = await openAudit(source);
  if (!audit) return;
  const gaps = new Gaps();
  await answer({ ...audit, files: audit.files.map(gaps.in) }, gaps);
  gaps.tell();
}

/** More are only said to be more: a newer version may have written for months. */
const mostStrange = 10_000;

/** What of the log an answer cannot say. */
export class Gaps {
  /** What is read twice counts once. */
  readonly #strange = new Set<number>();
  #first: (StrangeRecord & { readonly file: string }) | undefined;

  /** The file, with its gaps noted. One that is damaged is named at once: it must not hide all the others. */
  readonly in = (file: AuditFile): AuditFile => {
    let isTold = false;
    return {
      ...file,
      onDamaged: (problem) => {
        if (!isTold) complain(`${file.name} is damaged (${problem}): what stands behind the damage is left out; "goodgateway audit verify" says where it is`, 1);
        isTold = true;
      },
      onStrange: (record) => {
        if (!this.#first || record.seq < this.#first.seq) this.#first = { ...record, file: file.name };
        if (this.#strange.size < mostStrange) this.#strange.add(record.seq);
      },
    };
  };

  /** How many records of a later version there were, as far as they were counted. */
  get strange(): number {
    return this.#strange.size;
  }

  /** Once everything was read. */
  tell(): void {
    const first = this.#first;
    if (!first) return;
    const [many, are] = this.strange === 1 ? ['1 record', 'is'] : [`${this.strange < mostStrange ? '' : 'at least '}${this.strange} records`, 'are'];
    const writer = first.agent === undefined ? '' : `, written by ${plain(first.agent)}`;
    complain(
      `${many} ${are} left out, because this version (${productVersion()}) does not understand ${this.strange === 1 ? 'it' : 'them'}: the first is record ${first.seq} in ${first.file}${writer}. Ask with the goodgateway that wrote ${this.strange === 1 ? 'it' : 'them'}, or a newer one`,
      1,
    );
  }
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
