/** What the records of an open incident say about now: who was told, what is refused until when, what helps next. */
import type { ActionName } from '../core/decision.ts';
import { whatWasDone } from '../core/deeds.ts';
import type { AuditRecord } from '../healer/audit/record.ts';
import { addToSummary, type IncidentSummary } from '../healer/audit/summary.ts';

export interface IncidentNow {
  /** What was done, with what failed; `undefined` when nothing was. */
  readonly done: string | undefined;
  /** Somebody was told by the policy. */
  readonly told: boolean;
  /** The newest decision, where it was a refusal. */
  readonly refused: Refusal | undefined;
  /** What would help, by the newest diagnosis. */
  readonly next: string | undefined;
}

export interface Refusal {
  readonly action: ActionName | undefined;
  readonly because: string;
  /** Wall time of the first moment at which every refusing gate opens by itself; `undefined` where one does not. */
  readonly untilMs: number | undefined;
}

/** Read from the records of one incident, oldest first. A moment that is over is none to wait for. */
export function tellNow(records: readonly AuditRecord[], nowMs: number): IncidentNow {
  const decision = records.findLast(({ event }) => event === 'action.refused' || event === 'action.intent' || event === 'action.would_run');
  const told = records.some(({ event, action, outcome }) => event === 'action.finished' && outcome?.result === 'done' && (action === 'page' || action === 'notify'));
  return {
    done: doneOf(records),
    told,
    refused: decision?.event === 'action.refused' ? refusalOf(decision, nowMs) : undefined,
    next: records.findLast(({ remedy }) => remedy !== undefined)?.remedy,
  };
}

function doneOf(records: readonly AuditRecord[]): string | undefined {
  let summary: IncidentSummary | undefined;
  for (const record of records) summary = addToSummary(summary, record.incident ?? '', record);
  const done = summary?.done.filter(({ what }) => what !== 'told') ?? [];
  return summary && done.length > 0 ? whatWasDone({ ...summary, done, notDone: [] }) : undefined;
}

function refusalOf({ action, gates = [], text = 'no reason is recorded' }: AuditRecord, nowMs: number): Refusal {
  const refusing = gates.filter(({ verdict }) => verdict === 'refuse');
  const opens = refusing.map(({ allowed_at: at }) => (at === undefined ? Infinity : Date.parse(at)));
  const untilMs = Math.max(...opens);
  const because = refusing.length > 0 ? refusing.map(({ gate, reason }) => `${gate}: ${reason}`).join('; ') : text;
  return { action, because, untilMs: Number.isFinite(untilMs) && untilMs > nowMs ? untilMs : undefined };
}
