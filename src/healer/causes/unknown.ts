import type { CaseFile, Cause } from '../leaves.ts';
import { factOf, fullStop, isAlive, sentences } from './read-case.ts';

/** The last resort, always there: what was seen, without a guess. */
export const unknown: Cause = {
  name: 'unknown',
  suspect(file) {
    const { name } = file.target;
    const well = file.symptom.kind === 'asked';
    const again = betterNow(file);
    const unseen = file.evidence.filter((each) => each.missing !== undefined).map((each) => `${each.text} (${each.missing})`);
    return {
      cause: 'unknown',
      confidence: 'possible',
      subject: name,
      sentence: sentenceOf(file, again),
      because: sentences(file.symptom.text, again && factOf(file, 'http_answer'), again && factOf(file, 'workers')),
      against: unseen.slice(0, 8),
      remedy: again || well ? 'Nothing needs to be done now.' : 'Read the evidence and the logs of the service; a person must decide.',
    };
  },
};

function sentenceOf({ target: { name }, symptom }: CaseFile, again: string | undefined): string {
  if (symptom.kind === 'asked') return `Nothing is known to be wrong with ${name}.`;
  return again ? `${name} ${again}; what was seen before: ${fullStop(symptom.text)}` : `Why ${name} fails is not known: ${fullStop(symptom.text)}`;
}

/** A traffic summary's period: something was answered more lately than this. */
const lateMs = 1000;

/** A silence that is over, in words; `undefined` while nothing proves that it is. */
function betterNow(file: CaseFile): string | undefined {
  const { noProgressMs, completed, inFlight } = file.traffic;
  if (file.symptom.kind !== 'no_progress' || !isAlive(file)) return undefined;
  const probed = factOf(file, 'http_answer')?.word('result') === 'status';
  if (probed || (completed > 0 && noProgressMs < lateMs)) return 'answers again';
  const idle = factOf(file, 'workers')?.number('idle') ?? 0;
  return idle > 0 && inFlight === 0 ? 'has free workers again' : undefined;
}
