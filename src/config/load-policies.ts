/** One policy file → checked policies: the documents, or the list, that it holds; each rung's options bound. */
import type { z } from 'zod';
import { actionNames } from '../core/decision.ts';
import { checkPolicy } from './check-policy.ts';
import { checkPrograms } from './check-programs.ts';
import { policyListSchema, policySchema, type PolicyConfig } from './policy-schema.ts';
import { valueAt, type ConfigProblem, type Path } from './problem.ts';
import { readConfigFile } from './read-config-file.ts';
import { validate } from './validate.ts';
import type { PolicyEntry } from './written.ts';
import type { YamlDocument } from './yaml-document.ts';

/** The options that each action of this version takes, by the action's name. */
export interface ConfigBindings {
  readonly actionOptions: Readonly<Record<string, z.ZodType>>;
}

/** A policy that may be obeyed. Each rung's `with` holds the options as its action checked them, defaults filled in. */
export interface LoadedPolicy {
  readonly policy: PolicyConfig;
  readonly file: string;
  /** Of the file's bytes. Policies of one file share it. */
  readonly sha256: string;
}

export interface PolicyFile {
  readonly file: string;
  readonly entries: readonly PolicyEntry[];
  readonly policies: readonly LoadedPolicy[];
  readonly problems: readonly ConfigProblem[];
}

/** Reads and checks one policy file. A file with any mistake still lists its `entries`, so that others may refer to them. */
export async function loadPolicyFile(file: string, bindings: ConfigBindings): Promise<PolicyFile> {
  const read = await readConfigFile(file);
  const policies: LoadedPolicy[] = [];
  const problems = [...read.problems];
  const entries: PolicyEntry[] = [];
  for (const document of read.documents) {
    const checked = checkDocument(document, bindings);
    const own = entriesOf(document);
    entries.push(...own);
    problems.push(...checked.problems, ...own.flatMap(checkPolicy), ...own.flatMap((entry) => unsafeFile(entry, read.unsafe)));
    for (const entry of own) if (needsSafeFiles(valueAt(document.value, [...entry.path, 'mode']))) problems.push(...(await checkPrograms(entry)));
    policies.push(...checked.policies.map((policy) => ({ policy, file, sha256: read.sha256 })));
  }
  return { file, entries, policies, problems };
}

/** Must its files be safe? A healer with rights must not obey a file that others may change (a lesson of every cron and sudo). */
export function needsSafeFiles(mode: unknown): boolean {
  return (mode === 'act' || mode === 'approve') && process.getuid?.() === 0;
}

function unsafeFile({ document, path }: PolicyEntry, why: string | undefined): readonly ConfigProblem[] {
  const at = [...path, 'mode'];
  if (why === undefined || !needsSafeFiles(valueAt(document.value, at))) return [];
  return [document.problem(at, 'value', `mode ${String(valueAt(document.value, at))} is refused, because ${why}`)];
}

function isList(document: YamlDocument): boolean {
  return valueAt(document.value, ['policies']) !== undefined;
}

function entriesOf(document: YamlDocument): readonly PolicyEntry[] {
  if (!isList(document)) return [{ document, path: [] }];
  const list = valueAt(document.value, ['policies']);
  return Array.isArray(list) ? list.map((_, i) => ({ document, path: ['policies', i] })) : [];
}

function checkDocument(document: YamlDocument, bindings: ConfigBindings): { readonly policies: readonly PolicyConfig[]; readonly problems: readonly ConfigProblem[] } {
  const parsed = isList(document) ? validate(policyListSchema, document.value) : validate(policySchema, document.value);
  const bound = entriesOf(document).map((entry) => bindOptions(entry, bindings));
  const problems = bound.flatMap((each) => each.problems);
  if (!parsed.ok) return { policies: [], problems: [...parsed.findings.map((found) => document.problem(found.path, found.at, found.message)), ...problems] };
  const written = 'policies' in parsed.value ? parsed.value.policies : [parsed.value];
  return { policies: problems.length > 0 ? [] : written.map((policy, i) => withOptions(policy, bound[i]?.options ?? [])), problems };
}

type RungOptions = readonly (readonly Readonly<Record<string, unknown>>[])[];

/** Reads the rungs as they were written, so that mistakes elsewhere in the policy do not hide those in the options. */
function bindOptions({ document, path }: PolicyEntry, bindings: ConfigBindings): { readonly options: RungOptions; readonly problems: readonly ConfigProblem[] } {
  const rules = [...path, 'rules'];
  const bound = listAt(document, rules).map((_, rule) => {
    const rungs = [...rules, rule, 'try'];
    return listAt(document, rungs).map((_, rung) => bindRung(document, [...rungs, rung], bindings));
  });
  return { options: bound.map((rungs) => rungs.map((rung) => rung.options)), problems: bound.flat().flatMap((rung) => rung.problems) };
}

function bindRung(document: YamlDocument, path: Path, bindings: ConfigBindings): { readonly options: Readonly<Record<string, unknown>>; readonly problems: readonly ConfigProblem[] } {
  const action = actionNames.find((name) => name === valueAt(document.value, [...path, 'do']));
  // No action at all: the policy's own schema says so.
  if (action === undefined) return { options: {}, problems: [] };
  const schema = bindings.actionOptions[action];
  if (!schema) return { options: {}, problems: [document.problem([...path, 'do'], 'value', `not yet: the action ${action} is not built in this version`)] };
  const parsed = validate(schema, valueAt(document.value, [...path, 'with']) ?? {});
  if (parsed.ok) return { options: parsed.value as Readonly<Record<string, unknown>>, problems: [] };
  return { options: {}, problems: parsed.findings.map((found) => document.problem([...path, 'with', ...found.path], found.at, found.message)) };
}

function listAt(document: YamlDocument, path: Path): readonly unknown[] {
  const list = valueAt(document.value, path);
  return Array.isArray(list) ? list : [];
}

function withOptions(policy: PolicyConfig, options: RungOptions): PolicyConfig {
  return { ...policy, rules: policy.rules.map((rule, i) => ({ ...rule, try: rule.try.map((rung, j) => ({ ...rung, with: options[i]?.[j] ?? {} })) })) };
}
