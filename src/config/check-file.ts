import { resolve } from 'node:path';
import { checkHost } from './check-host.ts';
import { checkNames } from './check-names.ts';
import { checkSafety, readConfiguration } from './load.ts';
import { loadPolicyFile, type ConfigBindings } from './load-policies.ts';
import { loadSignatureFiles } from './load-signatures.ts';
import { sortProblems, valueAt, type ConfigProblem } from './problem.ts';
import { readConfigFile } from './read-config-file.ts';

/** What was found in one file and all that it names. */
export interface CheckedFile {
  readonly problems: readonly ConfigProblem[];
  /** What the files name and this host does not have; nothing that is refused at load. */
  readonly warnings: readonly ConfigProblem[];
  /** Policies and gateways that were understood. */
  readonly policies: number;
  readonly gateways: number;
}

/**
 * Checks any file of ours by itself: goodgateway.yaml with all that it names, a policy file, a signature file, or a safety file. Which
 * one it is, its keys tell. A lone policy's notifiers are not looked up.
 */
export async function checkFile(file: string, bindings: ConfigBindings): Promise<CheckedFile> {
  const read = await readConfigFile(resolve(file));
  const kind = kindOf(read.documents[0]?.value);
  if (kind === 'policy') {
    const { problems, policies, entries } = await loadPolicyFile(read.file, bindings);
    const warnings = await checkHost({ host: undefined, policies: entries });
    const names = checkNames({ policies: entries, safety: undefined, complete: false });
    return { problems: sortProblems([...problems, ...names]), warnings: sortProblems(warnings), policies: policies.length, gateways: 0 };
  }
  if (kind === 'signatures') return { problems: sortProblems((await loadSignatureFiles([read.file])).problems), warnings: [], policies: 0, gateways: 0 };
  if (kind === 'safety') return { problems: sortProblems(checkSafety(read).problems), warnings: [], policies: 0, gateways: 0 };
  const { loaded, written } = await readConfiguration(read.file, bindings);
  const warnings = written ? sortProblems(await checkHost(written)) : [];
  if (!loaded.ok) return { problems: loaded.problems, warnings, policies: 0, gateways: 0 };
  const { host, policies } = loaded.configuration;
  return { problems: [], warnings, policies: policies.size, gateways: Object.keys(host.gateways).length };
}

function kindOf(value: unknown): 'host' | 'policy' | 'safety' | 'signatures' {
  const has = (key: string) => valueAt(value, [key]) !== undefined;
  const list = valueAt(value, ['policies']);
  // A host names its policies by text; a policy file holds them.
  const holdsPolicies = Array.isArray(list) && list.some((item) => typeof item === 'object');
  if (has('gateways')) return 'host';
  if (holdsPolicies || ['name', 'mode', 'rules', 'service'].some(has)) return 'policy';
  if (has('signatures')) return 'signatures';
  return has('safety') && !has('policies') ? 'safety' : 'host';
}
