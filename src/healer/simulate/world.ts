/**
 * What a simulation remembers: the same history as the healer's, changed by the same functions, and what is going on
 * around the services. Changed in place by whoever plays; nothing of it leaves the process.
 */
import type { LoadedPolicy } from '../../config/load-policies.ts';
import type { SafetyConfig } from '../../config/safety-schema.ts';
import type { CauseName, Confidence } from '../../core/diagnosis.ts';
import { formatDuration } from '../../core/time.ts';
import type { ServiceState } from '../leaves.ts';
import { breakerState, withFailure, withSuccess } from '../policy/breaker-limits.ts';
import type { DecisionInput } from '../policy/decide.ts';
import type { ActionTable } from '../policy/gates.ts';
import type { Ladder } from '../policy/ladder.ts';
import type { HealingHistory, ServiceHistory } from '../policy/limits.ts';
import { supervisorGraceMs } from '../policy/others-first-gates.ts';
import { noHistory } from '../policy/remember.ts';
import type { Surroundings } from '../policy/surroundings.ts';
import { assumedDiagnosis, assumedState } from './assumed-service.ts';
import type { Entry, KnownResult } from './events.ts';

export interface SimulationSetup {
  /** By name. Who only observes is simulated as if it acted. */
  readonly policies: ReadonlyMap<string, LoadedPolicy>;
  readonly safety: SafetyConfig;
  readonly actions: ActionTable;
  /** What is taken for the result of a step that nothing tells. */
  readonly assume: 'helps' | 'fails';
}

/** What is going on around one service. */
export interface Circumstances {
  changing?: string;
  supervisorUntilMs?: number;
  /** Its last incident that a step of ours ended. */
  healed?: { readonly incident: string; readonly atMs: number };
  /** When its last incident ended, whoever ended it. */
  endedAtMs?: number;
}

/** One incident on its way through the simulation. */
export interface Running {
  /** Of this simulation; the recorded one where there is one. */
  readonly id: string;
  readonly recorded?: string;
  readonly service: string;
  readonly openedAtMs: number;
  cause: CauseName;
  confidence: Confidence;
  causeSinceMs: number;
  state: ServiceState['state'] | undefined;
  ladder: Ladder;
  results: readonly KnownResult[];
  /** When the next round is due; `Infinity`: only when something changes. */
  nextAtMs: number;
  /** A step helped: verification ends then. */
  closesAtMs: number | undefined;
  rounds: number;
  attempted: boolean;
  lastSaid: string;
  readonly entries: Entry[];
}

export interface World {
  readonly setup: SimulationSetup;
  history: HealingHistory;
  /** The open incident of each service. */
  readonly open: Map<string, Running>;
  readonly around: Map<string, Circumstances>;
}

export function emptyWorld(setup: SimulationSetup): World {
  const policies = new Map(
    [...setup.policies].map(([name, loaded]) => [name, { ...loaded, policy: { ...loaded.policy, mode: loaded.policy.mode === 'observe' ? 'act' : loaded.policy.mode } }] as const),
  );
  return { setup: { ...setup, policies }, history: { attempts: [], services: new Map(), host: { failures: [] } }, open: new Map(), around: new Map() };
}

/** Changes what is remembered of a service. */
export function changeService(world: World, name: string, change: (before: ServiceHistory) => ServiceHistory): void {
  const services = new Map(world.history.services).set(name, change(world.history.services.get(name) ?? noHistory));
  world.history = { ...world.history, services };
}

export function around(world: World, service: string): Circumstances {
  const known = world.around.get(service) ?? {};
  world.around.set(service, known);
  return known;
}

/** The last attempt of the incident did not help, or not for long; so many of them open the breaker. */
export function countFailure(world: World, { id, service }: { readonly id: string; readonly service: string }, nowMs: number): void {
  world.history = { ...world.history, host: withFailure(world.history, { id, service }, { config: world.setup.safety.breaker, nowMs }) };
}

/** The service is well: a breaker whose one try that was is closed. */
export function countSuccess(world: World, { id }: { readonly id: string }): void {
  world.history = { ...world.history, host: withSuccess(world.history, { id }) };
}

/** To be called before an attempt: if this is the one try of an open breaker, nobody else gets it. */
export function takeTry(world: World, nowMs: number): void {
  const state = breakerState(world.history, world.setup.safety.breaker, nowMs);
  if (state.kind === 'one_try') world.history = { ...world.history, host: { ...world.history.host, breaker: { ...state.breaker, tried: true } } };
}

/** What the policy is asked with, at this moment. */
export function decisionInput(world: World, running: Running, nowMs: number): DecisionInput {
  const { policies, safety, actions } = world.setup;
  const { policy, sha256 } = policies.get(running.service)!;
  const { supervisorUntilMs } = around(world, running.service);
  // the gate adds its grace to what the supervisor says; a recorded moment has it in it already
  const supervised = supervisorUntilMs !== undefined && supervisorUntilMs > nowMs ? { supervisorActsInMs: Math.max(0, supervisorUntilMs - nowMs - supervisorGraceMs) } : {};
  return {
    now: { wallMs: nowMs, monotonicMs: nowMs },
    incident: { id: running.id, service: running.service, openedAtMs: running.openedAtMs },
    policy,
    policySha256: sha256,
    safety,
    actions,
    diagnosis: assumedDiagnosis(running.service, running.cause, running.confidence),
    serviceState: { ...assumedState(running.cause, running.state), ...supervised },
    history: world.history,
    surroundings: surroundingsOf(world, running, nowMs),
    ladder: running.ladder,
    approvals: [],
    causeSinceMs: running.causeSinceMs,
  };
}

/** As the language's default, for a dependency that says nothing. */
const usualSettleMs = 30_000;

function surroundingsOf(world: World, running: Running, nowMs: number): Surroundings {
  const { policies } = world.setup;
  const { changing } = around(world, running.service);
  const dependencies = (policies.get(running.service)?.policy.depends_on ?? []).flatMap((service) => {
    const open = world.open.get(service);
    if (open) return [{ service, text: `${service} has an open incident since ${formatDuration(nowMs - open.openedAtMs)}` }];
    const untilMs = (world.around.get(service)?.endedAtMs ?? -Infinity) + (policies.get(service)?.policy.after_recovery?.settle ?? usualSettleMs);
    return untilMs > nowMs ? [{ service, text: `${service} was in trouble until a moment ago`, untilMs }] : [];
  });
  return { changes: changing === undefined ? [] : [{ text: changing }], unfit: [], dependencies };
}
