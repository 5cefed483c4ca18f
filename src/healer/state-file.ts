/**
 * What the healer remembers between its own lives, and its form on disk. In memory every moment is monotonic; on disk
 * it is wall time, translated when the file is read and written. A moment that lies in the future when it is read
 * (the clock went back meanwhile) becomes "now": nothing is forgotten, and nothing is remembered for years.
 */
import { z } from 'zod';
import { actionNames, type ActionName } from '../core/decision.ts';
import { failureKinds } from '../core/failure.ts';
import { seers, type Incident, type Symptom } from '../core/incident.ts';
import type { Ladder } from './policy/ladder.ts';
import type { Approval, GaveUp, HealingHistory, HostHistory, Now, Paused, ServiceHistory, SwitchedOff } from './policy/limits.ts';

/** An incident that is not closed, with how far its rules were climbed. */
export interface OpenIncident extends Incident {
  readonly ladder: Ladder;
  readonly approvals: readonly Approval[];
  /** Acts of ours that are to be taken back when it did not help, and at the end; the newest last. */
  readonly undo: readonly UndoableAct[];
}

/** An act that may be taken back, with what must be known of the time before it. */
export interface UndoableAct {
  readonly action: ActionName;
  readonly options: Readonly<Record<string, unknown>>;
  readonly before?: string;
}

/** Everything that must survive a crash of the healer and a reboot. */
export interface HealingState extends HealingHistory {
  /** At most one of each service. */
  readonly incidents: readonly OpenIncident[];
}

/** What a fresh installation remembers. */
export const emptyState: HealingState = { attempts: [], services: new Map(), incidents: [], host: { failures: [] } };

/** Longest pause, in milliseconds: who forgets to end a pause is protected from a day on. */
export const longestPauseMs = 86_400_000;

/** The state as the text of its file. */
export function writeState(state: HealingState, now: Now): string {
  const wall = (atMs: number): number => Math.round(now.wallMs - now.monotonicMs + atMs);
  const paused = (pause: Paused | undefined) => pause && { until: wall(pause.untilMs), reason: pause.reason };
  const off = (is: SwitchedOff | undefined) => is && { since: wall(is.sinceMs), reason: is.reason, by: is.by };
  const file: z.input<typeof fileSchema> = {
    version: 1,
    lost_at: state.lostAtMs === undefined ? undefined : wall(state.lostAtMs),
    attempts: state.attempts.map(({ atMs, ...attempt }) => ({ ...attempt, at: wall(atMs) })),
    services: [...state.services].map(([name, service]) => ({
      name,
      verifications: service.verifications.map(({ incident, endedAtMs }) => ({ incident, ended_at: wall(endedAtMs) })),
      backoff: {
        attempts: service.backoff.attempts,
        draw: service.backoff.draw,
        healthy_since: service.backoff.healthySinceMs === undefined ? undefined : wall(service.backoff.healthySinceMs),
      },
      gave_up: service.gaveUp && { incident: service.gaveUp.incident, reason: service.gaveUp.reason, since: wall(service.gaveUp.sinceMs), retried: service.gaveUp.retried },
      paused: paused(service.paused),
      off: off(service.off),
      recoveries: service.recoveries.map(({ incident, atMs }) => ({ incident, at: wall(atMs) })),
      notices: service.notices?.map(({ atMs, ...notice }) => ({ ...notice, at: wall(atMs) })),
      human: service.humanActed && { at: wall(service.humanActed.atMs), text: service.humanActed.text },
    })),
    host: {
      failures: state.host.failures.map(({ atMs, ...failure }) => ({ ...failure, at: wall(atMs) })),
      breaker: state.host.breaker && { opened_at: wall(state.host.breaker.openedAtMs), reason: state.host.breaker.reason, tried: state.host.breaker.tried, tried_by: state.host.breaker.triedBy },
      openings: state.host.openings?.map(({ atMs, ...opening }) => ({ ...opening, at: wall(atMs) })),
      shared_cause: state.host.sharedCause && {
        opened_at: wall(state.host.sharedCause.openedAtMs),
        reason: state.host.sharedCause.reason,
        calm_since: state.host.sharedCause.calmSinceMs === undefined ? undefined : wall(state.host.sharedCause.calmSinceMs),
      },
      off: off(state.host.off),
      paused: paused(state.host.paused),
    },
    incidents: state.incidents.map(({ openedAtMs, ladder, approvals, undo, ...incident }) => ({
      ...incident,
      opened_at: openedAtMs,
      ladder: [...ladder],
      approvals: approvals.map(({ askedAtMs, untilMs, ...approval }) => ({ ...approval, asked_at: wall(askedAtMs), until: wall(untilMs) })),
      undo: undo.map(({ options, ...act }) => ({ ...act, options: { ...options } })),
    })),
  };
  return `${JSON.stringify(file, undefined, 1)}\n`;
}

