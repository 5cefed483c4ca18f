import type { GatewayConfig } from '../config/host-schema.ts';
import type { GatewayRequest } from './gateway-request.ts';

/**
 * How long a request may wait unsent, in all: not at all for health checks, less for fetch() and XHR, whose callers
 * give up sooner, `hold.for` for the rest. The time that it spends in the backend does not count.
 */
export function holdTimeMs(request: GatewayRequest, { config: { hold } }: { readonly config: GatewayConfig }): number {
  if (isHealthCheck(request, hold)) return 0;
  return isFetch(request) ? Math.min(hold.fetch_for, hold.for) : hold.for;
}

/** A check of a load balancer or a monitor, by `hold.never`: it asks how things are, and is answered so. */
export function isHealthCheck(request: GatewayRequest, { never }: GatewayConfig['hold']): boolean {
  const path = request.target.split('?', 1)[0] ?? '';
  if (never.paths.includes(path)) return true;
  const agent = request.header('user-agent') ?? '';
  return never.user_agents.some((beginning) => agent.startsWith(beginning));
}

function isFetch(request: GatewayRequest): boolean {
  if (request.header('x-requested-with') === 'XMLHttpRequest') return true;
  const mode = request.header('sec-fetch-mode');
  return mode !== undefined && mode !== 'navigate';
}
