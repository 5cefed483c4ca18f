/** Which failure it is when an exchange ends before its answer: a few cases of the failure table that need more than one fact. */
import type { UpstreamFailure } from '../../core/failure.ts';
import { headTimeout, internalFailure, requestBroken, writeTimeout, type Progress } from '../classify-failure.ts';
import type { AttemptOptions } from '../exchange.ts';
import type { BrokenBody } from './send-body.ts';

/** The body cannot be sent to its end, and its client is still there. */
export function bodyFailure(progress: Progress, why: Exclude<BrokenBody, { kind: 'client_gone' }>): UpstreamFailure {
  if (why.kind === 'wrong_length') return requestBroken(progress, why.detail);
  return internalFailure(progress, `the kept request body cannot be read: ${why.error.message}`, why.error);
}

/** Time is over and there is no head: because of the backend, which reads or answers no more, or of the client. */
export function lateHead(progress: Progress, options: AttemptOptions, { blocked, uploading }: { readonly blocked: boolean; readonly uploading: boolean }): UpstreamFailure {
  if (blocked) return writeTimeout({ ...progress, phase: 'send' }, options.idleTimeoutMs);
  if (uploading) return requestBroken({ ...progress, phase: 'send' }, `the client sent no more of its body for ${options.responseTimeoutMs} ms`);
  return headTimeout(progress, options.responseTimeoutMs);
}
