/** A scenario as events of a simulation, and whether what was expected of it came. */
import type { Expected, ScenarioConfig, ScenarioEvent } from '../../config/scenario-schema.ts';
import type { Entry, SimulatedEvent, SimulatedIncident } from './events.ts';
import { simulate } from './simulate.ts';
import type { SimulationSetup } from './world.ts';

export interface PlayedScenario {
  readonly name: string;
  readonly incidents: readonly SimulatedIncident[];
  /** What did not come as expected, in the order of the events. */
  readonly unmet: readonly { readonly event: number; readonly text: string }[];
  /** How many events expected something. */
  readonly expected: number;
}

/** Plays one scenario. What an `expect` is about begins with its event and ends with the next one of the same service. */
export function playScenario(scenario: ScenarioConfig, setup: Omit<SimulationSetup, 'assume'>): PlayedScenario {
  const beginsMs = Date.parse(scenario.begins);
  const events = scenario.events.map((event) => eventOf(event, beginsMs));
  const endMs = beginsMs + (scenario.events.at(-1)?.at ?? 0) + scenario.lasts;
  const incidents = simulate(events, { ...setup, assume: scenario.assume }, endMs);
  const unmet = scenario.events.flatMap(({ service, at, expect }, i) => {
    if (expect === undefined) return [];
    const next = scenario.events.slice(i + 1).find((later) => later.service === service)?.at ?? Infinity;
    const entries = incidents.filter((one) => one.service === service).flatMap((one) => one.entries);
    const text = unmetOf(
      expect,
      // Of several events at one moment the last one decides, so the earlier ones cannot have done anything.
      entries.filter(({ atMs }) => atMs >= beginsMs + at && atMs < beginsMs + next),
    );
    return text === undefined ? [] : [{ event: i, text }];
  });
  return { name: scenario.name, incidents, unmet, expected: scenario.events.filter(({ expect }) => expect !== undefined).length };
}

function eventOf({ at, service, cause, confidence, state, action_results: results, well, pause, changing }: ScenarioEvent, beginsMs: number): SimulatedEvent {
  const atMs = beginsMs + at;
  if (well) return { kind: 'well', atMs, service, by: 'itself' };
  if (pause !== undefined) return { kind: 'paused', atMs, service, untilMs: atMs + pause, reason: 'the scenario says so' };
  if (changing !== undefined) return { kind: 'changing', atMs, service, ...(changing === false ? {} : { text: changing }) };
  // The schema has made sure that it is one of the four.
  return { kind: 'trouble', atMs, service, cause: cause ?? 'unknown', confidence, ...(state ? { state } : {}), results: results.map((each) => ({ helps: each === 'helps' })) };
}

function unmetOf(expect: Expected, entries: readonly Entry[]): string | undefined {
  const done = entries.filter((entry) => entry.kind === 'would');
  const came = `what came: ${describe(entries)}`;
  if (expect === 'nothing') return done.some(({ touches }) => touches) ? `expected nothing that touches the service; ${came}` : undefined;
  const gates = entries.flatMap((entry) => (entry.kind === 'refused' ? entry.gates.map(({ gate }) => gate) : []));
  const missing = (expect.refused_by ?? []).filter((gate) => !gates.includes(gate));
  const gaveUp = entries.some(({ kind }) => kind === 'gave_up');
  const rule = entries.map((entry) => ('rule' in entry ? entry.rule : undefined)).find((each) => each !== undefined);
  const wrong = [
    ...(expect.do !== undefined && expect.do.join() !== done.map(({ action }) => action).join() ? [`to do ${expect.do.join(', ')}`] : []),
    ...(missing.length > 0 ? [`a refusal by ${missing.join(' and ')}`] : []),
    ...(expect.rule !== undefined && expect.rule !== rule ? [`the rule "${expect.rule}"`] : []),
    ...(expect.gave_up !== undefined && expect.gave_up !== gaveUp ? [expect.gave_up ? 'to give up' : 'not to give up'] : []),
  ];
  return wrong.length === 0 ? undefined : `expected ${wrong.join(', and ')}; ${came}`;
}

function describe(entries: readonly Entry[]): string {
  const words = entries.flatMap((entry) => {
    if (entry.kind === 'would') return [entry.action];
    if (entry.kind === 'refused') return [`no ${entry.action} (refused by ${entry.gates.map(({ gate }) => gate).join(', ')})`];
    return entry.kind === 'cause' ? [] : [entry.kind.replace('_', ' ')];
  });
  return words.join(', ') || 'nothing';
}
