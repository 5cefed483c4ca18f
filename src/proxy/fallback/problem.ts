import { STATUS_CODES } from 'node:http';
import type { FallbackContent } from './content.ts';

/** The answer for programs. @see https://www.rfc-editor.org/rfc/rfc9457.html */
export function renderProblem(content: FallbackContent): { type: string; text: string; extra: readonly string[] } {
  const problem = {
    type: 'about:blank',
    title: STATUS_CODES[content.status] ?? 'Service Unavailable',
    status: content.status,
    detail: content.mayHaveBeenProcessed ? `${content.sentence} The request may have been processed: look before you send it again.` : content.sentence,
    error: content.kind,
    incident: content.code,
    retry_after: content.retryAfterSeconds,
    may_have_been_processed: content.mayHaveBeenProcessed,
  };
  return { type: 'application/problem+json', text: `${JSON.stringify(problem)}\n`, extra: [] };
}
