import { z } from 'zod';
import type { Action } from '../leaves.ts';

const options = z.strictObject({});

/** Starts a service that does not run. Harmless when it runs already, so it needs no configuration test: a dead service cannot get worse. */
export const start: Action<z.output<typeof options>> = {
  name: 'start',
  reach: 'service',
  reversible: false,
  needs: 'likely',
  counts: true,
  budget: 'start',
  evidence: 'beside',
  configTest: false,
  options,
  perform: ({ target, serviceType, run, signal }) => serviceType.control(target, 'start', run, signal),
};
