import type { Cause } from '../leaves.ts';
import { factOf, factsOf, isAlive, sentences } from './read-case.ts';
import { manyKillers, otherKillers } from './read-killers.ts';

/**
 * One request that ends whatever worker takes it. Certain: each time it alone was in the worker that died by a fault.
 * Only possible where others do the same: then it is what they have in common, and app.segfault says so.
 */
export const appPoisonRequest: Cause = {
  name: 'app.poison_request',
  suspect(file) {
    const killers = factsOf(file, 'killed_worker');
    const last = killers.at(-1);
    if (!last || !isAlive(file)) return undefined;
    const others = otherKillers(file);
    const request = last.word('request');
    return {
      cause: 'app.poison_request',
      confidence: others < manyKillers ? 'certain' : 'possible',
      subject: request,
      sentence: `${request} ends the worker that takes it (${last.number('deaths') ?? 0} times ${last.list('how').join(' or ')}); ${file.target.name} itself is well.`,
      because: sentences(...killers, factOf(file, 'service_state')),
      against: sentences(factOf(file, 'worker_deaths')),
      remedy: `Find the fault in the program that answers ${request}: a core dump of the worker shows the place. Look at what changed last: the code, the language's version, an extension. A restart does not help: the next such request would end the next worker.`,
    };
  },
};
