/**
 * At most one open incident a service: opens it, calls `heal` round after round until it is closed, remembers it over
 * a restart of the healer. It decides nothing about the repair itself.
 */
import type { Incident, Symptom } from '../core/incident.ts';
import { ulid } from '../core/ids.ts';
import { isActedOn } from './acting.ts';
import { createAfterRecovery } from './after-recovery.ts';
import { recordFor } from './audit-record-for.ts';
import { closeAbandoned } from './close-abandoned.ts';
import { conclude } from './conclude.ts';
import { holdAtOpening } from './gate-orders.ts';
import { heal } from './heal.ts';
import { takeRequestIds } from './take-request-ids.ts';
import type { Healer, NextRound, OpenCase, Ward } from './healer.ts';
import { beginLooking } from './step-now.ts';
import { standing, undoActs } from './undo.ts';

export interface Incidents {
  /** A symptom was seen: opens an incident, or wakes the one that is open. */
  seen(ward: Ward, symptom: Symptom): void;
  /** Something about the service changed: the open incident looks again now. */
  wake(ward: Ward): void;
  openFor(service: string): OpenCase | undefined;
  /** Goes on with an incident of the healer's life before. `unknownOutcome`: an act had begun; verify, never repeat. */
  resume(ward: Ward, incident: Incident, unknownOutcome: boolean): void;
  /** No policy looks after the service any more: once the act under way has ended, its incident is closed as it is. */
  abandon(service: string): void;
  /** Resolves when every round under way has ended, and what was being kept of it is. */
  settled(): Promise<void>;
}

/** What comes before the rounds; it may be the end already. */
type First = (ward: Ward) => Promise<NextRound | undefined>;

/** Keeps the open incidents of all services. */
export function createIncidents(healer: Healer): Incidents {
  const open = new Map<string, OpenCase>();
  const running = new Set<Promise<void>>();
  const afterRecovery = createAfterRecovery(healer, { openFor: (service) => open.get(service), seen });
  const abandoned = new Set<OpenCase>();

  function begin(ward: Ward, opened: OpenCase, first: First): void {
    open.set(ward.name, opened);
    // what it was opened under is what it is healed by, whatever is read meanwhile
    const life = liveThrough(ward.pinned(), opened, first)
      .finally(() => {
        open.delete(ward.name);
        abandoned.delete(opened);
      })
      .then(() => opened.keeping)
      .finally(() => running.delete(life));
    running.add(life);
  }

  async function liveThrough(ward: Ward, opened: OpenCase, first: First): Promise<void> {
    const begun = await first(ward);
    if (begun?.kind === 'closed') return ward.detector.clear();
    while (!healer.stopping.aborted) {
      if (abandoned.has(opened)) {
        await undoActs('closed', { open: opened, ward, healer });
        return closeAbandoned(opened.incident, healer);
      }
      const next = await heal(opened, ward, healer);
      if (next.kind === 'closed') {
        if (next.repaired && !opened.followsAnother) afterRecovery(ward);
        return ward.detector.clear();
      }
      await pause(opened, next.inMs);
    }
  }

  async function pause(opened: OpenCase, ms: number): Promise<void> {
    const woken = new AbortController();
    opened.wake = () => woken.abort();
    await healer.clock.sleep(ms, AbortSignal.any([healer.stopping, woken.signal]));
  }

  function seen(ward: Ward, symptom: Symptom): void {
    const known = open.get(ward.name);
    if (known) return seenAgain(known, symptom, { healer, stableForMs: ward.policy.verify.stable_for });
    // what a person does to it right now looks like trouble from outside; what lasts is seen again
    if (isActedOn(ward, healer)) return;
    const incident: Incident = { id: ulid(healer.clock.wallMs()), service: ward.name, openedAtMs: healer.clock.wallMs(), symptom };
    const opened = openCase(incident, healer);
    begin(ward, opened, (pinned) => announce(opened, pinned, healer).then(() => undefined));
  }

  return {
    openFor: (service) => open.get(service),
    wake: (ward) => open.get(ward.name)?.wake(),
    seen,
    resume(ward, incident, unknownOutcome) {
      const opened = openCase(incident, healer);
      opened.rounds = 1;
      begin(ward, opened, async (pinned) => (unknownOutcome ? conclude(opened, pinned, healer) : undefined));
    },
    abandon(service) {
      const known = open.get(service);
      if (!known) return;
      abandoned.add(known);
      known.interrupt();
      known.wake();
    },
    settled: async () => void (await Promise.all(running)),
  };
}

