/**
 * What a crash may have taken from the healer's memory is in the audit log, which is written first: an act that was
 * recorded and not counted yet, and an incident that was opened and not remembered yet.
 */
import type { AuditRecord } from './audit/record.ts';
import type { Healer } from './healer.ts';

/**
 * Counts the act of an intent that has no outcome, unless it was counted; its rung of the ladder is taken as climbed.
 * To be called before that outcome is written: who dies in between finds the intent again.
 */
export async function countOnce(intent: AuditRecord, healer: Healer): Promise<void> {
  const { incident: id, service, action: name, action_id, rule, rung = 0, attempt = 1 } = intent;
  const action = name && healer.actions.get(name);
  // a wait is used up by its end only: it is begun again
  if (id === undefined || service === undefined || action_id === undefined || rule === undefined || !action || action.waits) return;
  const wasCounted = healer.state.state().attempts.some((known) => known.id === action_id);
  const step = { action: action.name, options: {}, timeoutMs: 0, rung, attempt };
  await healer.state.startStep({ incident: { id, service }, rule, step, counts: action.counts && !wasCounted, id: action_id });
}

/** Ends on record what was opened and never came into memory: nothing was done about it, and trouble that lasts opens another. */
export async function closeForgotten(healer: Healer): Promise<void> {
  const remembered = new Set(healer.state.state().incidents.map(({ id }) => id));
  for (const { incident, service } of healer.audit.openIncidents()) {
    if (incident === undefined || service === undefined || remembered.has(incident)) continue;
    await healer.audit.append({
      event: 'incident.closed',
      incident,
      service,
      outcome: { result: 'unknown', detail: 'the healer ended before it was remembered' },
      text: `the healer ended before it remembered this incident; if ${service} is still in trouble, another one is opened`,
    });
  }
}

/** Was the last act of this incident never verified? Then that comes first, whatever the healer's end cut off. */
export function awaitsVerification(incident: string, service: string, healer: Healer): boolean {
  const { attempts, services } = healer.state.state();
  const acted = attempts.findLast((attempt) => attempt.incident === incident);
  const verified = services.get(service)?.verifications.find((one) => one.incident === incident);
  // a clock that went back makes both "now"
  return acted !== undefined && (verified === undefined || acted.atMs >= verified.endedAtMs);
}
