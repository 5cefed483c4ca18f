/** What a decision must know of the host beside the service: who else is changing it, and what else is in trouble. */
import type { Healer, Ward } from './healer.ts';
import type { ServiceState } from './leaves.ts';
import { quietSurroundings, type Surroundings } from './policy/surroundings.ts';
import { sharedCause } from './shared-cause.ts';
import { troubledDependencies } from './surroundings/dependencies.ts';

/**
 * The surroundings of one service now. Never rejects: what cannot be found out hinders nobody, and a warning says so.
 * Of the reasons to pause only those that `safety.pause_when` lists are looked for.
 */
export async function lookAround(ward: Ward, state: ServiceState, healer: Healer): Promise<Surroundings> {
  const [host, otherHealer] = await Promise.all([healer.around?.host() ?? quietSurroundings, healer.around?.otherHealer()]);
  const together = sharedCause(healer);
  return {
    changes: [...host.changes, ...pendingJob(state, healer)],
    unfit: host.unfit,
    dependencies: troubledDependencies(ward, healer),
    ...(otherHealer ? { otherHealer } : {}),
    ...(together ? { sharedCause: together } : {}),
  };
}

function pendingJob({ changing }: ServiceState, { safety }: Healer): Surroundings['changes'] {
  return changing !== undefined && safety.pause_when.includes('unit_job_pending') ? [{ text: changing }] : [];
}
