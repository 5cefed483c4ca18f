/**
 * What came of our attempts, for the circuit breaker: a failure is counted, once for each attempt, when the action
 * failed, when the service was not well afterwards, or when it broke again soon. What the count means is `policy/`'s.
 */
import type { Decision } from '../core/decision.ts';
import { incidentCode } from '../core/ids.ts';
import { formatDuration } from '../core/time.ts';
import { recordFor } from './audit-record-for.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
import { breakerState, withFailure, withSuccess } from './policy/breaker-limits.ts';
import { limitsOf, touches } from './policy/gates.ts';
import type { HostHistory } from './policy/limits.ts';
import { tell } from './tell.ts';

interface Place {
  readonly open: OpenCase;
  readonly ward: Ward;
  readonly healer: Healer;
}

/** The last attempt of this incident did not help. Nothing when that is known, or when there was none. Opens the breaker. */
export function noteFailure({ open, ward, healer }: Place): Promise<void> {
  return note(open.incident, { open, ward, healer });
}

/** The service is well: a breaker whose one try that was is closed. */
export async function noteSuccess({ open, ward, healer }: Place): Promise<void> {
  const before = healer.state.state();
  const host = withSuccess(before, open.incident);
  if (host === before.host) return;
  await healer.state.updateHost(() => host);
  await healer.audit.append({ ...recordFor(open, ward), event: 'breaker.closed', text: `the one try helped ${ward.name}, so goodgateway acts again` });
}

/** A failure so soon after a recovery says that it was none. */
const relapseMs = 600_000;

/**
 * The service needs a step that touches it again so soon after an attempt of ours seemed to have helped: that attempt has
 * failed after all, and its incident is on record as relapsed. Once an attempt. That it is busy, or that somebody stopped
 * it, says nothing about the attempt.
 */
export async function noteRelapse({ step }: Decision, { open, ward, healer }: Place): Promise<void> {
  if (!step || !touches(limitsOf(healer.actionTable, step.action))) return;
  if (open.diagnosis?.best.cause === 'service.stopped_by_operator' || open.diagnosis?.best.cause === 'change.in_progress') return;
  const { services, attempts } = healer.state.state();
  const before = services.get(ward.name)?.verifications.findLast(({ incident }) => incident !== open.incident.id);
  const agoMs = before && healer.clock.monotonicMs() - before.endedAtMs;
  if (!before || agoMs === undefined || agoMs >= relapseMs) return;
  await note({ id: before.incident, service: ward.name }, { open, ward, healer }, async () => {
    const action = attempts.findLast(({ incident }) => incident === before.incident)?.action ?? 'the repair';
    await healer.audit.append({
      ...recordFor(open, ward),
      incident: before.incident,
      event: 'incident.relapsed',
      outcome: { result: 'relapsed' },
      text: `broken again ${formatDuration(agoMs)} after ${action} seemed to have helped (see ${incidentCode(open.incident.id)}); it counts as an attempt that did not help`,
    });
  });
}

/** Right before the intent of an attempt: if this is the one try of an open breaker, nobody else gets it. */
export async function noteTry({ open, ward, healer }: Place): Promise<void> {
  const state = breakerState(healer.state.state(), healer.safety.breaker, healer.clock.monotonicMs());
  if (state.kind !== 'one_try') return;
  await healer.state.updateHost((host) => ({ ...host, breaker: { ...state.breaker, tried: true, triedBy: open.incident.id } }));
  await healer.audit.append({
    ...recordFor(open, ward),
    event: 'breaker.half_open',
    text: `one try, by ${ward.name}, decides whether goodgateway acts again; it stopped because ${state.breaker.reason}`,
  });
}

async function note(failed: { readonly id: string; readonly service: string }, { open, ward, healer }: Place, counted: () => Promise<void> = async () => undefined): Promise<void> {
  const before = healer.state.state();
  const host = withFailure(before, failed, { config: healer.safety.breaker, nowMs: healer.clock.monotonicMs() });
  if (host === before.host) return;
  // no wait between the look and the change: nobody's change in between is lost
  const saved = healer.state.updateHost(() => host);
  await counted();
  await saved;
  if (host.breaker && host.breaker !== before.host.breaker) await sayOpened(host.breaker, { open, ward, healer });
}

async function sayOpened({ reason }: NonNullable<HostHistory['breaker']>, { open, ward, healer }: Place): Promise<void> {
  const text = `${reason}, so for ${formatDuration(healer.safety.breaker.stay_open)} goodgateway does nothing on this host but to look, to tell people, and to start a dead service that none of these attempts was about; then one try decides`;
  await healer.audit.append({ ...recordFor(open, ward), event: 'breaker.opened', text });
  await tell(`The circuit breaker opened: ${text}.`, { ward, healer, open, event: 'breaker.opened' });
}
