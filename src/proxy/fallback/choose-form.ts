import type { GatewayRequest } from '../gateway-request.ts';

export type FallbackForm = 'html' | 'problem_json' | 'empty';

/**
 * HTML for a person who navigates, nothing for images, scripts, styles, event streams and gRPC, problem+json for
 * programs. By `Sec-Fetch-*` where the browser sends it, else by Accept; never by User-Agent.
 */
export function chooseForm(request: Pick<GatewayRequest, 'header'>): FallbackForm {
  const accept = request.header('accept') ?? '';
  if (accept.startsWith('text/event-stream') || (request.header('content-type') ?? '').startsWith('application/grpc')) return 'empty';
  const mode = request.header('sec-fetch-mode');
  if (mode === 'navigate') return 'html';
  const destination = request.header('sec-fetch-dest');
  if (destination !== undefined && destination !== 'empty' && destination !== 'document') return 'empty';
  if (mode !== undefined) return 'problem_json';
  if (/^(image|video|audio|font)\//.test(accept) || accept.startsWith('text/css')) return 'empty';
  return accept.includes('text/html') ? 'html' : 'problem_json';
}