/** Symptoms of one family are one trouble seen from several sides: a dead service refuses, resets, and is seen dead. */
const down = ['connection_refused', 'connection_timeout', 'connection_terminated', 'destination_unavailable', 'service_down', 'unanswered_probe'];
const silent = ['no_progress', 'http_response_timeout', 'connection_read_timeout', 'service_frozen'];

function familyOf(kind: Symptom['kind']): 'down' | 'silent' | 'wrong' {
  return down.includes(kind) ? 'down' : silent.includes(kind) ? 'silent' : 'wrong';
}

/** The next round is due within about a second anyway. */
const newsEveryMs = 500;

/** Trouble of another family is news: whatever is under way looks again. That it is down is no news during a repair. */
function seenAgain(known: OpenCase, symptom: Symptom, { healer, stableForMs }: { healer: Healer; stableForMs: number }): void {
  known.lastSymptomMs = healer.clock.monotonicMs();
  const family = familyOf(symptom.kind);
  if (family === 'down' || family === familyOf(known.incident.symptom.kind)) return;
  const now = healer.clock.monotonicMs();
  known.news = symptom;
  // a flood of it must neither be one look after the other, each of which costs programs …
  if (now - known.lastWakeMs >= newsEveryMs) {
    known.lastWakeMs = now;
    known.wake();
  }
  // … nor keep a verification from ever ending
  if (now - known.lastInterruptMs < stableForMs) return;
  known.lastInterruptMs = now;
  known.interrupt();
}

function openCase(incident: Incident, healer: Healer): OpenCase {
  const now = healer.clock.monotonicMs();
  return {
    incident,
    rounds: 0,
    step: beginLooking(healer.clock),
    done: doneBefore(incident, healer),
    diagnosis: undefined,
    causeSinceMs: now,
    lastSymptomMs: now,
    acted: undefined,
    said: new Map(),
    news: undefined,
    lastInterruptMs: 0,
    lastWakeMs: -Infinity,
    unknownSinceMs: undefined,
    waitedSince: new Map(),
    told: false,
    askedAtMs: now,
    heard: false,
    followsAnother: false,
    gatesClosed: false,
    configFailed: false,
    keeping: undefined,
    wake: () => undefined,
    interrupt: () => undefined,
  };
}

/** What was done about it before a restart of the healer. */
function doneBefore(incident: Incident, healer: Healer): string[] {
  const attempts = healer.state.state().attempts.filter((attempt) => attempt.incident === incident.id);
  return [...new Set([...attempts, ...standing(incident, healer)].map(({ action }) => action))];
}

const connectSymptoms = ['connection_refused', 'destination_unavailable', 'connection_timeout', 'service_down'];

async function announce(opened: OpenCase, ward: Ward, healer: Healer): Promise<void> {
  const { incident } = opened;
  const { symptom } = incident;
  if (connectSymptoms.includes(symptom.kind) && ward.policy.mode === 'act') holdAtOpening({ open: opened, ward, healer });
  healer.log.warn({ service: ward.name, incident: incident.id, symptom: symptom.kind }, symptom.text);
  await healer.audit.append({
    ...recordFor(opened, ward),
    event: 'incident.opened',
    symptom: { seen_by: symptom.seenBy, kind: symptom.kind, count: symptom.count, text: symptom.text, ...(symptom.gateway ? { gateway: symptom.gateway } : {}), ...takeRequestIds(ward) },
    text: symptom.text,
  });
  await healer.state.openIncident(incident, ward.policy.limits.backoff.reset_after);
}