/** The state that the text of a file holds, or why it holds none. */
export function readState(text: string, now: Now): { readonly state: HealingState } | { readonly problem: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { problem: `expected JSON: ${String(error)}` };
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) return { problem: z.prettifyError(parsed.error).slice(0, 500) };
  return { state: toState(parsed.data, now) };
}

const moment = z.number();
const text = z.string();
const symptomKinds = [...failureKinds, 'service_down', 'service_frozen', 'no_progress', 'unanswered_probe', 'worker_died', 'status_5xx'] as const;

/** Every field that a symptom has: one that is written and not known here would make the whole file unreadable. */
const symptom = z.strictObject({
  seenBy: z.enum(seers),
  kind: z.enum(symptomKinds),
  gateway: text.exactOptional(),
  count: z.number(),
  errno: text.exactOptional(),
  text,
} satisfies Record<keyof Symptom, z.ZodType>);

const pauseSchema = z.strictObject({ until: moment, reason: text });
const offSchema = z.strictObject({ since: moment, reason: text, by: text });
const approvalSchema = z.strictObject({
  code: text,
  rule: text,
  rung: z.int().min(0),
  action: z.enum(actionNames),
  fence: text,
  policy: text,
  asked_at: moment,
  until: moment,
  verdict: z.enum(['asked', 'given', 'denied', 'expired']),
  by: text.exactOptional(),
  over: z.enum(['used', 'void']).exactOptional(),
});

/** What a version before this one has not written has its default. */
const fileSchema = z.strictObject({
  version: z.literal(1),
  lost_at: moment.optional(),
  attempts: z.array(
    z.strictObject({ id: text.exactOptional(), service: text, incident: text, action: z.enum(actionNames), budget: z.enum(['disruptive', 'start', 'none']).exactOptional(), at: moment }),
  ),
  services: z.array(
    z.strictObject({
      name: text,
      verifications: z.array(z.strictObject({ incident: text, ended_at: moment })).max(2),
      backoff: z.strictObject({ attempts: z.int().min(0), draw: z.number().min(0).max(1), healthy_since: moment.optional() }),
      gave_up: z.strictObject({ incident: text, reason: text, since: moment, retried: z.boolean() }).optional(),
      paused: pauseSchema.optional(),
      off: offSchema.optional(),
      recoveries: z.array(z.strictObject({ incident: text, at: moment })).default([]),
      notices: z.array(z.strictObject({ key: text, at: moment, held: z.int().min(0) })).optional(),
      human: z.strictObject({ at: moment, text }).optional(),
    }),
  ),
  host: z
    .strictObject({
      failures: z.array(z.strictObject({ service: text, incident: text, at: moment })),
      breaker: z.strictObject({ opened_at: moment, reason: text, tried: z.boolean(), tried_by: text.optional() }).optional(),
      openings: z.array(z.strictObject({ service: text, incident: text, dependent: z.boolean().exactOptional(), at: moment })).optional(),
      shared_cause: z.strictObject({ opened_at: moment, reason: text, calm_since: moment.optional() }).optional(),
      off: offSchema.optional(),
      paused: pauseSchema.optional(),
    })
    .default({ failures: [] }),
  incidents: z.array(
    z.strictObject({
      id: text,
      service: text,
      opened_at: moment,
      symptom,
      ladder: z.array(z.strictObject({ rule: text, rung: z.int().min(0), attempt: z.int().min(0) })),
      approvals: z.array(approvalSchema).default([]),
      undo: z.array(z.strictObject({ action: z.enum(actionNames), options: z.record(text, z.unknown()), before: text.exactOptional() })).default([]),
    }),
  ),
});

