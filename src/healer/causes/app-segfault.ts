import type { Cause } from '../leaves.ts';
import { factOf, isAlive, logLine, sentences } from './read-case.ts';
import { crashPlace } from './read-fault.ts';

/** As many in a minute as make an incident. */
const enough = 3;

/** Workers die by a fault again and again, and no single request is to blame. */
export const appSegfault: Cause = {
  name: 'app.segfault',
  suspect(file) {
    const deaths = factOf(file, 'worker_deaths');
    const count = deaths?.number('deaths') ?? 0;
    if (!deaths || count < enough || !isAlive(file)) return undefined;
    const { name } = file.target;
    const place = crashPlace(file);
    return {
      cause: 'app.segfault',
      confidence: 'certain',
      subject: name,
      sentence: `${count} workers of ${name} ended ${deaths.list('how').join(' or ')} in the last minute, and no single request can be blamed.`,
      because: sentences(deaths, place.fact, logLine(file, 'child_signalled'), factOf(file, 'service_state')),
      against: sentences(factOf(file, 'killed_worker')),
      remedy: `Take a core dump of a worker of ${name}, and look at what changed last: the code, the language's version, an extension.${place.remedy} A restart does not cure a fault in the program.`,
    };
  },
};
