import type { Suspect } from '../../core/diagnosis.ts';
import { formatDuration } from '../../core/time.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { factOf, factsOf, isAlive, sentences, stateOf, type Fact } from './read-case.ts';
import { databaseLine } from './read-datastore.ts';
import { worksBut } from './read-dependency.ts';

/**
 * A start is under way, the service's own supervisor is about to make one, or a database mends itself before it takes
 * connections, this one or one that it needs: acting now would disturb it.
 */
export const serviceStarting: Cause = {
  name: 'service.starting',
  suspect(file) {
    const state = factOf(file, 'service_state');
    const supervisorMs = state?.number('supervisorActsInMs');
    const recovery = crashRecovery(file) ?? loading(file);
    if (stateOf(file) !== 'starting' && supervisorMs === undefined && !recovery) return neededStarts(file);
    const { name } = file.target;
    return {
      cause: 'service.starting',
      confidence: 'certain',
      subject: name,
      sentence:
        supervisorMs === undefined
          ? `${name} is ${!recovery ? 'starting' : loading(file) ? 'still loading or mending its data' : 'recovering from a crash'}.`
          : `${name} will be restarted by its own supervisor within ${formatDuration(supervisorMs)}.`,
      because: sentences(state, recovery),
      against: [],
      remedy: recovery ? 'Wait until it is ready; ended now it would begin again.' : 'Wait until it is ready.',
    };
  },
};

/** Something that it needs is still loading or mending its data, and says so itself. The service works again when that is done. */
function neededStarts(file: CaseFile): Suspect | undefined {
  const word = factsOf(file, 'dependency_word').find((fact) => fact.word('meaning') === 'starting');
  if (!word || !worksBut(file)) return undefined;
  const needed = word.word('name');
  return {
    cause: 'service.starting',
    confidence: 'certain',
    subject: needed,
    sentence: `${needed}, which ${file.target.name} needs, is still starting.`,
    because: sentences(word, factOf(file, 'service_state')),
    against: [],
    remedy: `Wait until ${needed} is ready; ended now it would begin again.`,
    avoid: [`Do not restart ${needed}, nor ${file.target.name}.`],
  };
}

/** It takes connections already, and says itself that it is not ready. */
function loading(file: CaseFile): Fact | undefined {
  const word = factOf(file, 'own_word');
  return word?.word('meaning') === 'starting' && isAlive(file) ? word : undefined;
}

/** The last word of InnoDB's start is that it recovers, the process is there, and nobody takes connections yet. */
function crashRecovery(file: CaseFile): Fact | undefined {
  const line = databaseLine(file, 'database_start');
  const alive = stateOf(file) === 'running' || stateOf(file) === 'starting';
  const connected = factOf(file, 'connect')?.word('result') === 'connected';
  return alive && !connected && line && /crash recovery/.test(line.text) ? line : undefined;
}
