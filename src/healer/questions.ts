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

/** It waits for its answer, or was answered with a yes that was not used yet. */
export function mayStillAllow({ over, verdict }: Approval): boolean {
  return over === undefined && (verdict === 'asked' || verdict === 'given');
}

/** The line in which everything about the questions of a service waits for its turn. */
export function questionsOfService({ name }: Ward): string {
  return `questions of ${name}`;
}

/** Is it still about the same run of the service? A look that failed says nothing against it. */
export function isOfRun({ fence }: Approval, now: Pick<ServiceState, 'state' | 'fence'>): boolean {
  return fence === now.fence || now.state === 'unknown';
}

/** Is it still about the same run of the service and the same policy? To be asked with the ward of the incident: another policy may have been read since. */
export function isBoundStill(question: Approval, now: Pick<ServiceState, 'state' | 'fence'>, ward: Ward): boolean {
  return question.policy === ward.sha256 && isOfRun(question, now);
}

/** Changes a question that is still as it was: one that was used up meanwhile stays so. */
export function writeQuestion(incident: string, { from, to }: { readonly from: Approval; readonly to: Approval }, healer: Healer): Promise<SaveResult> {
  const isAsItWas = ({ code, verdict, over }: Approval): boolean => code === from.code && verdict === from.verdict && over === from.over;
  return healer.state.updateIncident(incident, (known) => ({ ...known, approvals: known.approvals.map((one) => (isAsItWas(one) ? to : one)) }));
}
