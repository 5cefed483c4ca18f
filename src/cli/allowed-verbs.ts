/** What the configured policies can ask systemd for, and what they can do that systemd cannot allow. Pure. */
import type { PolicyConfig } from '../config/policy-schema.ts';
import type { ActionName } from '../core/decision.ts';

export const unitVerbs = ['start', 'stop', 'restart', 'reload', 'reset-failed'] as const;
export type UnitVerb = (typeof unitVerbs)[number];

/** Of systemd's verbs those that an action uses on the unit of its service. */
const verbsOf: Partial<Readonly<Record<ActionName, readonly UnitVerb[]>>> = {
  start: ['start'],
  stop: ['stop'],
  restart: ['restart'],
  reload: ['reload'],
  reset_failed_and_start: ['reset-failed', 'start'],
  terminate_orphans: ['start'],
};

export interface AllowedVerbs {
  /** Unit → its verbs, each once and in the order of {@link unitVerbs}. */
  readonly units: Readonly<Record<string, readonly UnitVerb[]>>;
  /** What a healer without root cannot do, as sentences. */
  readonly impossible: readonly string[];
}

/** Of all policies that may act, at once or when a person agrees; one that only observes needs nothing. */
export function allowedVerbs(policies: readonly PolicyConfig[]): AllowedVerbs {
  const found = new Map<string, Set<UnitVerb>>();
  const acting = policies.filter(({ mode }) => mode !== 'observe');
  for (const policy of acting) {
    if (policy.service.type !== 'systemd') continue;
    const verbs = [...actionsOf(policy).flatMap((action) => verbsOf[action] ?? []), ...(isRestartedWithAnother(policy, acting) ? (['restart'] as const) : [])];
    if (verbs.length === 0) continue;
    const unit = found.get(policy.service.unit) ?? new Set();
    for (const verb of verbs) unit.add(verb);
    found.set(policy.service.unit, unit);
  }
  const units = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([unit, verbs]) => [unit, unitVerbs.filter((verb) => verbs.has(verb))] as const);
  return { units: Object.fromEntries(units), impossible: acting.flatMap(impossibleIn) };
}

/** Those of its rules that neither the rule nor the policy forbids. */
function actionsOf({ rules, never }: PolicyConfig): readonly ActionName[] {
  return rules.flatMap((rule) => rule.try.map((rung) => rung.do).filter((action) => !never.includes(action) && !rule.never.includes(action)));
}

/** By `after_recovery` of a service that it depends on. */
function isRestartedWithAnother({ name, never }: PolicyConfig, acting: readonly PolicyConfig[]): boolean {
  return !never.includes('restart') && acting.some(({ after_recovery: after }) => after?.restart.includes(name));
}

function impossibleIn(policy: PolicyConfig): readonly string[] {
  const { name, service } = policy;
  const actions = new Set(actionsOf(policy));
  const rungs = policy.rules.flatMap((rule) => rule.try);
  const asUser = rungs.some((rung) => rung.do === 'run' && rung.with?.['user'] !== undefined) || ('user' in service && service.user !== undefined);
  return [
    ...(service.type === 'init' ? [`${name}: its init script wants root`] : []),
    ...(service.type === 'docker' ? [`${name}: who may use the Engine's socket is root: let a filter stand before it (${policy.service.type === 'docker' ? 'service.api' : ''})`] : []),
    ...(asUser ? [`${name}: only root can run a program as another user`] : []),
    ...(actions.has('run') ? [`${name}: run: its programs run with the rights of the healer, and without a unit of their own: what leaves their session is not ended with them`] : []),
    ...(actions.has('terminate_stuck_workers') ? [`${name}: terminate_stuck_workers: only root can end processes of another user`] : []),
    ...(actions.has('terminate_orphans') ? [`${name}: terminate_orphans: only root can end processes of another user; the start after it works`] : []),
  ];
}
