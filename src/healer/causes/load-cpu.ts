/**
 * The service's workers want to compute and have to wait for a processor. A busy machine alone says nothing: a worker
 * that sleeps, or waits for a database, does not need one.
 */
import type { Suspect } from '../../core/diagnosis.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { factOf, sentences, type Fact } from './read-case.ts';
import { calmDown, isLostOnTheWay, isStolen, isUnderPressure, nameOf, noProcessorIsFree, noRestart, ownUse, signsOfSlowness, stranger, waitsForProcessor } from './read-load.ts';

/** Of the last ten seconds somebody waited for a processor. */
const lasting = 0.5;
/** Of all processors. */
const muchOfAll = 0.4;

/** Certain when its threads are seen waiting, no processor is free, and somebody else is seen to have most of them. */
export const loadCpu: Cause = {
  name: 'load.cpu',
  suspect(file) {
    const machine = factOf(file, 'load');
    const own = waitsForProcessor(file);
    const signs = signsOfSlowness(file);
    if (!machine || !own || signs.length === 0) return undefined;
    if (!noProcessorIsFree(machine)) return undefined;
    const because = sentences(own, machine, ...signs);
    const other = stranger(file, 'cpu', muchOfAll);
    if (other && isLasting(machine)) return byOther(file, { other, machine, because: [other.text, ...because] });
    if (isStolen(machine)) return byHost(file, because);
    return byItself(file, { mine: ownUse(file, 'cpu', muchOfAll), because });
  },
};

/** Where the kernel keeps no pressure, the queue of those who could run says it. */
function isLasting(machine: Fact): boolean {
  if (machine.number('cpuSome') === undefined) return (machine.number('runnable') ?? 0) >= 2 * (machine.number('cores') ?? 1);
  return isUnderPressure(machine, 'cpu', lasting);
}

function byOther(file: CaseFile, { other, machine, because }: { readonly other: Fact; readonly machine: Fact; readonly because: readonly string[] }): Suspect {
  const { name } = file.target;
  return {
    cause: 'load.cpu',
    // what keeps connections from coming about may be another thing
    confidence: isLostOnTheWay(file) ? 'likely' : 'certain',
    subject: nameOf(other),
    sentence: `${other.word('what')}; what ${name} has to compute waits for a processor.`,
    because,
    against: [],
    remedy: calmDown(file, { consumer: other, resource: 'cpu', cores: machine.number('cores') ?? 1 }),
    avoid: [noRestart(file), 'More workers would only share the same processors.'],
  };
}

function byHost(file: CaseFile, because: readonly string[]): Suspect {
  const { name } = file.target;
  return {
    cause: 'load.cpu',
    confidence: 'likely',
    subject: 'the host of this virtual machine',
    sentence: `The host of this virtual machine takes its processors away, and what ${name} has to compute waits for them.`,
    because,
    against: [],
    remedy: 'Ask whoever runs the host for the processor time that was paid for (the column "st" of: vmstat 1 5), or move to another one.',
    avoid: [noRestart(file), 'A reboot does not change it either.'],
  };
}

function byItself(file: CaseFile, { mine, because }: { readonly mine: Fact | undefined; readonly because: readonly string[] }): Suspect {
  const { name } = file.target;
  return {
    cause: 'load.cpu',
    confidence: 'likely',
    subject: mine ? name : 'the processors',
    sentence: mine ? `${mine.word('what')}: ${name} itself has more to compute than the machine can.` : `What ${name} has to compute waits for a processor, and no single program has most of them.`,
    because: sentences(mine, ...because),
    against: [],
    remedy: mine ? `Find out which requests are expensive, and let fewer in until then.` : 'See who computes: top -o %CPU',
    avoid: [noRestart(file), 'More workers would only share the same processors.'],
  };
}
