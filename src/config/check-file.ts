import { resolve } from 'node:path';
import { checkSafety, loadConfiguration } from './load.ts';
import { loadPolicyFile, type ConfigBindings } from './load-policies.ts';
import { sortProblems, valueAt, type ConfigProblem } from './problem.ts';
import { readConfigFile } from './read-config-file.ts';

/**
 * Checks any file of ours by itself: goodgateway.yaml with all that it names, a policy file, or a safety file. Which
 * one it is, its keys tell. `policies` counts what was understood; a lone policy's notifiers are not looked up.
 */
export async function checkFile(file: string, bindings: ConfigBindings): Promise<{ readonly problems: readonly ConfigProblem[]; readonly policies: number; readonly gateways: number }> {
  const read = await readConfigFile(resolve(file));
  const kind = kindOf(read.documents[0]?.value);
  if (kind === 'policy') {
    const { problems, policies } = await loadPolicyFile(read.file, bindings);
    return { problems: sortProblems(problems), policies: policies.length, gateways: 0 };
  }
  if (kind === 'safety') return { problems: sortProblems(checkSafety(read).problems), policies: 0, gateways: 0 };
  const loaded = await loadConfiguration(read.file, bindings);
  if (!loaded.ok) return { problems: loaded.problems, policies: 0, gateways: 0 };
  const { host, policies } = loaded.configuration;
  return { problems: [], policies: policies.size, gateways: Object.keys(host.gateways).length };
}

function kindOf(value: unknown): 'host' | 'policy' | 'safety' {
  const has = (key: string) => valueAt(value, [key]) !== undefined;
  const list = valueAt(value, ['policies']);
  // A host names its policies by text; a policy file holds them.
  const holdsPolicies = Array.isArray(list) && list.some((item) => typeof item === 'object');
  if (has('gateways')) return 'host';
  if (holdsPolicies || ['name', 'mode', 'rules', 'service'].some(has)) return 'policy';
  return has('safety') && !has('policies') ? 'safety' : 'host';
}
