import Negotiator from 'negotiator';
import type { GatewayRequest } from '../gateway-request.ts';

export type FallbackForm = 'html' | 'problem_json' | 'empty';

/** Browsers send a tenth of it; reading 128 KiB of commas would take longer than a full queue may answer. */
const readCharacters = 2000;

/**
 * HTML for a person who navigates, nothing for images, scripts, styles, event streams and gRPC, problem+json for
 * programs. By `Sec-Fetch-*` where the browser sends it (only to https), else by Accept; never by User-Agent.
 */
export function chooseForm(request: Pick<GatewayRequest, 'header'>): FallbackForm {
  if (/^application\/grpc/i.test(request.header('content-type') ?? '')) return 'empty';
  const mode = request.header('sec-fetch-mode');
  if (mode === 'navigate') return 'html';
  const destination = request.header('sec-fetch-dest');
  if (destination !== undefined && destination !== 'empty' && destination !== 'document') return 'empty';
  const preferred = preferredForm(request.header('accept') ?? '');
  // a script would put the page into its own
  return mode !== undefined && preferred === 'html' ? 'problem_json' : preferred;
}

/** The best of these languages for `Accept-Language`, `undefined` where none fits; the first where any does. */
export function chooseLanguage(request: Pick<GatewayRequest, 'header'>, available: readonly string[]): string | undefined {
  const wanted = request.header('accept-language')?.slice(0, readCharacters);
  return new Negotiator({ headers: { 'accept-language': wanted } }).language(available);
}

/** By the first type, best first, from which the kind of client can be told. */
function preferredForm(accept: string): FallbackForm {
  for (const type of new Negotiator({ headers: { accept: accept.slice(0, readCharacters) } }).mediaTypes()) {
    if (/^(text\/(html|\*)|application\/xhtml\+xml)$/i.test(type)) return 'html';
    if (/^(\*\/\*|application\/(.+\+)?json)$/i.test(type)) return 'problem_json';
    if (/^((image|video|audio|font)\/.+|text\/(css|event-stream|javascript)|application\/javascript)$/i.test(type)) return 'empty';
  }
  return 'problem_json';
}
