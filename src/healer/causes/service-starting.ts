import { formatDuration } from '../../core/time.ts';
import type { Cause } from '../leaves.ts';
import { factOf, sentences, stateOf } from './read-case.ts';

/** A start is under way, or the service's own supervisor is about to make one: acting now would disturb it. */
export const serviceStarting: Cause = {
  name: 'service.starting',
  suspect(file) {
    const state = factOf(file, 'service_state');
    const supervisorMs = state?.number('supervisorActsInMs');
    if (stateOf(file) !== 'starting' && supervisorMs === undefined) return undefined;
    const { name } = file.target;
    return {
      cause: 'service.starting',
      confidence: 'certain',
      subject: name,
      sentence: supervisorMs === undefined ? `${name} is starting.` : `${name} will be restarted by its own supervisor within ${formatDuration(supervisorMs)}.`,
      because: sentences(state),
      against: [],
      remedy: 'Wait until it is ready.',
    };
  },
};
