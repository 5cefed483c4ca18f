import type { CaseFile } from '../leaves.ts';
import { factOf, factsOf, type Fact } from './read-case.ts';

/**
 * Processes of the service that wait inside the kernel, when they are at least half of those that have something to do.
 * No signal ends them meanwhile, not even KILL: that is a slow or dead disk or file system, never a hung program.
 */
export function stuckInKernel(file: CaseFile): Fact | undefined {
  const stuck = factOf(file, 'stuck_processes');
  const count = stuck?.number('count') ?? 0;
  const busy = factOf(file, 'workers')?.number('busy') ?? (stuck?.number('total') ?? 0) - 1;
  return count > 0 && count * 2 >= busy ? stuck : undefined;
}

/** The kernel itself complains of one that is still stuck. */
export function hungTask(file: CaseFile): Fact | undefined {
  const stuck = factOf(file, 'stuck_processes')?.list('pids') ?? [];
  return factsOf(file, 'kernel').find((one) => one.word('what') === 'hung_task' && stuck.includes(String(one.number('pid'))));
}
