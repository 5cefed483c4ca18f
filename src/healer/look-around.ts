/** What a decision must know of the host beside the service: who else is changing it, and what else is in trouble. */
import type { Healer, Ward } from './healer.ts';
import type { ServiceState } from './leaves.ts';
import { quietSurroundings, type Surroundings } from './policy/surroundings.ts';

/** The surroundings of one service now. Never rejects: what cannot be found out hinders nobody, and is said where it matters. */
export async function lookAround(_ward: Ward, _state: ServiceState, _healer: Healer): Promise<Surroundings> {
  return quietSurroundings;
}
