/** What one GET / says: evidence `http_answer` with `result` status, timeout, junk or failure. */
import type { Evidence } from '../../core/diagnosis.ts';
import { formatAddress, type FailureKind } from '../../core/failure.ts';
import type { Probe } from '../leaves.ts';
import { answerOf } from './read-answer.ts';

const results: Partial<Record<FailureKind, 'timeout' | 'junk'>> = {
  connection_timeout: 'timeout',
  http_response_timeout: 'timeout',
  http_protocol_error: 'junk',
  http_response_header_size: 'junk',
  http_response_header_section_size: 'junk',
  http_response_transfer_coding: 'junk',
  http_response_content_coding: 'junk',
};

/** Applies to services that speak HTTP. Not asked while connections wait: one more would only lengthen the queue. */
export const httpAnswer: Probe = {
  name: 'http-answer',
  deadlineMs: 3500,
  quick: false,
  applies: (target) => target.protocol === 'http',
  async look(context) {
    const { target } = context;
    const base: Pick<Evidence, 'kind' | 'source'> = { kind: 'http_answer', source: `GET / at ${formatAddress(target.upstreams[target.current]!)}` };
    const answer = await answerOf(context);
    if (!answer) return [{ ...base, text: 'GET / was not tried.', facts: {}, missing: 'connections already wait to be accepted' }];
    if (answer.kind === 'answered') return [{ ...base, text: `GET / is answered with status ${answer.status}.`, facts: { result: 'status', status: answer.status } }];
    const { kind, detail, source } = answer.failure;
    if (source === 'internal') return [{ ...base, text: 'GET / was not finished.', facts: {}, missing: detail }];
    return [{ ...base, text: `GET /: ${detail}.`, facts: { result: results[kind] ?? 'failure', failure: kind } }];
  },
};
