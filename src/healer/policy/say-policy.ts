/** A policy read aloud: one sentence a rule, in the order in which they are tried. For people; the YAML is what counts. */
import type { ActionName } from '../../core/decision.ts';
import type { PolicyConfig, RuleConfig, RungConfig } from '../../config/policy-schema.ts';
import { toAct } from '../../core/story-words.ts';
import { formatDuration } from '../../core/time.ts';

/** At most some dozen sentences, without markup. */
export function sayPolicy(policy: PolicyConfig): readonly string[] {
  const { mode, rules, limits, verify, never, depends_on: needs } = policy;
  const { max_attempts: most, cooldown } = limits;
  return [
    modes[mode],
    ...rules.map((rule) => sayRule(rule, mode)),
    'No rule fits: tell a person.',
    ...(never.length > 0 ? [`Whatever the cause: never ${list(never.map(spoken), 'or')}.`] : []),
    ...(needs.length > 0 ? [`It needs ${list(needs, 'and')}: while one of them has an open incident, this service is not disturbed.`] : []),
    `At most ${count(most.times, 'attempt')} in ${formatDuration(most.within)}, and ${formatDuration(cooldown)} of quiet between incidents.`,
    `It counts as well when ${verify.checks.length === 1 ? 'its check passes' : `all ${verify.checks.length} checks pass`} within ${formatDuration(verify.within)}, and for ${formatDuration(verify.stable_for)}.`,
    policy.give_up.retry_after === 'never'
      ? 'When nothing helped: tell a person, and stop.'
      : `When nothing helped: tell a person, and try once more after ${formatDuration(policy.give_up.retry_after)}.`,
  ];
}

const modes: Readonly<Record<PolicyConfig['mode'], string>> = {
  observe: 'It only watches: what it would do is written down, and nothing is done.',
  approve: 'It asks a person before each step that touches the service.',
  act: 'It acts by itself.',
};

function sayRule({ name, when, never, try: rungs, notify }: RuleConfig, mode: PolicyConfig['mode']): string {
  const causes = [when.cause].flat();
  const sure = causes.every((cause) => cause === 'unknown') || when.confidence === 'possible' ? '' : when.confidence === 'likely' ? ', at least likely' : ', and certain';
  const lasting = when.lasting > 0 ? `, for ${formatDuration(when.lasting)}` : '';
  const steps = rungs.map((rung) => sayStep(rung, mode)).join('; then ');
  const forbidden = never.length > 0 ? ` Never ${list(never.map(spoken), 'or')}.` : '';
  const told = notify && notify.length > 0 ? ` ${list(notify, 'and')} ${notify.length === 1 ? 'is' : 'are'} told.` : '';
  return `${name}: when the cause is ${list(causes, 'or')}${sure}${lasting}, ${steps}.${forbidden}${told}`;
}

function sayStep({ do: action, with: options = {}, attempts, first, approval }: RungConfig, mode: PolicyConfig['mode']): string {
  const given = Object.entries(options).map(([key, value]) => `${key.replaceAll('_', ' ')} ${sayValue(value)}`);
  const asks = approval !== undefined && mode !== 'approve' ? `ask ${approval.from ? list(approval.from, 'or') : 'a person'}, then ` : '';
  const after = first.length > 0 ? ` after ${list(first.map(spoken), 'and')}` : '';
  return `${asks}${doing[action] ?? toAct(action)}${given.length > 0 ? ` (${given.join(', ')})` : ''}${after}${attempts > 1 ? `, up to ${attempts} times` : ''}`;
}

const longestValue = 80;

/** Options of an action are checked by the action; here they are only shown, and short. Its numbers are shares, up to 1, and milliseconds. */
function sayValue(value: unknown): string {
  if (typeof value === 'number') return value <= 1 ? `${Math.round(value * 100)}%` : formatDuration(value);
  const text = typeof value === 'string' || typeof value === 'boolean' ? String(value) : (JSON.stringify(value) ?? '');
  return text.length > longestValue ? `${text.slice(0, longestValue - 1)}…` : text;
}

const doing: Readonly<Partial<Record<ActionName, string>>> = { page: 'tell a person', wait_for: 'wait for another service' };
const words: Readonly<Record<string, string>> = { page: 'tell a person', config_test: 'a test of its configuration', disk_free: 'a look at the disk', memory_free: 'a look at the memory' };

function spoken(name: string): string {
  return words[name] ?? name.replaceAll('_', ' ');
}

function list(names: readonly string[], last: 'and' | 'or'): string {
  return names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} ${last} ${names.at(-1)}`;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
