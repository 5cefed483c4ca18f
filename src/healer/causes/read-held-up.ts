/** What holds a service's busy workers up, where that lies outside of them: there being none left is what follows from it. */
import type { CaseFile } from '../leaves.ts';
import { factOf, type Fact } from './read-case.ts';
import { metLimits } from './read-limit.ts';
import { isMemoryShort, noProcessorIsFree, waitsForPages, waitsForProcessor } from './read-load.ts';
import { stuckInKernel } from './read-stuck.ts';
import { sharedWait, waitsOf } from './read-waits.ts';

/**
 * What is seen of it, the nearest to the workers first; `undefined` where nothing is. One more worker would wait there,
 * too, and take its part of what is short.
 */
export function heldUpBy(file: CaseFile): Fact | undefined {
  const machine = factOf(file, 'load');
  return (
    sharedWait(file)?.fact ??
    stuckInKernel(file) ??
    waitsOf(file).find((wait) => wait.word('on') === 'disk' && (wait.number('count') ?? 0) * 2 >= (wait.number('busy') ?? Infinity)) ??
    metLimits(file)[0]?.limit ??
    (isMemoryShort(machine) ? waitsForPages(file) : undefined) ??
    (noProcessorIsFree(machine) ? waitsForProcessor(file) : undefined)
  );
}
