import type { Clock } from '../core/time.ts';
import type { SeenSummary, Ward } from './healer.ts';

/** Proxies summarise twice a second; one that has been silent for so long is gone, or nothing is asked through it. */
const freshForMs = 3000;
/** Two minutes of two gateways; older summaries fall out. */
const mostKept = 480;

/** Keeps a summary as it comes in. */
export function keepSummary(ward: Ward, summary: SeenSummary): void {
  ward.traffic.push(summary);
  if (ward.traffic.length > mostKept) ward.traffic.splice(0, ward.traffic.length - mostKept);
}

/** Does it say something about now? */
export function isFresh({ seenMs }: SeenSummary, clock: Clock): boolean {
  return clock.monotonicMs() - seenMs < freshForMs;
}

/** The newest summary of each gateway, as far as it says something about now. */
export function freshTraffic(ward: Ward, clock: Clock): readonly SeenSummary[] {
  const newest = new Map(ward.traffic.map((summary) => [summary.gateway, summary]));
  return [...newest.values()].filter((summary) => isFresh(summary, clock));
}
