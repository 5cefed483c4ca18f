import { STATUS_CODES } from 'node:http';
import type { FallbackContent, Rendered } from './content.ts';
import type { PageLanguage } from './load-pages.ts';
import { wordingOf } from './wording.ts';

/**
 * The answer for programs. `detail` is for people, so it is in the language that the request asks for; everything that a
 * program decides by is the same in all.
 * @see https://www.rfc-editor.org/rfc/rfc9457.html
 */
export function renderProblem(content: FallbackContent, { tag, texts }: PageLanguage): Rendered {
  const { sentence } = wordingOf(content, texts);
  const problem = {
    type: 'about:blank',
    title: STATUS_CODES[content.status] ?? 'Service Unavailable',
    status: content.status,
    detail: content.mayHaveBeenProcessed ? `${sentence} ${texts.processed}` : sentence,
    error: content.kind,
    incident: content.code,
    retry_after: content.retryAfterSeconds,
    may_have_been_processed: content.mayHaveBeenProcessed,
  };
  return { type: 'application/problem+json', body: `${JSON.stringify(problem)}\n`, headers: ['Content-Language', tag] };
}
