import type { Gateway } from './gateway.ts';
import type { GatewayRequest } from './gateway-request.ts';

/**
 * Until when a request may wait unsent (monotonic ms): not at all for health checks, less for fetch() and XHR,
 * whose callers give up sooner, `hold.for` for the rest.
 */
export function holdDeadline(request: GatewayRequest, { config }: Gateway, nowMs: number): number {
  const { hold } = config;
  const path = request.target.split('?', 1)[0] ?? '';
  if (hold.never.paths.includes(path)) return nowMs;
  const agent = request.header('user-agent') ?? '';
  if (hold.never.user_agents.some((beginning) => agent.startsWith(beginning))) return nowMs;
  return nowMs + (isFetch(request) ? Math.min(hold.fetch_for, hold.for) : hold.for);
}

function isFetch(request: GatewayRequest): boolean {
  if (request.header('x-requested-with') === 'XMLHttpRequest') return true;
  const mode = request.header('sec-fetch-mode');
  return mode !== undefined && mode !== 'navigate';
}
