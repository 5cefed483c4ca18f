import type { Gateway } from './gateway.ts';
import type { GatewayRequest } from './gateway-request.ts';

/**
 * How long a request may wait unsent, in all: not at all for health checks, less for fetch() and XHR, whose callers
 * give up sooner, `hold.for` for the rest. The time that it spends in the backend does not count.
 */
export function holdTimeMs(request: GatewayRequest, { config }: Gateway): number {
  const { hold } = config;
  const path = request.target.split('?', 1)[0] ?? '';
  if (hold.never.paths.includes(path)) return 0;
  const agent = request.header('user-agent') ?? '';
  if (hold.never.user_agents.some((beginning) => agent.startsWith(beginning))) return 0;
  return isFetch(request) ? Math.min(hold.fetch_for, hold.for) : hold.for;
}

function isFetch(request: GatewayRequest): boolean {
  if (request.header('x-requested-with') === 'XMLHttpRequest') return true;
  const mode = request.header('sec-fetch-mode');
  return mode !== undefined && mode !== 'navigate';
}
