/**
 * Files → the whole typed configuration, or every mistake in all of them. Nothing is half loaded: a configuration
 * with one mistake is refused as a whole, and whoever reloads keeps what is running.
 */
import { access } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { checkLimits } from './check-limits.ts';
import { checkNames } from './check-names.ts';
import { checkNotifiers } from './check-notifiers.ts';
import { checkReferences } from './check-references.ts';
import { fileLimit, findPolicyFiles } from './find-policy-files.ts';
import { hostSchema, type HostConfig } from './host-schema.ts';
import { needsSafeFiles, loadPolicyFile, type ConfigBindings, type LoadedPolicy, type PolicyFile } from './load-policies.ts';
import { sortProblems, valueAt, type ConfigProblem, type Path } from './problem.ts';
import { readConfigFile, type ConfigFile } from './read-config-file.ts';
import { loadSignatureFiles, type SignatureFiles } from './load-signatures.ts';
import { safetyFileSchema, type SafetyConfig } from './safety-schema.ts';
import type { SignatureEntry } from './signature-schema.ts';
import { validate } from './validate.ts';
import type { PolicyEntry } from './written.ts';
import type { YamlDocument } from './yaml-document.ts';

/** Everything that was configured, checked and with its defaults. */
export interface Configuration {
  readonly host: HostConfig;
  /** `host.safety`, or what the file that it names holds. */
  readonly safety: SafetyConfig;
  /** By the policy's name. */
  readonly policies: ReadonlyMap<string, LoadedPolicy>;
  /** The administrator's own signatures; those that come with goodgateway are not among them. */
  readonly signatures: readonly SignatureEntry[];
  /** Every file that was read, absolute: a change of one is a reason to load again. goodgateway.yaml is the first. */
  readonly files: readonly string[];
  /** Of the bytes of goodgateway.yaml, hexadecimal. */
  readonly sha256: string;
}

export type Loaded = { readonly ok: true; readonly configuration: Configuration } | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/** The documents behind a configuration, right or wrong. */
export interface Written {
  readonly host: YamlDocument;
  readonly policies: readonly PolicyEntry[];
}

/** Loads goodgateway.yaml and all that it names: at most 1000 files of 1 MiB. Never rejects; problems are sorted by place. */
export async function loadConfiguration(file: string, bindings: ConfigBindings): Promise<Loaded> {
  return (await readConfiguration(file, bindings)).loaded;
}

/** The same, with everything as it was written, for whoever looks at more than its mistakes. */
export async function readConfiguration(file: string, bindings: ConfigBindings): Promise<{ readonly loaded: Loaded; readonly written?: Written }> {
  const read = await readConfigFile(resolve(file));
  const document = read.documents[0];
  if (!document) return { loaded: { ok: false, problems: read.problems } };
  const host = validate(hostSchema, document.value);
  const policies = await loadPolicies(document, bindings);
  const safety = await loadSafety(document);
  const signatures = await loadOwnSignatures(document);
  const found = host.ok ? [] : host.findings.map((each) => document.problem(each.path, each.at, each.message));
  const written = { host: document, policies: policies.files.flatMap((each) => each.entries) };
  const references = [...checkReferences({ ...written, complete: policies.complete }), ...checkNames({ ...written, safety: safety.written, complete: policies.complete })];
  const limits = host.ok && typeof host.value.safety !== 'string' ? host.value.safety : safety.limits;
  if (limits) references.push(...checkLimits(written.policies, limits));
  const problems = [
    ...read.problems,
    ...extraDocuments(read),
    ...found,
    ...policies.problems,
    ...safety.problems,
    ...signatures.problems,
    ...references,
    ...(await checkNotifiers(document)),
    ...unsafeHost([read, ...safety.read, ...signatures.read], policies.files),
  ];
  if (!host.ok || !limits || problems.length > 0) return { loaded: { ok: false, problems: sortProblems(problems) }, written };
  const byName = new Map(policies.files.flatMap((each) => each.policies).map((each) => [each.policy.name, each]));
  const files = [read.file, ...policies.files.map((each) => each.file), ...safety.files, ...signatures.read.map((each) => each.file)];
  return { loaded: { ok: true, configuration: { host: host.value, safety: limits, policies: byName, signatures: signatures.entries, files, sha256: read.sha256 } }, written };
}

/** Where the host's configuration is: the file that was named, else /etc/goodgateway, else here. Absolute; it need not exist. */
export async function findConfiguration(explicit?: string): Promise<string> {
  if (explicit !== undefined) return resolve(explicit);
  const usual = '/etc/goodgateway/goodgateway.yaml';
  const here = resolve('goodgateway.yaml');
  for (const candidate of [usual, here]) {
    if (
      await access(candidate).then(
        () => true,
        () => false,
      )
    )
      return candidate;
  }
  return usual;
}

