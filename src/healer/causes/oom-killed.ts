import type { Cause } from '../leaves.ts';
import { commandLine, factOf, sentences, stateOf } from './read-case.ts';

/**
 * The kernel ended it for want of memory. Certain: its supervisor says so, or the kernel's log names the very process
 * that is dead.
 */
export const oomKilled: Cause = {
  name: 'oom.killed',
  suspect(file) {
    const state = factOf(file, 'service_state');
    const logged = factOf(file, 'oom_kill');
    if (stateOf(file) !== 'failed' || (!state?.flag('oomKilled') && !logged)) return undefined;
    const { name } = file.target;
    const start = commandLine(file.target, 'start');
    return {
      cause: 'oom.killed',
      confidence: 'certain',
      subject: name,
      sentence: `${name} was ended by the kernel, because memory ran out.`,
      because: sentences(state, logged),
      against: [],
      remedy: `${start ? `Start it: ${start}` : `Start ${name}`}; then find what needs so much memory, or raise its limit. It will happen again.`,
    };
  },
};
