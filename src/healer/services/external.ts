import type { ServiceType } from '../leaves.ts';
import { configTestOf } from '../service-parts/config-tests.ts';
import { step } from '../service-parts/step-result.ts';

/** A service on another machine, or in somebody else's hands: reached, never controlled. */
export const external: ServiceType = {
  name: 'external',
  state: async () => ({ state: 'unknown', text: 'not controlled by goodgateway', pids: [], fence: '' }),
  can: () => false,
  control: async (target, verb) => step('failed', `${target.name} is external: goodgateway cannot ${verb} it`, performance.now()),
  configTest: configTestOf,
};
