/**
 * The healer's memory: attempts, back-off, open incidents, pauses, services that were given up. Each change is on disk
 * (written beside, flushed, renamed) before it is reported as saved, so a `kill -9` or a power cut loses at most a
 * change that nobody was told of. What cannot be saved still counts in memory; the caller must not act on it.
 */
import { constants } from 'node:fs';
import { link, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Step } from '../core/decision.ts';
import type { Incident, Outcome } from '../core/incident.ts';
import type { Clock } from '../core/time.ts';
import { climb } from './policy/ladder.ts';
import type { Attempt, HostHistory, Now, ServiceHistory } from './policy/limits.ts';
import { countAttempt, forgetOldTrouble, givenUp, noHistory, rememberAttempt, useUpApprovals, verified } from './policy/remember.ts';
import { emptyState, longestPauseMs, readState, writeState, type HealingState, type OpenIncident } from './state-file.ts';
import { writeDurably } from './write-durably.ts';

/** `not_saved`: the change counts in memory only, and would be lost with the process; so nothing may be done on it. */
export type SaveResult = { readonly kind: 'saved' } | { readonly kind: 'not_saved'; readonly detail: string };

export interface StateStore {
  /** What is to be told to people about the file that was found; `undefined` when all was well. */
  readonly notice: string | undefined;
  /** As it is now; the value never changes afterwards. */
  state(): HealingState;
  /** Begins an incident, or goes on with it. Health of `resetAfterMs` before it sets the back-off to its beginning. */
  openIncident(incident: Incident, resetAfterMs: number): Promise<SaveResult>;
  /**
   * To be called with the intent, before the act: climbs the ladder, and counts an attempt where the action counts,
   * against `budget` where the step's options decided that. `id`: the action's.
   */
  startStep(started: {
    readonly incident: Pick<Incident, 'id' | 'service'>;
    readonly rule: string;
    readonly step: Step;
    readonly counts: boolean;
    readonly budget?: Attempt['budget'] | undefined;
    readonly id?: string;
  }): Promise<SaveResult>;
  /**
   * After a repair the cooldown starts here; what came back without an attempt leaves nothing to cool down from.
   * `recovered` also ends a give-up: the service is well, whoever did it.
   */
  endVerification(incident: Pick<Incident, 'id' | 'service'>, outcome: Outcome): Promise<SaveResult>;
  closeIncident(id: string): Promise<SaveResult>;
  /**
   * Ends automation for the service, but for the one try of `give_up.retry_after`. Giving up again neither moves nor
   * renews that try. An incident without an attempt gives nothing up: who only waited may still start what dies later.
   */
  giveUp(incident: Pick<Incident, 'id' | 'service'>, reason: string): Promise<SaveResult>;
  /** Any other change of what is remembered of a service, of the host, or of an open incident; `change` is pure. */
  updateService(service: string, change: (before: ServiceHistory) => ServiceHistory): Promise<SaveResult>;
  updateHost(change: (before: HostHistory) => HostHistory): Promise<SaveResult>;
  updateIncident(id: string, change: (before: OpenIncident) => OpenIncident): Promise<SaveResult>;
  /** Stops actions on the service for `forMs`, at most 24 h; expires by itself. */
  pause(service: string, pause: { readonly forMs: number; readonly reason: string }): Promise<SaveResult>;
}

/**
 * Reads `<folder>/healing.json`, or starts empty. A file that cannot be understood is kept as
 * `healing.json.corrupt-<wall ms>` and counted from the safe side: of every service all attempts but one are taken as
 * used at this moment, of the host all disruptive actions but one; pauses and give-ups in it are lost, and `notice`
 * says so. Never rejects. `random` gives the jitter's share, 0 to 1.
 */
