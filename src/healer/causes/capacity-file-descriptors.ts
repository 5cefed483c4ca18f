import type { Cause } from '../leaves.ts';
import { factOf, factsOf, isAlive, sentences } from './read-case.ts';

/** Beyond that a busy moment uses up the rest. */
const nearShare = 0.95;

/**
 * Certain when a process holds every descriptor that it may; likely when nearly all and its log complains, or it goes on
 * growing; possible when only the log says so.
 */
export const capacityFileDescriptors: Cause = {
  name: 'capacity.file_descriptors',
  suspect(file) {
    const held = factOf(file, 'descriptors');
    const said = factsOf(file, 'log').find((line) => line.word('signature').includes('descriptors'));
    const [open = 0, most = 0] = [held?.number('open'), held?.number('most')];
    const full = held !== undefined && open >= most;
    const growing = (held?.number('grown') ?? 0) > 0;
    const near = held !== undefined && open >= nearShare * most && (growing || said !== undefined);
    if (!isAlive(file) || (!full && !near && !said)) return undefined;
    const { name } = file.target;
    const pid = held?.number('pid');
    return {
      cause: 'capacity.file_descriptors',
      confidence: full ? 'certain' : near ? 'likely' : 'possible',
      subject: full || near ? `${held?.word('program')} (pid ${pid}), open files = ${most}` : name,
      sentence:
        full || near
          ? `${held?.word('program')} of ${name} holds ${open} of the ${most} files and connections open that it may${growing ? ', and goes on to open more' : ''}.`
          : `${name} said that it had no descriptor left; it has some again.`,
      because: sentences(held, said),
      against: [],
      remedy:
        full || near
          ? `For now, without a restart: prlimit --pid ${pid} --nofile=${2 * most}:${2 * most}; for good: LimitNOFILE= of its unit (rlimit_files of php-fpm).${growing ? ' It grows: find out what it does not close.' : ''}`
          : 'Count them while it happens: ls /proc/PID/fd | wc -l, against "Max open files" in /proc/PID/limits.',
      avoid: growing ? ['A higher limit alone only puts the same end off when it leaks.'] : [],
    };
  },
};
