/** Whether a refusal is one that only a person can end, and that no person has been told of. */
import type { Decision, GateName } from '../../core/decision.ts';

type StandDown = Extract<Decision, { kind: 'stand_down' }>;

/** Somebody was told already: asked for approval, or in the one message about the whole host. */
const toldElsewhere: ReadonlySet<GateName> = new Set(['approval', 'breaker']);
/** Somebody else's work, that ends without us and often soon: a package upgrade, an incident of a dependency with a message of its own. */
const othersWork: ReadonlySet<GateName> = new Set(['change_in_progress', 'dependency_open']);
/** Whoever said so knows, and it ends at a time that is known. */
const saidByPeople: ReadonlySet<GateName> = new Set(['paused', 'maintenance']);
/** What others do for longer than this is worth a word; so is a limit that keeps a service in trouble for longer. */
const patienceMs = 300_000;

/** Must somebody be told of this? `openMs`: for how long the incident has been open. `wallMs`: now. */
export function needsPerson(decision: StandDown, openMs: number, wallMs: number): boolean {
  if (decision.why === 'no_rule' || decision.why === 'exhausted') return true;
  if (decision.why !== 'refused') return false;
  const refusing = decision.gates.filter(({ verdict }) => verdict === 'refuse').map(({ gate }) => gate);
  const endsByItself = decision.retryAtMs !== undefined && (decision.retryAtMs - wallMs < patienceMs || refusing.some((gate) => saidByPeople.has(gate)));
  if (endsByItself || refusing.some((gate) => toldElsewhere.has(gate))) return false;
  return openMs >= patienceMs || !refusing.some((gate) => othersWork.has(gate));
}
