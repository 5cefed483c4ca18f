import { momentMs } from './log-time.ts';
import type { Sighting } from './sightings.ts';

/** What belongs together in time, oldest first. */
export interface SightedIncident {
  readonly sightings: readonly Sighting[];
  /** Changes in the hour before, and while it lasted. */
  readonly triggers: readonly Sighting[];
}

/** A quarter of an hour without a known line is the end of a story. */
const gapMs = 15 * 60_000;
/** What changed in the hour before may have begun it. */
const triggerMs = 3_600_000;

/**
 * Sightings by time, split where nothing happened for a quarter of an hour. Times without a year are of the year that
 * most others have, else of `year`. What has no time at all belongs to the first incident. Noise begins no incident.
 */
export function groupIncidents(all: readonly Sighting[], year: number): readonly SightedIncident[] {
  const written = usualYear(all);
  const at = ({ time }: Sighting): number => (time ? momentMs(time, written ?? year) : -Infinity);
  const withYear = (sighting: Sighting): Sighting =>
    written !== undefined && sighting.time?.year === undefined && sighting.time ? { ...sighting, time: { ...sighting.time, year: written } } : sighting;
  const begins = ({ entry: { kind } }: Sighting): boolean => kind !== 'noise' && kind !== 'trigger';
  const sorted = all.map(withYear).toSorted((a, b) => (at(a) === at(b) ? a.line - b.line : at(a) - at(b)));
  const groups: Sighting[][] = [];
  let last = -Infinity;
  for (const sighting of sorted.filter(begins)) {
    const current = groups.at(-1);
    if (current && (at(sighting) - last <= gapMs || last === -Infinity)) current.push(sighting);
    else groups.push([sighting]);
    last = at(sighting);
  }
  const changes = sorted.filter(({ entry: { kind } }) => kind === 'trigger');
  return groups.map((sightings) => {
    const times = sightings.map(at).filter(Number.isFinite);
    const [from, to] = [Math.min(...times), Math.max(...times)];
    const near = (change: Sighting): boolean => !change.time || times.length === 0 || (at(change) >= from - triggerMs && at(change) <= to + 60_000);
    return { sightings, triggers: changes.filter(near).slice(-5) };
  });
}

function usualYear(all: readonly Sighting[]): number | undefined {
  const counts = new Map<number, number>();
  for (const { time, count } of all) if (time?.year !== undefined) counts.set(time.year, (counts.get(time.year) ?? 0) + count);
  return [...counts].toSorted((a, b) => b[1] - a[1])[0]?.[0];
}
