import type { Cause } from '../leaves.ts';
import { sentences } from './read-case.ts';

/** The last resort, always there: what was seen, without a guess. */
export const unknown: Cause = {
  name: 'unknown',
  suspect(file) {
    const { name } = file.target;
    const unseen = file.evidence.filter((each) => each.missing !== undefined).map((each) => `${each.text} (${each.missing})`);
    return {
      cause: 'unknown',
      confidence: 'possible',
      subject: name,
      sentence: `Why ${name} fails is not known: ${file.symptom.text}`,
      because: sentences(file.symptom.text),
      against: unseen.slice(0, 8),
      remedy: 'Read the evidence and the logs of the service; a person must decide.',
    };
  },
};
