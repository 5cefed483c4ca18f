import type { Cause } from '../leaves.ts';
import { commandLine, counted, factOf, sentences, stateOf, type Fact } from './read-case.ts';

/**
 * The kernel ended it for want of memory. Certain: its supervisor says so, or the kernel's log names the very process
 * that is dead. Who died is not always who had most of the memory, and the machine may have plenty where only a group's
 * own limit was reached.
 */
export const oomKilled: Cause = {
  name: 'oom.killed',
  suspect(file) {
    const state = factOf(file, 'service_state');
    const logged = factOf(file, 'oom_kill');
    if (stateOf(file) !== 'failed' || (!state?.flag('oomKilled') && !logged)) return undefined;
    const { name } = file.target;
    const start = commandLine(file.target, 'start');
    const where = logged?.word('scope') === 'group' ? `its control group ${logged.word('group')} had used up its memory limit` : 'memory ran out';
    return {
      cause: 'oom.killed',
      confidence: 'certain',
      subject: name,
      sentence: `${name} was ended by the kernel, because ${where}${eaten(logged)}.`,
      because: sentences(state, logged),
      against: [],
      remedy: `${start ? `Start it: ${start}` : `Start ${name}`}; then ${next(logged)}. It will happen again.`,
    };
  },
};

/** Who had most of it, where that was another program. */
function eaten(logged: Fact | undefined): string {
  const eater = eaterIn(logged);
  return eater ? `; most of it had ${eater.program} (${counted(eater.count, 'process', 'processes')})` : '';
}

function eaterIn(logged: Fact | undefined): { readonly program: string; readonly count: number } | undefined {
  const program = logged?.word('eater') ?? '';
  return program === '' || program === logged?.word('program') ? undefined : { program, count: logged?.number('eaterCount') ?? 1 };
}

function next(logged: Fact | undefined): string {
  const eater = eaterIn(logged);
  if (eater) return `give ${eater.program} less (fewer workers, or a memory limit of its own): it is not the dead one that took the memory`;
  return logged?.word('scope') === 'group'
    ? 'find what in it needs so much memory, or raise the limit of that group (MemoryMax=): the machine itself may have plenty'
    : 'find what needs so much memory, or raise its limit';
}
