/** Whether a refusal is one that only a person can end, and that no person has been told of. */
import type { Decision, GateName } from '../../core/decision.ts';

type StandDown = Extract<Decision, { kind: 'stand_down' }>;

/** Somebody was told already: asked for approval, or in the one message about the whole host. */
const toldElsewhere: ReadonlySet<GateName> = new Set(['approval', 'breaker']);
/** Somebody else's work, that ends without us and often soon: a package upgrade, an incident of a dependency with a message of its own. */
const othersWork: ReadonlySet<GateName> = new Set(['change_in_progress', 'dependency_open']);
/** What others do for longer than this is worth a word. */
const patienceMs = 300_000;

/** Must somebody be told of this? `openMs`: for how long the incident has been open. */
export function needsPerson(decision: StandDown, openMs: number): boolean {
  if (decision.why === 'no_rule' || decision.why === 'exhausted') return true;
  if (decision.why !== 'refused' || decision.retryAtMs !== undefined) return false;
  const refusing = decision.gates.filter(({ verdict }) => verdict === 'refuse').map(({ gate }) => gate);
  if (refusing.some((gate) => toldElsewhere.has(gate))) return false;
  return openMs >= patienceMs || !refusing.some((gate) => othersWork.has(gate));
}
