import type { ServiceType } from '../leaves.ts';
import { step } from '../service-parts/step-result.ts';

/** A container, asked and controlled through the Engine's API. */
export const docker: ServiceType = {
  name: 'docker',
  state: async () => ({ state: 'unknown', text: 'not built yet', pids: [], fence: '' }),
  can: () => false,
  control: async () => step('failed', 'not built yet', performance.now()),
  configTest: () => undefined,
};
