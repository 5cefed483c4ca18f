import type { CaseFile } from '../leaves.ts';
import { factOf, type Fact } from './read-case.ts';

/** Where the kernel saw workers crash, and what to do about that place, as a sentence; empty where it did not say. */
export function crashPlace(file: CaseFile): { readonly fact: Fact | undefined; readonly remedy: string } {
  const fact = factOf(file, 'kernel_fault');
  const object = fact?.word('object') ?? '';
  const owner = fact?.word('package') ?? '';
  if (object === '') return { fact, remedy: '' };
  if (owner === '') return { fact, remedy: ` The fault is in ${object}: switch it off if it is an extension.` };
  const back = fact?.flag('lately') ? `go back to its version before (apt list -a ${owner}; the last changes are in /var/log/dpkg.log)` : `look for a newer version (apt list -a ${owner})`;
  return { fact, remedy: ` The fault is in ${object} of the package ${owner}: ${back}, or switch it off if it is an extension.` };
}
