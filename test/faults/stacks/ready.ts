/** The policies that ship, with a lab's patience: what takes minutes on a server takes seconds. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { readyPolicy } from '../../e2e/site.ts';

interface Rules {
  readonly rules: readonly { readonly name: string; readonly when: { readonly lasting?: string } }[];
}

/** Times that a lab need not wait for, in the form of {@link readyPolicy}. */
const soon = {
  mode: 'act',
  hung_after: '2s',
  'limits.cooldown': '0s',
  'limits.max_attempts': { times: 18, within: '1h' },
  'verify.within': '10s',
  'verify.stable_for': '1s',
};

/** Every rule that waits for its cause to last waits for a second. */
export function rulesSoon(file: string): Readonly<Record<string, string>> {
  const { rules } = parse(readFileSync(join(import.meta.dirname, '../../../policies', file), 'utf8')) as Rules;
  return Object.fromEntries(rules.flatMap(({ when }, index) => (when.lasting === undefined ? [] : [[`rules.${index}.when.lasting`, '1s']])));
}

/** `values` by their places, beside the impatience. */
export function labPolicy(file: string, values: Readonly<Record<string, unknown>>): string {
  return readyPolicy(file, { ...soon, ...rulesSoon(file), ...values });
}

/**
 * The gates are those of a fresh installation, so that changes of others still count; but what is broken here, on purpose
 * and one after the other, is not one cause, and the host's budget is not the question.
 */
export const labSafety = {
  host_budget: { starts: 1000, disruptive_actions: 1000 },
  breaker: { open_when: { failed_actions: 100, within: '1s' } },
  shared_cause: { at_least: 100 },
};
