/**
 * Plays events through the current policies under a fake clock, in the order in which they came, all services together:
 * what is spent on one of them is missing for another. Pure: the same events always give the same stories.
 */
import type { SimulatedEnd, SimulatedEvent, SimulatedIncident } from './events.ts';
import { forgetOldTrouble, verified } from '../policy/remember.ts';
import { failVerification, playRound } from './play-round.ts';
import { takeCircumstance } from './take-circumstance.ts';
import { around, changeService, countFailure, countSuccess, emptyWorld, type Running, type SimulationSetup, type World } from './world.ts';

type Trouble = Extract<SimulatedEvent, { kind: 'trouble' }>;

/** So soon after a recovery the same service's next incident says that it did not last. */
const relapseWithinMs = 600_000;

/**
 * Every incident of a service that has a policy, by its opening. `events` are in the order of their time; what is open at
 * `endMs` stays so.
 */
export function simulate(events: readonly SimulatedEvent[], setup: SimulationSetup, endMs: number): readonly SimulatedIncident[] {
  const world = emptyWorld(setup);
  const stories = new Map<Running, Ended>();
  const close: Close = (running, ended) => {
    endIncident(world, running, ended);
    stories.set(running, ended);
  };
  for (const event of events) {
    advance(world, close, (atMs) => atMs < event.atMs);
    const begun = take(world, close, event);
    if (begun) stories.set(begun, { end: 'open', atMs: undefined });
    wake(world, event);
  }
  advance(world, close, (atMs) => atMs <= endMs);
  return [...stories].map(([running, ended]) => storyOf(running, ended));
}

interface Ended {
  readonly end: SimulatedEnd;
  readonly atMs: number | undefined;
}
type Close = (running: Running, ended: { readonly end: SimulatedEnd; readonly atMs: number }) => void;

/** Everything that is due, the earliest first. */
function advance(world: World, close: Close, isDue: (atMs: number) => boolean): void {
  for (;;) {
    const [next] = [...world.open.values()].toSorted((a, b) => dueAt(a) - dueAt(b));
    if (!next || !isDue(dueAt(next))) return;
    if (next.closesAtMs !== undefined) close(next, { end: 'helped', atMs: next.closesAtMs });
    else playRound(world, next, next.nextAtMs);
  }
}

/** The incident that the event begins, if it begins one. */
function take(world: World, close: Close, event: SimulatedEvent): Running | undefined {
  const { atMs } = event;
  switch (event.kind) {
    case 'trouble': {
      const open = world.open.get(event.service);
      if (open && event.opens) close(open, { end: open.closesAtMs === undefined ? 'not_known' : 'helped', atMs });
      return takeTrouble(world, event);
    }
    case 'well': {
      const open = world.open.get(event.service);
      if (open && open.closesAtMs === undefined && open.recorded === event.incident) close(open, { end: endBy[event.by], atMs });
      return undefined;
    }
    default:
      takeCircumstance(world, event);
      return undefined;
  }
}

/** Who may decide otherwise now looks again now. */
function wake(world: World, event: SimulatedEvent): void {
  for (const open of world.open.values()) if (event.service === undefined || event.service === open.service) open.nextAtMs = Math.min(open.nextAtMs, event.atMs);
}

const endBy = { itself: 'by_itself', person: 'by_person', deed: 'not_known' } as const;

function dueAt({ closesAtMs, nextAtMs }: Running): number {
  return closesAtMs ?? nextAtMs;
}

function storyOf({ recorded, service, openedAtMs, entries, closesAtMs }: Running, { end, atMs }: Ended): SimulatedIncident {
  const helped = end === 'open' && closesAtMs !== undefined;
  const endedAtMs = helped ? closesAtMs : atMs;
  return { ...(recorded === undefined ? {} : { id: recorded }), service, openedAtMs, entries, end: helped ? 'helped' : end, ...(endedAtMs === undefined ? {} : { endedAtMs }) };
}

function endIncident(world: World, running: Running, { end, atMs }: { readonly end: SimulatedEnd; readonly atMs: number }): void {
  const known = around(world, running.service);
  known.endedAtMs = atMs;
  if (end === 'helped' && running.attempted) known.healed = { incident: running.id, atMs };
  changeService(world, running.service, (service) => verified(service, { incident: running.id, attempted: running.attempted, outcome: 'recovered', atMs }));
  countSuccess(world, running);
  world.open.delete(running.service);
  for (const open of world.open.values()) if (world.setup.policies.get(open.service)?.policy.depends_on.includes(running.service)) open.nextAtMs = Math.min(open.nextAtMs, atMs);
}

/** The incident that it begins; `undefined` where it belongs to one that is open, or to one that the simulation has healed. */
function takeTrouble(world: World, trouble: Trouble): Running | undefined {
  const open = world.open.get(trouble.service);
  if (!open) return trouble.opens || trouble.incident === undefined ? beginIncident(world, trouble) : undefined;
  if (open.recorded !== trouble.incident) return undefined;
  if (open.closesAtMs !== undefined) {
    // A recorded course went on without what has helped here.
    if (trouble.incident !== undefined) return undefined;
    failVerification(world, open, trouble.atMs);
  }
  noteCause(open, trouble);
  open.results = [...open.results, ...(trouble.results ?? [])];
  return undefined;
}

function beginIncident(world: World, trouble: Trouble): Running | undefined {
  const { service, atMs, cause, confidence, incident } = trouble;
  const loaded = world.setup.policies.get(service);
  if (!loaded) return undefined;
  const { healed } = around(world, service);
  if (healed && atMs - healed.atMs <= relapseWithinMs) countFailure(world, { id: healed.incident, service }, atMs);
  const wellBeforeMs = atMs - loaded.policy.limits.backoff.reset_after;
  changeService(world, service, (known) => forgetOldTrouble(known, wellBeforeMs));
  const running: Running = {
    id: incident ?? `${service}-${atMs}`,
    ...(incident === undefined ? {} : { recorded: incident }),
    service,
    openedAtMs: atMs,
    cause,
    confidence,
    causeSinceMs: atMs,
    state: trouble.state,
    ladder: [],
    results: trouble.results ?? [],
    nextAtMs: atMs,
    closesAtMs: undefined,
    rounds: 0,
    attempted: false,
    lastSaid: '',
    entries: [{ atMs, kind: 'cause', cause, confidence }],
  };
  world.open.set(service, running);
  return running;
}

function noteCause(open: Running, { atMs, cause, confidence, state }: Trouble): void {
  const same = open.cause === cause;
  if (!same || open.confidence !== confidence) open.entries.push({ atMs, kind: 'cause', cause, confidence });
  if (!same) open.causeSinceMs = atMs;
  open.cause = cause;
  open.confidence = confidence;
  open.state = state;
  open.lastSaid = '';
}
