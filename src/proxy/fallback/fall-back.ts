/**
 * The answer that we invent when there is none: an honest status, in the form that the client can use, naming us
 * and the failure in Proxy-Status. Never 200, never cached, never instead of an answer that the backend gave.
 */
import { Readable } from 'node:stream';
import { incidentCode } from '../../core/ids.ts';
import type { FailureKind } from '../../core/failure.ts';
import type { Answer } from '../gateway-request.ts';
import type { Journey } from '../journey.ts';
import type { FallbackContent } from './content.ts';
import { chooseForm, type FallbackForm } from './choose-form.ts';
import { renderPage } from './page.ts';
import { renderProblem } from './problem.ts';

export type FallbackReason = 'hold_expired' | 'queue_full' | 'upstream_down' | 'failed';

/** Ends the journey with our own answer. */
export function fallBack(journey: Journey, reason: FallbackReason): Answer {
  journey.gateway.health.fellBack();
  const content = describe(journey, reason);
  const form = chooseForm(journey.request);
  journey.end(reason);
  return answerOf(form, content, journey.request.method === 'HEAD');
}

function describe({ request, gateway, note }: Journey, reason: FallbackReason): FallbackContent {
  const state = gateway.gate.state;
  const kind = kindOf(note.failure?.kind ?? (state.kind === 'open' ? undefined : state.failure), reason);
  const incident = state.kind === 'open' ? undefined : state.incident;
  // a replay that waits, or was not sent, changes nothing about the first attempt
  const sent = note.replays > 0 || (reason === 'failed' && note.failure !== undefined && note.failure.resend !== 'always');
  const idempotent = request.method === 'GET' || request.method === 'HEAD';
  return {
    status: note.failure?.source === 'downstream' ? 408 : gateway.config.fallback.status === 'exact' ? exactStatus(kind) : 503,
    kind,
    title: gateway.config.fallback.title,
    sentence: state.kind === 'open' || state.say === '' ? sentenceFor(kind, reason) : `${sentenceFor(kind, reason)} ${capital(state.say)}.`,
    mayHaveBeenProcessed: sent && !idempotent,
    code: incident ? incidentCode(incident) : request.id,
    retryAfterSeconds: Math.max(1, Math.ceil((state.kind === 'open' ? 5000 : (state.estimateMs ?? 10_000)) / 1000)),
    contact: gateway.config.fallback.contact,
    refresh: request.method === 'GET',
  };
}

function kindOf(failure: FailureKind | undefined, reason: FallbackReason): FailureKind {
  if (reason === 'queue_full' || (reason === 'hold_expired' && failure === undefined)) return 'connection_limit_reached';
  return failure ?? 'destination_unavailable';
}

function exactStatus(kind: FailureKind): FallbackContent['status'] {
  switch (kind) {
    case 'destination_unavailable':
    case 'connection_limit_reached':
      return 503;
    case 'connection_timeout':
    case 'connection_write_timeout':
    case 'http_response_timeout':
    case 'dns_timeout':
      return 504;
    case 'proxy_configuration_error':
    case 'proxy_internal_error':
      return 500;
    default:
      return 502;
  }
}

function sentenceFor(kind: FailureKind, reason: FallbackReason): string {
  if (reason === 'queue_full') return 'Very many people are waiting at the moment.';
  if (kind === 'connection_limit_reached' || kind === 'http_response_timeout' || kind === 'connection_timeout') return 'The site takes too long to answer at the moment.';
  return 'The site is not available at the moment.';
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function answerOf(form: FallbackForm, content: FallbackContent, headOnly: boolean): Answer {
  const { type, text, extra } = form === 'html' ? renderPage(content) : form === 'problem_json' ? renderProblem(content) : { type: undefined, text: '', extra: [] };
  const body = Buffer.from(text, 'utf8');
  const rawHeaders = [
    ...(type ? ['Content-Type', type] : []),
    'Content-Length',
    String(body.length),
    'Cache-Control',
    'no-store',
    'Retry-After',
    String(content.retryAfterSeconds),
    'Proxy-Status',
    `goodgateway; error=${content.kind}`,
    'Vary',
    'Accept, Sec-Fetch-Mode, Sec-Fetch-Dest',
    'X-Content-Type-Options',
    'nosniff',
    'X-Goodgateway-Incident',
    content.code,
    ...extra,
  ];
  return { from: 'goodgateway', head: { status: content.status, rawHeaders, contentLength: body.length }, body: Readable.from(headOnly || body.length === 0 ? [] : [body]) };
}
