import type { Suspect } from '../../core/diagnosis.ts';
import type { FailureKind } from '../../core/failure.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { currentAddress, factOf, isAlive, logLine, sentences } from './read-case.ts';
import { isCut, ownRequestCut } from './read-cut.ts';
import { foreignBeside, strangerOf } from './read-stranger.ts';
import { isTooBig } from './read-too-big.ts';

/** Answers came, but no answer that means anything. A cut one is not among them: a dying worker cuts answers too. */
const badAnswers: readonly (FailureKind | string)[] = ['http_protocol_error', 'http_response_transfer_coding', 'http_response_content_coding'];

/**
 * Certain when both the visitors' requests and the healer's own were answered with junk; likely by one of them, or when
 * both were cut off before the answer. Only possible where the answer is well but too long for the gateway, and never
 * certain in another protocol: a restart, which is for sure junk, changes neither. Nor does it where somebody else listens.
 */
export const appBadResponse: Cause = {
  name: 'app.bad_response',
  suspect(file) {
    const answer = factOf(file, 'http_answer');
    const probed = answer?.word('result') === 'junk' && !isTooBig(answer.word('failure'));
    const seen = badAnswers.includes(file.symptom.kind);
    if (!isAlive(file)) return undefined;
    if (!probed && !seen) return tooLong(file) ?? cutOff(file);
    const { name } = file.target;
    const foreign = foreignBeside(file);
    return {
      cause: 'app.bad_response',
      confidence: foreign ? 'possible' : probed && seen && !strangerOf(file) ? 'certain' : 'likely',
      subject: name,
      sentence: `${name} runs and answers on ${currentAddress(file)}, but what it says is no valid answer.`,
      because: sentences(seen && file.symptom.text, probed && answer, factOf(file, 'service_state')),
      against: sentences(answer?.word('result') === 'status' && answer, foreign),
      remedy: remedy(file),
    };
  },
};

/** That is config.buffer_size first. */
function tooLong(file: CaseFile): Suspect | undefined {
  if (!isTooBig(file.symptom.kind)) return undefined;
  const { name } = file.target;
  return {
    cause: 'app.bad_response',
    confidence: 'possible',
    subject: name,
    sentence: `${name} runs, and sends answers with more headers than are taken from it.`,
    because: sentences(file.symptom.text),
    against: [],
    remedy: `See which page it is and what fills its headers. A restart of ${name} does not help.`,
  };
}

function cutOff(file: CaseFile): Suspect | undefined {
  const own = isCut(file.symptom.kind) ? ownRequestCut(file) : undefined;
  if (!own) return undefined;
  const { name } = file.target;
  return {
    cause: 'app.bad_response',
    confidence: 'likely',
    subject: name,
    sentence: `${name} takes connections on ${currentAddress(file)}, and ends each of them without an answer: protocol or port may be wrong, or it fails at every request.`,
    because: sentences(file.symptom.text, own, factOf(file, 'service_state')),
    against: [],
    remedy: remedy(file),
  };
}

function remedy(file: CaseFile): string {
  const crashing = logLine(file, 'child_signalled');
  const look = `Look at what ${file.target.name} listens with on ${currentAddress(file)}, and at its last change`;
  return crashing ? `${look}; its log says: ${crashing.text}` : `${look}.`;
}
