import type { GatewayConfig } from '../config/host-schema.ts';
import type { PoolLimits } from '../upstream/connection-pool.ts';

/** Enough for what a busy site has in flight; more only wait for their second to be over. */
const keptForHttp = 64;
/** One worker in five stays free of us: for the status page, other sites of the pool, and requests that need a new connection. */
const reserveShare = 5;

/**
 * How many connections to the backend may be kept. A php-fpm whose size is not known keeps none: as many kept
 * connections as it has workers would starve everybody else.
 */
export function poolLimits({ protocol, keepalive }: Pick<GatewayConfig, 'protocol' | 'keepalive'>, served: number | undefined): PoolLimits {
  if (keepalive === 'none') return { kept: 0, served };
  if (protocol === 'http') return { kept: keepalive === 'auto' ? keptForHttp : keepalive, served };
  if (served === undefined) return { kept: keepalive === 'auto' ? 0 : keepalive, served };
  const withoutReserve = Math.max(0, served - Math.ceil(served / reserveShare));
  return { kept: keepalive === 'auto' ? withoutReserve : Math.min(keepalive, withoutReserve), served };
}
