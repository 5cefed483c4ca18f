/** What the records say about why nothing was done: the decisions of one incident, and what held the healer back. Pure. */
import type { ActionName, GateName } from '../core/decision.ts';
import type { AuditRecord } from '../healer/audit/record.ts';

/** One thing that was not done: equal decisions of an incident joined, with the numbers of the newest. */
export interface NotDone {
  /** `observe`: every gate passed, and the policy's mode forbids to act. */
  readonly why: 'refused' | 'observe';
  readonly action: ActionName | undefined;
  readonly rule: string | undefined;
  readonly times: number;
  readonly lastAt: string;
  readonly gates: readonly RefusingGate[];
  /** The decision in one sentence. */
  readonly text: string;
}

export interface RefusingGate {
  readonly gate: GateName;
  readonly reason: string;
  /** When time alone opens it. */
  readonly allowedAt: string | undefined;
}

/** The decisions against acting, the newest last. */
export function notDoneIn(records: readonly AuditRecord[]): readonly NotDone[] {
  const found = new Map<string, NotDone>();
  for (const record of records) {
    if (record.event !== 'action.refused' && record.event !== 'action.would_run') continue;
    const gates = (record.gates ?? []).filter(({ verdict }) => verdict === 'refuse').map(({ gate, reason, allowed_at: allowedAt }) => ({ gate, reason, allowedAt }));
    const key = [record.event, record.action, record.rule, ...gates.map(({ gate }) => gate)].join('|');
    const times = (found.get(key)?.times ?? 0) + 1;
    found.delete(key);
    found.set(key, { why: record.event === 'action.refused' ? 'refused' : 'observe', action: record.action, rule: record.rule, times, lastAt: record.ts, gates, text: record.text ?? '' });
  }
  return [...found.values()];
}

/** A question to a person in this incident, and what became of it. */
export interface Question {
  readonly code: string;
  readonly action: ActionName | undefined;
  readonly until: string | undefined;
  readonly became: 'open' | 'given' | 'denied' | 'expired';
}

export function questionsIn(records: readonly AuditRecord[]): readonly Question[] {
  const found = new Map<string, Question>();
  for (const { event, approval, action } of records) {
    if (!approval) continue;
    const known = found.get(approval.code) ?? { code: approval.code, action, until: approval.until, became: 'open' };
    const became = event === 'approval.given' ? 'given' : event === 'approval.denied' ? 'denied' : event === 'approval.expired' ? 'expired' : known.became;
    found.set(approval.code, { ...known, became });
  }
  return [...found.values()];
}

/** What the log says last about each thing that can hold the healer back; `undefined`: nothing, or that it is over. */
export interface HeldBack {
  readonly off: AuditRecord | undefined;
  readonly serviceOff: AuditRecord | undefined;
  readonly paused: AuditRecord | undefined;
  readonly servicePaused: AuditRecord | undefined;
  readonly breaker: AuditRecord | undefined;
  readonly sharedCause: AuditRecord | undefined;
  readonly rejected: AuditRecord | undefined;
  /** The healer's own end, when it did not start again. */
  readonly stopped: AuditRecord | undefined;
  /** There is no policy for the service any more. */
  readonly removed: AuditRecord | undefined;
  /** Of its policy, when it was loaded last. */
  readonly mode: 'observe' | 'act' | 'approve' | undefined;
}

const free: HeldBack = {
  off: undefined,
  serviceOff: undefined,
  paused: undefined,
  servicePaused: undefined,
  breaker: undefined,
  sharedCause: undefined,
  rejected: undefined,
  stopped: undefined,
  removed: undefined,
  mode: undefined,
};

/** From notable records, oldest first. */
export async function heldBackBy(records: AsyncIterable<{ readonly record: AuditRecord }>, service: string): Promise<HeldBack> {
  let held = free;
  for await (const { record } of records) held = { ...held, ...changeBy(record, service) };
  return held;
}

function changeBy(record: AuditRecord, service: string): Partial<HeldBack> {
  const isHost = record.service === undefined;
  const isOurs = record.service === service;
  switch (record.event) {
    case 'healing.off':
      return isHost ? { off: record } : isOurs ? { serviceOff: record } : {};
    case 'healing.on':
      return isHost ? { off: undefined } : isOurs ? { serviceOff: undefined } : {};
    case 'pause.set':
      return isHost ? { paused: record } : isOurs ? { servicePaused: record } : {};
    case 'pause.ended':
    case 'pause.expired':
      return isHost ? { paused: undefined } : isOurs ? { servicePaused: undefined } : {};
    // the breaker is the host's, though a service's incident opens it
    case 'breaker.opened':
      return { breaker: record };
    case 'breaker.closed':
      return { breaker: undefined };
    case 'shared_cause.opened':
      return { sharedCause: record };
    case 'shared_cause.closed':
      return { sharedCause: undefined };
    case 'policy.rejected':
      return { rejected: record };
    case 'policy.loaded':
      return { rejected: undefined, ...(isOurs ? { removed: undefined, mode: record.policy?.mode } : {}) };
    case 'policy.removed':
      return isOurs ? { removed: record } : {};
    case 'agent.stopped':
      return { stopped: record };
    case 'agent.started':
      return { stopped: undefined };
    default:
      return {};
  }
}
