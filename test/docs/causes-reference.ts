/** What docs/causes.md says of each cause by itself: what the ready policies do about it, and what nobody's policy can. */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { loadPolicyFile } from '../../src/config/load-policies.ts';
import type { PolicyConfig, RuleConfig, RungConfig } from '../../src/config/policy-schema.ts';
import { actionNames } from '../../src/core/decision.ts';
import type { CauseName } from '../../src/core/diagnosis.ts';
import { formatDuration } from '../../src/core/time.ts';
import { whatHarms, whyHarmful } from '../../src/core/harmful-remedies.ts';
import { actionOptions } from '../../src/healer/action-options.ts';

/** A ready policy by the name of its file. */
export interface ReadyPolicy {
  readonly name: string;
  readonly policy: PolicyConfig;
}

const folder = join(import.meta.dirname, '../../policies');

/** All ready policies for servers; the demonstration's is none. */
export async function readyPolicies(): Promise<readonly ReadyPolicy[]> {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml') && name !== 'demo.yaml');
  const loaded = await Promise.all(files.toSorted().map((file) => loadPolicyFile(join(folder, file), { actionOptions })));
  return loaded.map(({ policies: [one] }, i) => ({ name: basename(files[i]!, '.yaml'), policy: one!.policy }));
}

/** The text between the markers of one cause. */
export function causeEntry(cause: CauseName, ready: readonly ReadyPolicy[]): string {
  return `**It does.**\n\n${whatItDoes(cause, ready).join('\n')}\n\n**It never does.** ${whatItNeverDoes(cause, ready)}\n`;
}

/** Policies whose rules try the same are one line. */
function whatItDoes(cause: CauseName, ready: readonly ReadyPolicy[]): readonly string[] {
  const byWords = new Map<string, string[]>();
  for (const { name, policy } of ready) {
    const words = policy.rules.filter(({ when }) => when.cause.includes(cause)).map((rule) => inWords(cause, rule));
    const said = words.length === 0 ? 'no rule: somebody is told' : words.join('; ');
    byWords.set(said, [...(byWords.get(said) ?? []), `\`${name}\``]);
  }
  return [...byWords].map(([said, names]) => `- ${names.join(', ')}: ${said}`);
}

function inWords(cause: CauseName, { when, try: rungs }: RuleConfig): string {
  const steps = rungs.map(stepInWords).join(', then ');
  if (cause === 'unknown') return steps;
  const sure = { certain: 'when certain', likely: 'when at least likely', possible: 'even when only possible' }[when.confidence];
  return `${sure}${when.lasting > 0 ? `, and after ${formatDuration(when.lasting)} of it` : ''}: ${steps}`;
}

function stepInWords(rung: RungConfig): string {
  const times = rung.attempts > 1 ? `up to ${rung.attempts} times` : '';
  const approval = rung.approval === undefined ? '' : "after a person's yes";
  const details = [times, approval].filter(Boolean).join(', ');
  return `\`${rung.do}\`${details === '' ? '' : ` (${details})`}`;
}

function whatItNeverDoes(cause: CauseName, ready: readonly ReadyPolicy[]): string {
  const refused = actionNames.filter((action) => whyHarmful(cause, action, false) !== undefined);
  const unlessAsked = refused.filter((action) => whyHarmful(cause, action, true) === undefined);
  const besides = actionNames.filter((action) => !refused.includes(action) && ready.every(({ policy }) => isForbidden(cause, action, policy)));
  const sentences = [
    whatHarms(cause) ?? 'Nothing is forbidden by the cause itself: the gates decide.',
    refused.length > 0 ? `Refused, whatever a policy says: ${list(refused)}${unlessAsked.length > 0 ? ` (${list(unlessAsked)} only after a person's yes)` : ''}.` : '',
    besides.length > 0 ? `Every ready policy forbids besides: ${list(besides)}.` : '',
  ];
  return sentences.filter(Boolean).join(' ');
}

function isForbidden(cause: CauseName, action: RungConfig['do'], { never, rules }: PolicyConfig): boolean {
  const own = rules.filter(({ when }) => when.cause.includes(cause));
  return never.includes(action) || (own.length > 0 && own.every((rule) => rule.never.includes(action)));
}

function list(actions: readonly string[]): string {
  return actions.map((action) => `\`${action}\``).join(', ');
}
