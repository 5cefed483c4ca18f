import type { Cause } from '../leaves.ts';
import { commandLine, factOf, sentences, stateOf } from './read-case.ts';

/** Somebody stopped it on purpose, so nobody but a person starts it. */
export const serviceStoppedByOperator: Cause = {
  name: 'service.stopped_by_operator',
  suspect(file) {
    if (stateOf(file) !== 'stopped') return undefined;
    const { name } = file.target;
    const start = commandLine(file.target, 'start');
    return {
      cause: 'service.stopped_by_operator',
      confidence: 'certain',
      subject: name,
      sentence: `${name} was stopped on purpose.`,
      because: sentences(factOf(file, 'service_state')),
      against: [],
      remedy: start ? `When the work is done, start it: ${start}` : `When the work is done, start ${name}.`,
    };
  },
};
