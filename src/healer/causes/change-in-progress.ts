import type { Cause } from '../leaves.ts';
import { factOf, sentences } from './read-case.ts';

/** Somebody is changing the service itself at this moment: a job of systemd waits, a container is paused or replaced. */
export const changeInProgress: Cause = {
  name: 'change.in_progress',
  suspect(file) {
    const state = factOf(file, 'service_state');
    const changing = state?.word('changing');
    if (!changing) return undefined;
    const { name } = file.target;
    return {
      cause: 'change.in_progress',
      confidence: 'certain',
      subject: name,
      sentence: `Somebody is changing ${name}: ${changing}.`,
      because: sentences(state),
      against: [],
      remedy: 'Wait until the change is done; look who makes it if it does not end.',
    };
  },
};
