/**
 * Many services that began to fail within a short time are one cause, and not one that a restart mends. Who only
 * depends on another that is in trouble says nothing of its own. Pure, in monotonic milliseconds.
 */
import type { SafetyConfig } from '../../config/safety-schema.ts';
import type { Opening } from './limits.ts';

/** Every service under care, with what it depends on. */
export type Dependencies = ReadonlyMap<string, readonly string[]>;

/**
 * The services that began to fail within one window of `within` (half-open: exactly so long apart is apart), the most
 * that any window holds; empty when they are fewer than `at_least`, or than the share of all services.
 */
export function failingTogether(openings: readonly Opening[], dependencies: Dependencies, config: SafetyConfig['shared_cause']): readonly string[] {
  const own = markDependents(openings, dependencies)
    .filter(({ dependent }) => !dependent)
    .toSorted((a, b) => a.atMs - b.atMs);
  const windows = own.map(({ atMs }) => new Set(own.filter((other) => other.atMs >= atMs && other.atMs - atMs < config.within).map(({ service }) => service)));
  const largest = windows.reduce((most, window) => (window.size > most.size ? window : most), new Set<string>());
  // compared as shares: 7% of 100 is more than 7 in floating point
  const enough = largest.size >= config.at_least && largest.size / dependencies.size >= config.services;
  return enough ? [...largest] : [];
}

/** The openings; those that another one explains, now or when they were marked before, are marked. */
export function markDependents(openings: readonly Opening[], dependencies: Dependencies): readonly Opening[] {
  const failing = new Set(openings.map(({ service }) => service));
  return openings.map((opening) => (opening.dependent || isExplained(opening.service, failing, dependencies) ? { ...opening, dependent: true } : opening));
}

/** Does it need, directly or not, another one that fails? Two that need each other explain nothing. */
function isExplained(service: string, failing: ReadonlySet<string>, dependencies: Dependencies): boolean {
  return [...needed(service, dependencies)].some((other) => failing.has(other) && !needed(other, dependencies).has(service));
}

function needed(service: string, dependencies: Dependencies): ReadonlySet<string> {
  const found = new Set<string>();
  const open = [...(dependencies.get(service) ?? [])];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    open.push(...(dependencies.get(next) ?? []));
  }
  return found;
}
