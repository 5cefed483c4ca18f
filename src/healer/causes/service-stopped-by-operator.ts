import type { Cause } from '../leaves.ts';
import { commandLine, factOf, sentences, stateOf } from './read-case.ts';

/** Somebody stopped it on purpose, so nobody but a person starts it. What a package operation left stopped is none of that. */
export const serviceStoppedByOperator: Cause = {
  name: 'service.stopped_by_operator',
  suspect(file) {
    if (stateOf(file) !== 'stopped' || factOf(file, 'service_state')?.flag('stoppedByPackage')) return undefined;
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