export async function openStateStore(folder: string, clock: Clock, random: () => number = Math.random): Promise<StateStore> {
  const found = await readFrom(folder, nowOf(clock));
  let state = found.state;
  const save = saver(folder, () => writeState(state, nowOf(clock)));
  const change = (next: Partial<HealingState>): Promise<SaveResult> => ((state = { ...state, ...next }), save());
  const changeService = (name: string, next: (service: ServiceHistory) => ServiceHistory): Promise<SaveResult> =>
    change({ services: new Map(state.services).set(name, next(state.services.get(name) ?? noHistory)) });
  const wasAttempted = (incident: string): boolean => state.attempts.some((attempt) => attempt.incident === incident);
  const notice = found.problem === undefined ? undefined : await setAside(folder, found.problem, { clock, save });

  return {
    notice,
    state: () => state,
    openIncident(incident, resetAfterMs) {
      if (state.incidents.some((known) => known.id === incident.id)) return save();
      state = { ...state, incidents: [...state.incidents.filter((known) => known.service !== incident.service), { ...incident, ladder: [], approvals: [], undo: [] }] };
      return changeService(incident.service, (service) => forgetOldTrouble(service, clock.monotonicMs() - resetAfterMs));
    },
    startStep({ incident, rule, step, counts, budget, id }) {
      const incidents = state.incidents.map((known) =>
        known.id === incident.id ? { ...known, ladder: climb(known.ladder, rule, step), approvals: useUpApprovals(known.approvals, rule, step) } : known,
      );
      if (!counts) return change({ incidents });
      const attempt: Attempt = { ...(id === undefined ? {} : { id }), service: incident.service, incident: incident.id, action: step.action, ...(budget ? { budget } : {}), atMs: clock.monotonicMs() };
      state = { ...state, incidents, attempts: rememberAttempt(state.attempts, attempt) };
      return changeService(incident.service, (service) => countAttempt(service, random()));
    },
    endVerification: (incident, outcome) =>
      changeService(incident.service, (service) => verified(service, { incident: incident.id, attempted: wasAttempted(incident.id), outcome, atMs: clock.monotonicMs() })),
    closeIncident: (id) => change({ incidents: state.incidents.filter((incident) => incident.id !== id) }),
    giveUp(incident, reason) {
      if (!wasAttempted(incident.id)) return save();
      return changeService(incident.service, (service) => givenUp(service, { incident: incident.id, reason, atMs: clock.monotonicMs() }));
    },
    updateService: changeService,
    updateHost: (next) => change({ host: next(state.host) }),
    updateIncident: (id, next) => change({ incidents: state.incidents.map((known) => (known.id === id ? next(known) : known)) }),
    pause: (name, { forMs, reason }) => changeService(name, (service) => ({ ...service, paused: { untilMs: clock.monotonicMs() + Math.min(longestPauseMs, forMs), reason: reason.slice(0, 1000) } })),
  };
}

const fileName = 'healing.json';
/** Far above what the limits on attempts allow; a larger file is none of ours. */
const largestFileBytes = 32 * 1024 ** 2;

async function readFrom(folder: string, now: Now): Promise<{ readonly state: HealingState; readonly problem?: string }> {
  const safeSide: HealingState = { ...emptyState, lostAtMs: now.monotonicMs };
  try {
    await using file = await open(join(folder, fileName), constants.O_RDONLY | constants.O_NOFOLLOW);
    const { size } = await file.stat();
    if (size > largestFileBytes) return { state: safeSide, problem: `expected at most ${largestFileBytes} bytes, found ${size}` };
    const read = readState(await file.readFile('utf8'), now);
    return 'state' in read ? read : { state: safeSide, problem: read.problem };
  } catch (error) {
    return isMissing(error) ? { state: emptyState } : { state: safeSide, problem: String(error) };
  }
}

/** Keeps the unreadable file under another name. The name `healing.json` is never free meanwhile: a crash here must not look like a fresh installation. */
async function setAside(folder: string, problem: string, { clock, save }: { readonly clock: Clock; readonly save: () => Promise<SaveResult> }): Promise<string> {
  const aside = join(folder, `${fileName}.corrupt-${Math.round(clock.wallMs())}`);
  const kept = await link(join(folder, fileName), aside).then(
    () => `it is kept as ${aside}`,
    (error: unknown) => `it could not be kept (${String(error)})`,
  );
  const saved = kept.startsWith('it is kept') ? await save() : undefined;
  const failed = saved?.kind === 'not_saved' ? `; a new one could not be written (${saved.detail})` : '';
  return (
    `the record of past repairs, ${join(folder, fileName)}, cannot be read: ${problem}. ${kept}${failed}. ` +
    'Limits count from the safe side: one attempt is left for each service. Pauses and services that were given up are forgotten.'
  );
}

/** One write at a time; changes made during a write are on disk together with the next one. */
function saver(folder: string, content: () => string): () => Promise<SaveResult> {
  let running: Promise<unknown> = Promise.resolve();
  let waiting: Promise<SaveResult> | undefined;
  return () =>
    (waiting ??= running.then(() => {
      waiting = undefined;
      const writing = write(join(folder, fileName), content());
      running = writing;
      return writing;
    }));
}

async function write(path: string, content: string): Promise<SaveResult> {
  try {
    await writeDurably(path, content);
    return { kind: 'saved' };
  } catch (error) {
    return { kind: 'not_saved', detail: `${path} could not be written: ${String(error)}` };
  }
}

function nowOf(clock: Clock): Now {
  return { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
