import { closeAbandoned } from './close-abandoned.ts';
import type { Healer, Ward } from './healer.ts';
import type { Incidents } from './incidents.ts';
import { awaitsVerification, closeForgotten, countOnce } from './repair-memory.ts';
import { renewActs } from './undo.ts';

/**
 * After a restart of the healer: an act that had begun and whose outcome nobody knows is recorded as unknown and then
 * verified, never repeated blindly; incidents that were open go on. They go on under the policy that was read at this
 * start: how far a rule was climbed is kept by the rule's name, so one that was renamed meanwhile begins anew, within the
 * same limits; what was asked about another version of the policy is void.
 */
export async function resumeAfterRestart({ wards, incidents, healer }: { wards: ReadonlyMap<string, Ward>; incidents: Incidents; healer: Healer }): Promise<void> {
  const intents = healer.audit.openIntents();
  for (const intent of intents) {
    await countOnce(intent, healer);
    if (!intent.service || !intent.action || !intent.action_id) continue;
    await healer.audit.append({
      event: 'action.unknown',
      ...(intent.incident === undefined ? {} : { incident: intent.incident }),
      service: intent.service,
      action: intent.action,
      action_id: intent.action_id,
      parent: intent.seq,
      outcome: { result: 'unknown', detail: 'the healer ended between the intent and the outcome' },
      text: `${intent.action} had begun when the healer ended; ${intent.incident === undefined ? 'whoever asked for it must look' : 'whether it worked is verified now'}, it is not repeated`,
    });
  }
  await closeForgotten(healer);
  for (const open of healer.state.state().incidents) {
    const ward = wards.get(open.service);
    if (ward) {
      await renewActs(open, { ward, healer });
      const begun = intents.some((intent) => intent.incident === open.id && intent.action !== 'shed_load') || awaitsVerification(open.id, open.service, healer);
      incidents.resume(ward, open, begun);
    } else await closeAbandoned(open, healer);
  }
}
