/**
 * When a service is well again by an act of ours, those that depend on it get time to come back by themselves, and are
 * then looked at (R20). Nothing is done to them from here: an incident is opened or woken, and their own policy, with its
 * own limits, says what follows. What follows from that is followed no further, so nothing cascades.
 */
import type { Symptom } from '../core/incident.ts';
import { formatDuration } from '../core/time.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
import { troubleOf } from './looks-well.ts';

export interface IncidentsOfOthers {
  openFor(service: string): OpenCase | undefined;
  seen(ward: Ward, symptom: Symptom): void;
}

/** Where a policy has no `after_recovery`. */
const defaultSettleMs = 30_000;

/** What is to be called when a service has recovered. It returns at once, and waits for each service at most once at a time. */
export function createAfterRecovery(healer: Healer, incidents: IncidentsOfOthers): (ward: Ward) => void {
  const waiting = new Set<string>();

  async function follow(ward: Ward): Promise<void> {
    warnOfStrangers(ward, healer);
    const settleMs = ward.policy.after_recovery?.settle ?? defaultSettleMs;
    await healer.clock.sleep(settleMs, healer.stopping);
    await Promise.all(dependentsOf(ward, healer).map((dependent) => lookAt(dependent, { after: ward.name, settleMs })));
  }

  async function lookAt(dependent: Ward, { after, settleMs }: { readonly after: string; readonly settleMs: number }): Promise<void> {
    if (healer.stopping.aborted) return;
    const open = incidents.openFor(dependent.name);
    if (open) return open.wake();
    const trouble = await troubleOf(dependent, healer);
    if (healer.stopping.aborted || incidents.openFor(dependent.name)) return;
    if (trouble === undefined) return healer.log.info({ service: dependent.name, after }, `${dependent.name} is well after the recovery of ${after}`);
    const text = `${dependent.name} did not come back by itself within ${formatDuration(settleMs)} of the recovery of ${after}: ${trouble}`;
    incidents.seen(dependent, { seenBy: 'watch', kind: 'unanswered_probe', count: 1, text });
    const opened = incidents.openFor(dependent.name);
    if (opened) opened.followsAnother = true;
  }

  return (ward) => {
    if (waiting.has(ward.name) || dependentsOf(ward, healer).length === 0) return;
    waiting.add(ward.name);
    void follow(ward).finally(() => waiting.delete(ward.name));
  };
}

/** Those whose `depends_on` names it, and those that its own policy names; each once. */
function dependentsOf({ name, policy }: Ward, { wards }: Healer): readonly Ward[] {
  const named = namedBy(policy);
  return [...wards.values()].filter((ward) => ward.name !== name && (named.includes(ward.name) || ward.policy.depends_on.includes(name)));
}

function namedBy({ after_recovery: after }: Ward['policy']): readonly string[] {
  return [...(after?.recheck ?? []), ...(after?.restart ?? [])];
}

function warnOfStrangers({ name, policy }: Ward, { wards, log }: Healer): void {
  for (const one of namedBy(policy)) if (!wards.has(one)) log.warn({ service: name }, `after_recovery of ${name} names ${one}, and no policy has that name`);
}
