import type { FailureKind } from '../../core/failure.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { currentAddress, factOf, isAlive, logLine, sentences } from './read-case.ts';

/** Answers came, but no answer that means anything. A cut one is not among them: a dying worker cuts answers too. */
const badAnswers: readonly (FailureKind | string)[] = [
  'http_protocol_error',
  'http_response_header_section_size',
  'http_response_header_size',
  'http_response_transfer_coding',
  'http_response_content_coding',
];

/** Certain when both the visitors' requests and the healer's own were answered with junk. */
export const appBadResponse: Cause = {
  name: 'app.bad_response',
  suspect(file) {
    const answer = factOf(file, 'http_answer');
    const probed = answer?.word('result') === 'junk';
    const seen = badAnswers.includes(file.symptom.kind);
    // nginx's own buffers are small: that is config.buffer_size first
    const nginxBuffer = file.symptom.seenBy === 'nginx_log' && file.symptom.kind === 'http_response_header_section_size';
    if (!isAlive(file) || (!probed && !seen)) return undefined;
    const { name } = file.target;
    return {
      cause: 'app.bad_response',
      confidence: nginxBuffer && !probed ? 'possible' : probed && seen ? 'certain' : 'likely',
      subject: name,
      sentence: `${name} runs and answers on ${currentAddress(file)}, but what it says is no valid answer.`,
      because: sentences(seen && file.symptom.text, probed && answer, factOf(file, 'service_state')),
      against: sentences(answer?.word('result') === 'status' && answer),
      remedy: remedy(file),
    };
  },
};

function remedy(file: CaseFile): string {
  const crashing = logLine(file, 'child_signalled');
  const look = `Look at what ${file.target.name} listens with on ${currentAddress(file)}, and at its last change`;
  return crashing ? `${look}; its log says: ${crashing.text}` : `${look}.`;
}
