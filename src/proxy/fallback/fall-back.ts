/**
 * The answer that we invent when there is none: an honest status, in the form and language that the client can use,
 * naming us and the failure in Proxy-Status. Never 200, never cached, never instead of an answer that the backend gave.
 */
import { Readable } from 'node:stream';
import type { Answer } from '../gateway-request.ts';
import type { Journey } from '../journey.ts';
import { chooseForm, chooseLanguage } from './choose-form.ts';
import type { FallbackContent, Rendered } from './content.ts';
import { describe, type FallbackReason } from './describe.ts';
import { renderPage } from './page.ts';
import { renderProblem } from './problem.ts';

/** Ends the journey with our own answer. */
export function fallBack(journey: Journey, reason: FallbackReason): Answer {
  const { gateway, request } = journey;
  gateway.health.fellBack(reason === 'shed');
  const content = describe(journey, reason);
  journey.note.sentStatus = content.status;
  journey.end(reason);
  return answerOf(content, render(content, journey), request.method === 'HEAD');
}

function render(content: FallbackContent, { request, gateway: { pages } }: Journey): Rendered | undefined {
  const form = chooseForm(request);
  if (form === 'empty') return undefined;
  // English is always among them
  const language = pages.languages.get(chooseLanguage(request, [...pages.languages.keys()]) ?? 'en')!;
  return form === 'html' ? renderPage(content, language, pages) : renderProblem(content, language);
}

function answerOf(content: FallbackContent, rendered: Rendered | undefined, headOnly: boolean): Answer {
  const body = Buffer.from(rendered?.body ?? '', 'utf8');
  const rawHeaders = [
    ...(rendered ? ['Content-Type', rendered.type] : []),
    'Content-Length',
    String(body.length),
    'Cache-Control',
    'no-store',
    'Retry-After',
    String(content.retryAfterSeconds),
    'Proxy-Status',
    `goodgateway; error=${content.kind}${content.details === undefined ? '' : `; details="${content.details}"`}`,
    'Vary',
    'Accept, Accept-Language, Sec-Fetch-Mode, Sec-Fetch-Dest',
    'X-Content-Type-Options',
    'nosniff',
    'X-Goodgateway-Incident',
    content.code,
    ...(rendered?.headers ?? []),
  ];
  return { from: 'goodgateway', head: { status: content.status, rawHeaders, contentLength: body.length }, body: Readable.from(headOnly || body.length === 0 ? [] : [body]) };
}
