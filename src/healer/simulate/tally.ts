/** What many simulated incidents say together. */
import type { ActionName, GateName } from '../../core/decision.ts';
import type { SimulatedIncident } from './events.ts';
import type { RecordedIncident } from './read-recorded.ts';

export interface Difference {
  readonly incident: string;
  readonly service: string;
  readonly would: readonly ActionName[];
  readonly done: readonly ActionName[];
}

export interface Tally {
  readonly incidents: number;
  /** What touches a service, by action. */
  readonly would: Readonly<Partial<Record<ActionName, number>>>;
  /** How many refusals there were, and which gates had a part in them: one refusal may be that of several gates. */
  readonly refused: number;
  readonly refusedBy: Readonly<Partial<Record<GateName, number>>>;
  readonly gaveUp: number;
  /** Steps whose result is an assumption. */
  readonly assumed: number;
  /** Where something else was done than would be now; only of recorded incidents. */
  readonly differences: readonly Difference[];
}

/** Pure arithmetic over the stories. */
export function tally(incidents: readonly SimulatedIncident[], recorded: ReadonlyMap<string, RecordedIncident>): Tally {
  const entries = incidents.flatMap((one) => one.entries);
  const refusals = entries.filter((entry) => entry.kind === 'refused');
  return {
    incidents: incidents.length,
    would: countOf(entries.flatMap((entry) => (entry.kind === 'would' && entry.touches ? [entry.action] : []))),
    refused: refusals.length,
    refusedBy: countOf(refusals.flatMap(({ gates }) => gates.map(({ gate }) => gate))),
    gaveUp: entries.filter(({ kind }) => kind === 'gave_up').length,
    assumed: entries.filter((entry) => entry.kind === 'would' && entry.result !== 'none' && entry.known === 'assumed').length,
    differences: incidents.flatMap((one) => differenceOf(one, one.id === undefined ? undefined : recorded.get(one.id))),
  };
}

/** What would be done to the service, in order. */
export function wouldDo({ entries }: SimulatedIncident): readonly ActionName[] {
  return entries.flatMap((entry) => (entry.kind === 'would' && entry.touches ? [entry.action] : []));
}

function differenceOf(incident: SimulatedIncident, recorded: RecordedIncident | undefined): readonly Difference[] {
  if (!recorded) return [];
  const would = wouldDo(incident);
  return would.join() === recorded.done.join() ? [] : [{ incident: recorded.id, service: recorded.service, would, done: recorded.done }];
}

function countOf<Name extends string>(names: readonly Name[]): Partial<Record<Name, number>> {
  const counts: Partial<Record<Name, number>> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
