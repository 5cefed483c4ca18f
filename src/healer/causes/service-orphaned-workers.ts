import type { Cause } from '../leaves.ts';
import { commandLine, factOf, logLine, sentences, stateOf } from './read-case.ts';

/** The master is dead and its workers hold the socket: whatever is started now cannot bind it. */
export const serviceOrphanedWorkers: Cause = {
  name: 'service.orphaned_workers',
  suspect(file) {
    const orphans = factOf(file, 'orphans');
    if (stateOf(file) !== 'failed' || !orphans) return undefined;
    const pids = orphans.list('pids');
    const { name } = file.target;
    const start = commandLine(file.target, 'start');
    return {
      cause: 'service.orphaned_workers',
      confidence: 'certain',
      subject: name,
      sentence: `The master process of ${name} is gone, but ${pids.length} of its workers still ${pids.length === 1 ? 'holds' : 'hold'} ${orphans.word('address')}, so that it cannot be started again.`,
      because: sentences(orphans, factOf(file, 'service_state'), logLine(file, 'already_listening')),
      against: [],
      remedy: `End the leftover workers first: kill -QUIT ${pids.join(' ')}${start ? `; then start it: ${start}` : ', then start it.'}`,
    };
  },
};
