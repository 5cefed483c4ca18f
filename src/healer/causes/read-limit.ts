/** Limits that were set for the service itself, or for one user, and that are met: how sure it is that they hold it back. */
import type { Confidence } from '../../core/diagnosis.ts';
import type { CaseFile } from '../leaves.ts';
import { factOf, factsOf, type Fact } from './read-case.ts';
import { ownPages, signsOfSlowness, waitsForProcessor } from './read-load.ts';

/** Of the periods of a quota. */
const oftenHeld = 0.5;

export interface MetLimit {
  readonly limit: Fact;
  readonly confidence: Confidence;
}

/** Evidence `tenant_limit` that hurts the service; a quota that nobody waits for, or memory that is given back, does not. */
export function metLimits(file: CaseFile): readonly MetLimit[] {
  return factsOf(file, 'tenant_limit').flatMap((limit) => {
    const confidence = confidenceIn(limit, file);
    return confidence ? [{ limit, confidence }] : [];
  });
}

function confidenceIn(limit: Fact, file: CaseFile): Confidence | undefined {
  const refused = (limit.number('refused') ?? 0) > 0;
  switch (limit.word('limit')) {
    case 'cpu':
      // a quota is also met by what nobody waits for
      if (signsOfSlowness(file).length === 0 || !waitsForProcessor(file)) return undefined;
      return (limit.number('heldShare') ?? 0) >= oftenHeld ? 'certain' : 'likely';
    case 'memory':
      // what was only read from files is given back: only pages that it needs again hurt, in a group that is full of files as well
      if (refusalOf(file, limit)) return 'certain';
      return signsOfSlowness(file).length > 0 && (factOf(file, 'service_load')?.number('majorFaultsPerS') ?? 0) >= ownPages ? 'likely' : undefined;
    default:
      if (refused || refusalOf(file, limit)) return 'certain';
      // as many as there may be, and none too few for anybody
      return signsOfSlowness(file).length > 0 ? 'likely' : 'possible';
  }
}

/** The kernel's own word about the same group. */
export function refusalOf(file: CaseFile, limit: Fact): Fact | undefined {
  const what = limit.word('limit') === 'memory' ? 'oom_kill' : 'fork_rejected';
  return factsOf(file, 'kernel').find((one) => one.word('what') === what && one.word('group') === limit.word('group'));
}
