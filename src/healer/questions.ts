/** Questions as they are remembered: which belong to an incident, and what they are bound to. */
import type { Healer, Ward } from './healer.ts';
import type { ServiceState } from './leaves.ts';
import type { Approval } from './policy/limits.ts';
import type { SaveResult } from './state-store.ts';

/** Every question of an incident, oldest first. */
export function questionsOf(incident: string, healer: Healer): readonly Approval[] {
  return healer.state.state().incidents.find(({ id }) => id === incident)?.approvals ?? [];
}

/** Decisions still see it. */
export function isLive({ over }: Approval): boolean {
  return over === undefined;
}

/** Is it still about the same run of the service and the same policy? A look that failed says nothing against it. */
export function isBoundStill({ fence, policy }: Approval, now: Pick<ServiceState, 'state' | 'fence'>, ward: Ward): boolean {
  return policy === ward.sha256 && (fence === now.fence || now.state === 'unknown');
}

/** Puts the question in the place of what was known of it. */
export function writeQuestion(incident: string, question: Approval, healer: Healer): Promise<SaveResult> {
  return healer.state.updateIncident(incident, (known) => ({ ...known, approvals: known.approvals.map((one) => (one.code === question.code ? question : one)) }));
}
