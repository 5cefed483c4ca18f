/**
 * What the healer remembers between its own lives, and its form on disk. In memory every moment is monotonic; on disk
 * it is wall time, translated when the file is read and written. A moment that lies in the future when it is read
 * (the clock went back meanwhile) becomes "now": nothing is forgotten, and nothing is remembered for years.
 */
import { z } from 'zod';
import { actionNames } from '../core/decision.ts';
import { failureKinds } from '../core/failure.ts';
import { seers, type Incident, type Symptom } from '../core/incident.ts';
import type { Ladder } from './policy/ladder.ts';
import type { GaveUp, HealingHistory, Now, ServiceHistory } from './policy/limits.ts';

/** An incident that is not closed, with how far its rules were climbed. */
export interface OpenIncident extends Incident {
  readonly ladder: Ladder;
}

/** Everything that must survive a crash of the healer and a reboot. */
export interface HealingState extends HealingHistory {
  /** At most one of each service. */
  readonly incidents: readonly OpenIncident[];
}

/** What a fresh installation remembers. */
export const emptyState: HealingState = { attempts: [], services: new Map(), incidents: [] };

/** Longest pause, in milliseconds: who forgets to end a pause is protected from a day on. */
export const longestPauseMs = 86_400_000;

/** The state as the text of its file. */
export function writeState(state: HealingState, now: Now): string {
  const wall = (atMs: number): number => Math.round(now.wallMs - now.monotonicMs + atMs);
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
      paused: service.paused && { until: wall(service.paused.untilMs), reason: service.paused.reason },
    })),
    incidents: state.incidents.map(({ openedAtMs, ladder, ...incident }) => ({ ...incident, opened_at: openedAtMs, ladder: [...ladder] })),
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
const symptomKinds = [...failureKinds, 'service_down', 'service_frozen', 'no_progress', 'unanswered_probe', 'worker_died'] as const;

/** Every field that a symptom has: one that is written and not known here would make the whole file unreadable. */
const symptom = z.strictObject({
  seenBy: z.enum(seers),
  kind: z.enum(symptomKinds),
  gateway: text.exactOptional(),
  count: z.number(),
  errno: text.exactOptional(),
  text,
} satisfies Record<keyof Symptom, z.ZodType>);

const fileSchema = z.strictObject({
  version: z.literal(1),
  lost_at: moment.optional(),
  attempts: z.array(z.strictObject({ service: text, incident: text, action: z.enum(actionNames), at: moment })),
  services: z.array(
    z.strictObject({
      name: text,
      verifications: z.array(z.strictObject({ incident: text, ended_at: moment })).max(2),
      backoff: z.strictObject({ attempts: z.int().min(0), draw: z.number().min(0).max(1), healthy_since: moment.optional() }),
      gave_up: z.strictObject({ incident: text, reason: text, since: moment, retried: z.boolean() }).optional(),
      paused: z.strictObject({ until: moment, reason: text }).optional(),
    }),
  ),
  incidents: z.array(
    z.strictObject({
      id: text,
      service: text,
      opened_at: moment,
      symptom,
      ladder: z.array(z.strictObject({ rule: text, rung: z.int().min(0), attempt: z.int().min(0) })),
    }),
  ),
});

type StateFile = z.output<typeof fileSchema>;

function toState(file: StateFile, now: Now): HealingState {
  const past = (at: number): number => now.monotonicMs - Math.max(0, now.wallMs - at);
  return {
    attempts: file.attempts.map(({ at, ...attempt }) => ({ ...attempt, atMs: past(at) })),
    services: new Map(file.services.map((service) => [service.name, toService(service, past, now)])),
    incidents: file.incidents.map(({ opened_at: openedAtMs, ...incident }) => ({ ...incident, openedAtMs })),
    ...(file.lost_at === undefined ? {} : { lostAtMs: past(file.lost_at) }),
  };
}

function toService(service: StateFile['services'][number], past: (at: number) => number, now: Now): ServiceHistory {
  const { verifications, backoff, gave_up: gaveUp, paused } = service;
  const healthy = backoff.healthy_since === undefined ? {} : { healthySinceMs: past(backoff.healthy_since) };
  const given: GaveUp | undefined = gaveUp && { incident: gaveUp.incident, reason: gaveUp.reason, sinceMs: past(gaveUp.since), retried: gaveUp.retried };
  const untilMs = paused && now.monotonicMs + Math.min(longestPauseMs, paused.until - now.wallMs);
  return {
    verifications: verifications.map((verification) => ({ incident: verification.incident, endedAtMs: past(verification.ended_at) })),
    backoff: { attempts: backoff.attempts, draw: backoff.draw, ...healthy },
    ...(given ? { gaveUp: given } : {}),
    ...(paused && untilMs !== undefined ? { paused: { untilMs, reason: paused.reason } } : {}),
  };
}
