import type { Healer, Ward } from '../healer.ts';
import type { Incidents } from '../incidents.ts';

/** What an operator's request can reach. */
export interface OperatorPlace {
  readonly wards: ReadonlyMap<string, Ward>;
  readonly incidents: Incidents;
  readonly healer: Healer;
}
