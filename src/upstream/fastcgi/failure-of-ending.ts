import type { UpstreamFailure } from '../../core/failure.ts';
import { badAnswer, bodyCut, headCut, notTaken, type Progress } from '../classify-failure.ts';
import { protocolStatus } from './record.ts';

/** What an END_REQUEST means that does not end a complete answer. `status` is its protocol status. */
export function failureOfEnding(status: number, progress: Progress): UpstreamFailure {
  if (progress.phase === 'read_body') return bodyCut(progress);
  if (status === protocolStatus.requestComplete) return headCut(progress);
  if (status === protocolStatus.overloaded) return notTaken(progress, 'is overloaded and did not take the request (FastCGI OVERLOADED)');
  if (status === protocolStatus.cannotMultiplex) return notTaken(progress, 'did not take the request (FastCGI CANT_MPX_CONN)');
  const says = status === protocolStatus.unknownRole ? 'does not serve the Responder role (FastCGI UNKNOWN_ROLE)' : `ended the request with the unknown status ${status}`;
  return badAnswer(progress, 'http_protocol_error', says);
}
