/** Is it one request that ends its workers, or many of them? */
import type { CaseFile } from '../leaves.ts';
import { factOf, factsOf } from './read-case.ts';

/** Beside the last one so many others: no longer a matter of one request. */
export const manyKillers = 2;

/** Requests beside the last one in quarantine that were each alone in a worker when it ended, whether or not they were answered another time. */
export function otherKillers(file: CaseFile): number {
  const killers = new Set(factsOf(file, 'killed_worker').map((fact) => fact.word('request')));
  return Math.max(0, killers.size - 1) + (factOf(file, 'worker_deaths')?.number('suspects') ?? 0);
}
