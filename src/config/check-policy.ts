/**
 * What a single value of a policy cannot tell: rules that contradict each other, that are never reached, or that ask
 * for what this kind of service cannot do. Reads the policy as it was written, so that a mistake in one place does not
 * hide those in another; what is no policy at all is passed over, because the schema says so.
 */
import { confidences } from '../core/diagnosis.ts';
import { checkCommands } from './check-commands.ts';
import { checkRemedies } from './check-remedies.ts';
import { checkStepOptions } from './check-step-options.ts';
import { valueAt, type ConfigProblem, type Path } from './problem.ts';
import { itemPaths, textsAt, type PolicyEntry } from './written.ts';
import type { YamlDocument } from './yaml-document.ts';

/** Actions that need a service that can be controlled. */
const controls: readonly unknown[] = ['start', 'stop', 'reload', 'restart', 'terminate_orphans', 'terminate_stuck_workers', 'reset_failed_and_start'];
/** What the Engine cannot do, or does with the whole container. */
const notInDocker: readonly unknown[] = ['reload', 'terminate_orphans', 'terminate_stuck_workers'];

/** Every contradiction inside one policy. */
export function checkPolicy(entry: PolicyEntry): readonly ConfigProblem[] {
  const { document, path } = entry;
  const rules = itemPaths(document, [...path, 'rules']);
  const policy: Written = { document, path, rules };
  const contradictions = [...sameNames(policy), ...neverReached(policy), ...rules.flatMap((rule) => steps(policy, rule)), ...managerChecks(policy)];
  return [...contradictions, ...checkRemedies(entry), ...checkCommands(entry)];
}

interface Written {
  readonly document: YamlDocument;
  readonly path: Path;
  readonly rules: readonly Path[];
}

/** The audit log, the ladder and the page know a rule by its name. */
function sameNames({ document, rules }: Written): readonly ConfigProblem[] {
  const seen = new Set<unknown>();
  return rules.flatMap((rule) => {
    const name = valueAt(document.value, [...rule, 'name']);
    const again = typeof name === 'string' && seen.has(name);
    seen.add(name);
    return again ? [document.problem([...rule, 'name'], 'value', `name: this policy has a rule "${name}" already; a rule is known by its name`)] : [];
  });
}

/** A rule whose every cause an earlier one takes, at the same confidence or less: also while that one waits (`lasting`). */
function neverReached({ document, rules }: Written): readonly ConfigProblem[] {
  const taken = new Map<string, { readonly level: number; readonly by: unknown }>();
  return rules.flatMap((rule) => {
    const causes = textsAt(document, [...rule, 'when', 'cause']);
    const level = confidences.findIndex((one) => one === (valueAt(document.value, [...rule, 'when', 'confidence']) ?? 'likely'));
    const by = valueAt(document.value, [...rule, 'name']);
    const before = causes.map((cause) => taken.get(cause)).filter((one, i) => one !== undefined && (one.level <= level || causes[i] === 'unknown'));
    for (const cause of causes) if (level >= 0 && !((taken.get(cause)?.level ?? Infinity) <= level)) taken.set(cause, { level, by });
    if (level < 0 || causes.length === 0 || before.length < causes.length) return [];
    return [
      document.problem(
        [...rule, 'when'],
        'key',
        `when: never reached, because the rule "${String(before[0]?.by)}" above takes this cause already, as sure as this or less; put the surer rule first, or remove this one`,
      ),
    ];
  });
}

function steps(policy: Written, rule: Path): readonly ConfigProblem[] {
  const { document, path } = policy;
  const byPolicy = textsAt(document, [...path, 'never']);
  const byRule = textsAt(document, [...rule, 'never']);
  return itemPaths(document, [...rule, 'try']).flatMap((rung) => {
    const at = [...rung, 'do'];
    const action = valueAt(document.value, at);
    if (typeof action !== 'string') return [];
    const why = byRule.includes(action) ? `\`never\` of this rule forbids ${action}` : byPolicy.includes(action) ? `\`never\` of the policy forbids ${action}` : cannotDo(policy, rule, action);
    const undo = wrongUndo(action, valueAt(document.value, [...rung, 'undo']));
    return [
      ...(why === undefined ? [] : [document.problem(at, 'value', `do: ${why}`)]),
      ...(undo === undefined ? [] : [document.problem([...rung, 'undo'], 'value', `undo: ${undo}`)]),
      ...checkStepOptions({ document, path }, rung),
    ];
  });
}

function wrongUndo(action: string, undo: unknown): string | undefined {
  if (action === 'shed_load') return undo === 'never' ? 'shed_load ends with its incident in any case, or visitors would be turned away for ever; remove it' : undefined;
  return undo === 'automatic' && action !== 'switch_upstream' ? `${action} cannot be taken back, only shed_load and switch_upstream can; remove it` : undefined;
}

function cannotDo({ document, path }: Written, rule: Path, action: string): string | undefined {
  const type = valueAt(document.value, [...path, 'service', 'type']);
  if (type === 'process' && action === 'reload' && valueAt(document.value, [...path, 'service', 'reload']) === undefined) {
    return 'this service has no `reload:`; say how, such as reload: { signal: HUP } under `service`';
  }
  if (!acts({ document, path })) return undefined;
  if (type === 'external' && controls.includes(action)) return `external services are not controlled, so ${action} is impossible; use wait, switch_upstream, run or page`;
  if (type === 'docker' && notInDocker.includes(action)) return `a container cannot ${action}; use start, restart or stop`;
  // a rule for what only systemd has never matches elsewhere, and a ready policy need not be cut for another kind of service
  const neverMatches = textsAt(document, [...rule, 'when', 'cause']).every((cause) => cause === 'service.start_limit_hit');
  if (typeof type === 'string' && type !== 'systemd' && action === 'reset_failed_and_start' && !neverMatches) return `only systemd remembers that a start failed; use start`;
  return undefined;
}

/** `unit:` and `container:` ask a manager that this service does not have. */
function managerChecks({ document, path }: Written): readonly ConfigProblem[] {
  const type = valueAt(document.value, [...path, 'service', 'type']);
  if (!acts({ document, path }) || typeof type !== 'string') return [];
  const instead = type === 'external' ? 'connect: ok' : 'service: running';
  const wrong = [
    { key: 'unit', needs: 'systemd', what: 'systemd unit' },
    { key: 'container', needs: 'docker', what: 'container' },
  ].filter(({ needs }) => type !== needs);
  return itemPaths(document, [...path, 'verify', 'checks']).flatMap((check) =>
    wrong
      .filter(({ key }) => valueAt(document.value, [...check, key]) !== undefined)
      .map(({ key, what }) => document.problem([...check, key], 'key', `${key}: the service is no ${what}; use ${instead}`)),
  );
}

/** A ready policy that only observes may be tried on a service of another type; nothing is done, and nothing verified. */
function acts({ document, path }: PolicyEntry): boolean {
  const mode = valueAt(document.value, [...path, 'mode']);
  return mode === 'act' || mode === 'approve';
}
