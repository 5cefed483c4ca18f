import type { Cause } from '../leaves.ts';
import { factOf, factsOf, isAlive, logLine, sentences } from './read-case.ts';
import { manyKillers, otherKillers } from './read-killers.ts';

/** As many in a minute as make an incident. */
const enough = 3;

/** Workers die by a fault again and again, and no single request is to blame. */
export const appSegfault: Cause = {
  name: 'app.segfault',
  suspect(file) {
    const deaths = factOf(file, 'worker_deaths');
    const killers = factsOf(file, 'killed_worker');
    const blamed = otherKillers(file) < manyKillers ? [] : killers;
    const seen = [...(deaths ? [deaths] : []), ...blamed];
    const count = seen.reduce((sum, fact) => sum + (fact.number('deaths') ?? 0), 0);
    if (count < enough || !isAlive(file)) return undefined;
    const how = [...new Set(seen.flatMap((fact) => fact.list('how')))].join(' or ');
    const { name } = file.target;
    return {
      cause: 'app.segfault',
      confidence: 'certain',
      subject: name,
      sentence: `${count} workers of ${name} ended ${how} in the last minute, and no single request can be blamed.`,
      because: sentences(deaths, ...blamed, logLine(file, 'child_signalled'), factOf(file, 'service_state')),
      against: sentences(blamed.length === 0 && killers[0]),
      remedy: `Take a core dump of a worker of ${name}, and look at what changed last: the code, the language's version, an extension. A restart does not cure a fault in the program.`,
    };
  },
};