type StateFile = z.output<typeof fileSchema>;

/** From wall time on disk to moments of this process. What would lie in the future has just happened. */
interface Moments {
  past(at: number): number;
  /** Of something that ends: never later than the longest pause from now. */
  end(at: number): number;
}

function toState(file: StateFile, now: Now): HealingState {
  const moments: Moments = {
    past: (at) => now.monotonicMs - Math.max(0, now.wallMs - at),
    end: (at) => now.monotonicMs + Math.min(longestPauseMs, at - now.wallMs),
  };
  const { past } = moments;
  return {
    attempts: file.attempts.map(({ at, ...attempt }) => ({ ...attempt, atMs: past(at) })),
    services: new Map(file.services.map((service) => [service.name, toService(service, moments)])),
    host: toHost(file.host, moments),
    incidents: file.incidents.map(({ opened_at: openedAtMs, approvals, ...incident }) => ({
      ...incident,
      openedAtMs,
      approvals: approvals.map(({ asked_at: askedAt, until, ...approval }): Approval => ({ ...approval, askedAtMs: past(askedAt), untilMs: moments.end(until) })),
    })),
    ...(file.lost_at === undefined ? {} : { lostAtMs: past(file.lost_at) }),
  };
}

function toService(service: StateFile['services'][number], { past, end }: Moments): ServiceHistory {
  const { verifications, backoff, gave_up: gaveUp, paused, off, human, notices } = service;
  const healthy = backoff.healthy_since === undefined ? {} : { healthySinceMs: past(backoff.healthy_since) };
  const given: GaveUp | undefined = gaveUp && { incident: gaveUp.incident, reason: gaveUp.reason, sinceMs: past(gaveUp.since), retried: gaveUp.retried };
  return {
    verifications: verifications.map((verification) => ({ incident: verification.incident, endedAtMs: past(verification.ended_at) })),
    backoff: { attempts: backoff.attempts, draw: backoff.draw, ...healthy },
    recoveries: service.recoveries.map(({ incident, at }) => ({ incident, atMs: past(at) })),
    ...(notices ? { notices: notices.map(({ at, ...notice }) => ({ ...notice, atMs: past(at) })) } : {}),
    ...(given ? { gaveUp: given } : {}),
    ...(paused ? { paused: { untilMs: end(paused.until), reason: paused.reason } } : {}),
    ...(off ? { off: { sinceMs: past(off.since), reason: off.reason, by: off.by } } : {}),
    ...(human ? { humanActed: { atMs: past(human.at), text: human.text } } : {}),
  };
}

function toHost({ failures, breaker, openings, shared_cause: shared, off, paused }: StateFile['host'], { past, end }: Moments): HostHistory {
  return {
    failures: failures.map(({ at, ...failure }) => ({ ...failure, atMs: past(at) })),
    ...(breaker ? { breaker: { openedAtMs: past(breaker.opened_at), reason: breaker.reason, tried: breaker.tried, ...(breaker.tried_by === undefined ? {} : { triedBy: breaker.tried_by }) } } : {}),
    ...(openings ? { openings: openings.map(({ at, ...opening }) => ({ ...opening, atMs: past(at) })) } : {}),
    ...(shared ? { sharedCause: { openedAtMs: past(shared.opened_at), reason: shared.reason, ...(shared.calm_since === undefined ? {} : { calmSinceMs: past(shared.calm_since) }) } } : {}),
    ...(off ? { off: { sinceMs: past(off.since), reason: off.reason, by: off.by } } : {}),
    ...(paused ? { paused: { untilMs: end(paused.until), reason: paused.reason } } : {}),
  };
}
