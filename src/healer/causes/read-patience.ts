/** Answers that came, but only after the gateway had given them up. */
import type { CaseFile } from '../leaves.ts';
import { counted, factOf, factsOf } from './read-case.ts';
import { stuckInKernel } from './read-stuck.ts';
import { sharedWait } from './read-waits.ts';

/** nginx's own limit: who waits for so long is not impatient. */
const patientMs = 60_000;
/** What takes so many times as long is no matter of a little more patience. */
const littleMore = 10;

export interface Impatience {
  readonly limitMs: number;
  /** Pages are seen at work for longer than the gateway waits, but not for ever. */
  readonly sure: boolean;
  /** Why the service is known to finish them, one sentence each. */
  readonly says: readonly string[];
}

/**
 * The gateway gave up more requests than there are busy workers, while others are idle: so nobody waited for a worker, and
 * those who took the other requests are free again. `undefined` where that is not so, where its workers wait for something
 * outside, or where the gateway is not impatient.
 */
export function finishedTooLate(file: CaseFile): Impatience | undefined {
  const { symptom, target } = file;
  const limitMs = target.responseTimeoutMs ?? Infinity;
  const workers = factOf(file, 'workers');
  const [busy, idle] = [workers?.number('busy') ?? 0, workers?.number('idle') ?? 0];
  if (!workers || idle === 0 || workers.number('stopped') !== 0) return undefined;
  if (symptom.kind !== 'http_response_timeout' || symptom.seenBy !== 'traffic' || limitMs >= patientMs || symptom.count <= busy) return undefined;
  if (sharedWait(file) || stuckInKernel(file)) return undefined;
  const late = factsOf(file, 'busy_page').filter((page) => (page.number('longestMs') ?? 0) > limitMs);
  const sure = late.length > 0 && late.every((page) => (page.number('longestMs') ?? 0) < littleMore * limitMs);
  const freed = `${counted(symptom.count, 'request')} got no answer in time, and ${busy} of ${workers.number('total') ?? 0} workers are busy: those that had the others have finished them.`;
  return { limitMs, sure, says: [symptom.text, workers.text, freed, ...late.map(({ text }) => text)] };
}
