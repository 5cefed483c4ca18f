/** What one GET / says: evidence `http_answer` with `result` status, timeout, junk or failure. */
import type { Evidence } from '../../core/diagnosis.ts';
import { formatAddress, type FailureKind } from '../../core/failure.ts';
import { httpProbe } from '../../upstream/probe.ts';
import type { Probe } from '../leaves.ts';
import { listenersAt } from '../proc.ts';
import { socketsOf } from './read-once.ts';
import { queueOf } from './read-sockets.ts';

/** A healthy application may well take a second for its front page; visitors wait longer than three for nobody. */
const timeoutMs = 3000;

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
  async look(context, signal) {
    const { target } = context;
    const address = target.upstreams[target.current]!;
    const host = address.kind === 'tcp' ? formatAddress(address) : 'localhost';
    const base: Pick<Evidence, 'kind' | 'source'> = { kind: 'http_answer', source: `GET / at ${formatAddress(address)}` };
    const { tables, listeners } = socketsOf(context);
    const queue = listenersAt([address], listeners).reduce((sum, listener) => sum + queueOf(listener, tables), 0);
    if (queue > 0) return [{ ...base, text: 'GET / was not tried.', facts: {}, missing: 'connections already wait to be accepted' }];
    const answer = await httpProbe(address, { path: '/', host, timeoutMs, signal, tls: target.tls?.get(formatAddress(address)) });
    if (answer.kind === 'answered') return [{ ...base, text: `GET / is answered with status ${answer.status}.`, facts: { result: 'status', status: answer.status } }];
    const { kind, detail, source } = answer.failure;
    if (source === 'internal') return [{ ...base, text: 'GET / was not finished.', facts: {}, missing: detail }];
    return [{ ...base, text: `GET /: ${detail}.`, facts: { result: results[kind] ?? 'failure', failure: kind } }];
  },
};
