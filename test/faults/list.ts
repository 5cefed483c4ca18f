/** The faults of the list, with their family, in its order. */
import { faultsOf, type ExpectedFault, type Family, type FaultName } from './expected.ts';

export interface ListedFault {
  readonly name: FaultName;
  readonly family: Family;
  readonly expected: ExpectedFault;
}

export const faults: readonly ListedFault[] = (Object.keys(faultsOf) as Family[]).flatMap((family) =>
  Object.entries(faultsOf[family]).map(([name, expected]) => ({ name: name as FaultName, family, expected })),
);

/** Those of `npm test`: over all families, fast, and with causes that need no long look. */
export const quick: readonly FaultName[] = ['php-master-killed', 'slow-page', 'socket-removed', 'port-changed', 'junk-answer', 'package-upgrade'];
