/**
 * What is remembered of a service between incidents, and how each event changes it. Pure: the state store keeps it on
 * disk, a simulation in memory, and both follow the same rules. Every moment is in monotonic milliseconds.
 */
import type { Step } from '../../core/decision.ts';
import type { Outcome } from '../../core/incident.ts';
import type { Approval, Attempt, ServiceHistory } from './limits.ts';

/** Of a service that nothing has happened to yet. */
export const noHistory: ServiceHistory = { verifications: [], backoff: { attempts: 0, draw: 0.5 }, recoveries: [] };

/** As many as any limit can ask for (`max_attempts.times` and the host's budgets go up to 1000); the oldest goes. */
const attemptsKept = 1000;

/** One more attempt; of each service the newest 1000 are kept. */
export function rememberAttempt(attempts: readonly Attempt[], attempt: Attempt): readonly Attempt[] {
  const own = attempts.filter((known) => known.service === attempt.service);
  const oldest = own.length >= attemptsKept ? own[0] : undefined;
  return [...attempts.filter((known) => known !== oldest), attempt];
}

/** Attempts are forgotten for the back-off when the service was verified and then well since before `wellBeforeMs`. */
export function forgetOldTrouble(service: ServiceHistory, wellBeforeMs: number): ServiceHistory {
  const { healthySinceMs, ...backoff } = service.backoff;
  const wellForLong = healthySinceMs !== undefined && healthySinceMs <= wellBeforeMs;
  return { ...service, backoff: wellForLong ? { ...backoff, attempts: 0 } : backoff };
}

/** An attempt was started. `draw`: the jitter's share, 0 to 1. */
export function countAttempt(service: ServiceHistory, draw: number): ServiceHistory {
  const counted = { ...service, backoff: { attempts: service.backoff.attempts + 1, draw } };
  return counted.gaveUp ? { ...counted, gaveUp: { ...counted.gaveUp, retried: true } } : counted;
}

/** A verification ended. What came back without an attempt leaves nothing to cool down from; `recovered` ends a give-up. */
export function verified(service: ServiceHistory, ended: { readonly incident: string; readonly attempted: boolean; readonly outcome: Outcome; readonly atMs: number }): ServiceHistory {
  const { gaveUp, ...rest } = service;
  const { healthySinceMs: _before, ...backoff } = service.backoff;
  const others = service.verifications.filter((verification) => verification.incident !== ended.incident);
  const verifications = ended.attempted ? [...others.slice(-1), { incident: ended.incident, endedAtMs: ended.atMs }] : service.verifications;
  if (ended.outcome === 'recovered') return { ...rest, verifications, backoff: { ...backoff, healthySinceMs: ended.atMs } };
  return { ...rest, verifications, backoff, ...(gaveUp ? { gaveUp } : {}) };
}

/** Given up at `atMs`. Giving up again neither moves nor renews the one try that is left. */
export function givenUp(service: ServiceHistory, up: { readonly incident: string; readonly reason: string; readonly atMs: number }): ServiceHistory {
  const { gaveUp, ...rest } = service;
  return { ...rest, gaveUp: { incident: up.incident, reason: up.reason.slice(0, 1000), sinceMs: gaveUp?.sinceMs ?? up.atMs, retried: gaveUp?.retried ?? false } };
}

/** An answer, or a silence, is for one act: it is used up in the same write that counts the act. */
export function useUpApprovals(approvals: readonly Approval[], rule: string, step: Step): readonly Approval[] {
  const used = ({ verdict, ...rest }: Approval): Approval => ({ ...rest, verdict: verdict === 'asked' ? 'expired' : verdict, over: 'used' });
  return approvals.map((approval) => (approval.rule === rule && approval.rung === step.rung && !approval.over ? used(approval) : approval));
}
