/** Memory is short: the service's processes wait for pages that have to come back from a disk. */
import type { Cause } from '../leaves.ts';
import { factOf, sentences } from './read-case.ts';
import { calmDown, isMemoryShort, nameOf, noRestart, ownUse, signsOfSlowness, stranger, waitsForPages } from './read-load.ts';

const littleLeft = 0.1;
const muchOfAll = 0.25;

/** Certain when the service itself is seen waiting for pages, and somebody else holds much of the memory. */
export const loadMemory: Cause = {
  name: 'load.memory',
  suspect(file) {
    const machine = factOf(file, 'load');
    const own = factOf(file, 'service_load');
    const stuck = factOf(file, 'stuck_processes');
    const signs = signsOfSlowness(file);
    if (!machine || signs.length === 0 || !isMemoryShort(machine)) return undefined;
    const waits = waitsForPages(file) !== undefined || stuck?.word('what') === 'memory';
    const [available = 0, all = 1] = [machine.number('availableBytes'), machine.number('memoryBytes')];
    if (!waits && available > littleLeft * all) return undefined;
    const { name } = file.target;
    const other = stranger(file, 'memory', muchOfAll);
    const mine = ownUse(file, 'memory', muchOfAll);
    const who = mine ?? other;
    return {
      cause: 'load.memory',
      confidence: waits && other && !mine ? 'certain' : 'likely',
      subject: other && !mine ? nameOf(other) : mine ? name : 'the memory of this machine',
      sentence: `${who ? `${who.word('what')}; memory` : 'Memory'} is short, and ${name} waits for it.`,
      because: sentences(other, mine, machine, waits && own, stuck?.word('what') === 'memory' && stuck, ...signs),
      against: [],
      remedy: mine
        ? `Give ${name} fewer workers, or the machine more memory.`
        : other
          ? calmDown(file, { consumer: other, resource: 'memory' })
          : 'See who holds it: ps -eo rss,user,pid,args --sort -rss | head',
      avoid: [noRestart(file), 'More workers need more memory still.'],
    };
  },
};
