import { formatDuration } from '../../core/time.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { factOf, logLine, sentences, stateOf, type Fact } from './read-case.ts';

/**
 * A start is under way, the service's own supervisor is about to make one, or a database mends itself before it takes
 * connections: acting now would disturb it.
 */
export const serviceStarting: Cause = {
  name: 'service.starting',
  suspect(file) {
    const state = factOf(file, 'service_state');
    const supervisorMs = state?.number('supervisorActsInMs');
    const recovery = crashRecovery(file);
    if (stateOf(file) !== 'starting' && supervisorMs === undefined && !recovery) return undefined;
    const { name } = file.target;
    return {
      cause: 'service.starting',
      confidence: 'certain',
      subject: name,
      sentence:
        supervisorMs === undefined ? `${name} is ${recovery ? 'recovering from a crash' : 'starting'}.` : `${name} will be restarted by its own supervisor within ${formatDuration(supervisorMs)}.`,
      because: sentences(state, recovery),
      against: [],
      remedy: recovery ? 'Wait until it is ready; ended now it would begin again.' : 'Wait until it is ready.',
    };
  },
};

/** The last word of InnoDB's start is that it recovers, the process is there, and nobody takes connections yet. */
function crashRecovery(file: CaseFile): Fact | undefined {
  const line = logLine(file, 'database_start');
  const alive = stateOf(file) === 'running' || stateOf(file) === 'starting';
  const connected = factOf(file, 'connect')?.word('result') === 'connected';
  return alive && !connected && line && /crash recovery/.test(line.text) ? line : undefined;
}