interface Policies {
  readonly files: readonly PolicyFile[];
  readonly problems: readonly ConfigProblem[];
  readonly complete: boolean;
}

async function loadPolicies(host: YamlDocument, bindings: ConfigBindings): Promise<Policies> {
  const found = new Set<string>();
  const problems: ConfigProblem[] = [];
  for (const { path, pattern } of patternsOf(host, 'policies')) {
    const matches = await findPolicyFiles(dirname(host.file), pattern);
    if (matches.length === 0) problems.push(host.problem(path, 'value', `policies: no file matches ${pattern} (looked in ${dirname(host.file)})`));
    for (const match of matches) found.add(match);
    if (found.size > fileLimit) return { files: [], problems: [...problems, host.problem(path, 'value', `policies: expected at most ${fileLimit} files`)], complete: false };
  }
  const files: PolicyFile[] = [];
  for (const file of found) files.push(await loadPolicyFile(file, bindings));
  const complete = problems.length === 0 && files.every((file) => file.entries.length > 0);
  return { files, problems: [...problems, ...files.flatMap((file) => file.problems)], complete };
}

function patternsOf(host: YamlDocument, key: 'policies' | 'signatures'): readonly { readonly path: Path; readonly pattern: string }[] {
  const written = valueAt(host.value, [key]) ?? `${key}.d/*.yaml`;
  if (typeof written === 'string') return [{ path: [key], pattern: written }];
  if (!Array.isArray(written)) return [];
  return written.flatMap((pattern: unknown, i) => (typeof pattern === 'string' ? [{ path: [key, i], pattern }] : []));
}

/** Files that are named must be there; those of the usual folder need not. */
async function loadOwnSignatures(host: YamlDocument): Promise<SignatureFiles> {
  const files = new Set<string>();
  const problems: ConfigProblem[] = [];
  for (const { path, pattern } of patternsOf(host, 'signatures')) {
    const matches = await findPolicyFiles(dirname(host.file), pattern);
    const isNamed = valueAt(host.value, ['signatures']) !== undefined;
    if (matches.length === 0 && isNamed) problems.push(host.problem(path, 'value', `signatures: no file matches ${pattern} (looked in ${dirname(host.file)})`));
    for (const match of matches) files.add(match);
  }
  const loaded = await loadSignatureFiles([...files]);
  return { ...loaded, problems: [...problems, ...loaded.problems] };
}

interface Safety {
  readonly limits?: SafetyConfig;
  /** Where the limits stand as they were written. */
  readonly written?: { readonly document: YamlDocument; readonly path: Path };
  readonly files: readonly string[];
  readonly read: readonly ConfigFile[];
  readonly problems: readonly ConfigProblem[];
}

async function loadSafety(host: YamlDocument): Promise<Safety> {
  const named = valueAt(host.value, ['safety']);
  if (typeof named !== 'string') return { written: { document: host, path: ['safety'] }, files: [], read: [], problems: [] };
  const file = resolve(dirname(host.file), named);
  const read = await readConfigFile(file);
  if (read.sha256 === '') return { files: [], read: [], problems: read.problems.map((each) => host.problem(['safety'], 'value', `safety: ${file}: ${each.message}`)) };
  const { limits, problems } = checkSafety(read);
  const document = read.documents[0];
  return { ...(limits && problems.length === 0 ? { limits } : {}), ...(document ? { written: { document, path: ['safety'] } } : {}), files: [file], read: [read], problems };
}

/** The limits that a safety file holds, and everything that is wrong with it. */
export function checkSafety(read: ConfigFile): { readonly limits?: SafetyConfig; readonly problems: readonly ConfigProblem[] } {
  const document = read.documents[0];
  if (!document) return { problems: read.problems };
  const parsed = validate(safetyFileSchema, document.value);
  const problems = [...read.problems, ...extraDocuments(read)];
  if (parsed.ok) return { limits: parsed.value.safety, problems };
  return { problems: [...problems, ...parsed.findings.map((each) => document.problem(each.path, each.at, each.message))] };
}

function extraDocuments(read: ConfigFile): readonly ConfigProblem[] {
  return read.documents.slice(1).map((document) => document.problem([], 'value', 'expected one document in this file: remove the line `---` and what follows'));
}

/** Who may change goodgateway.yaml may point it at a policy of their own, and who may change the limits may lift them. */
function unsafeHost(files: readonly ConfigFile[], policies: readonly PolicyFile[]): readonly ConfigProblem[] {
  const acting = policies.some((file) => file.entries.some(({ document, path }) => needsSafeFiles(valueAt(document.value, [...path, 'mode']))));
  if (!acting) return [];
  return files.flatMap(({ file, unsafe }) => (unsafe === undefined ? [] : [{ file, line: 1, column: 1, message: `policies of mode act are refused, because ${unsafe}`, path: '' }]));
}
