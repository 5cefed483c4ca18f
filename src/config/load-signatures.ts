/** Signature files → checked entries: those that come with goodgateway, and an administrator's own beside or instead of them. */
import { join } from 'node:path';
import { fileLimit, findPolicyFiles } from './find-policy-files.ts';
import type { ConfigProblem } from './problem.ts';
import { readConfigFile, type ConfigFile } from './read-config-file.ts';
import { signatureFileSchema, type SignatureEntry } from './signature-schema.ts';
import { validate } from './validate.ts';

export interface SignatureFiles {
  readonly entries: readonly SignatureEntry[];
  readonly read: readonly ConfigFile[];
  readonly problems: readonly ConfigProblem[];
}

const shippedFolder = join(import.meta.dirname, '../../policies/signatures');
let shipped: Promise<readonly SignatureEntry[]> | undefined;

/** What comes with goodgateway, read once. Rejects where the installation is broken. */
export function shippedSignatures(): Promise<readonly SignatureEntry[]> {
  return (shipped ??= loadShipped());
}

async function loadShipped(): Promise<readonly SignatureEntry[]> {
  const { entries, problems } = await loadSignatureFiles(await findPolicyFiles(shippedFolder, '*.yaml'));
  const [problem] = problems;
  if (problem || entries.length === 0) throw new Error(`${shippedFolder}: ${problem ? `${problem.file}:${problem.line}: ${problem.message}` : 'there are no signatures'}`);
  return entries;
}

/** Reads and checks signature files; a name may be there once. At most 1000 files of 1 MiB. Never rejects. */
export async function loadSignatureFiles(files: readonly string[]): Promise<SignatureFiles> {
  const read: ConfigFile[] = [];
  const problems: ConfigProblem[] = [];
  const entries = new Map<string, SignatureEntry>();
  for (const file of files.slice(0, fileLimit)) {
    const one = await readConfigFile(file);
    read.push(one);
    problems.push(...one.problems);
    for (const document of one.documents) {
      const parsed = validate(signatureFileSchema, document.value);
      if (!parsed.ok) problems.push(...parsed.findings.map((found) => document.problem(found.path, found.at, found.message)));
      else
        for (const [i, entry] of parsed.value.signatures.entries()) {
          if (entries.has(entry.id)) problems.push(document.problem(['signatures', i, 'id'], 'value', `there are two signatures ${entry.id}`));
          entries.set(entry.id, entry);
        }
    }
  }
  return { entries: [...entries.values()], read, problems };
}

/** The shipped entries with an administrator's own: an own one takes the place of the shipped one of its name. */
export function withOwn(base: readonly SignatureEntry[], own: readonly SignatureEntry[]): readonly SignatureEntry[] {
  const names = new Set(own.map(({ id }) => id));
  return [...own, ...base.filter(({ id }) => !names.has(id))];
}
