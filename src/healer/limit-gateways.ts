import type { GatewayConfig } from '../config/host-schema.ts';
import { readFpmPool } from './probes/read-fpm-pool.ts';
import type { Healer, Ward } from './healer.ts';

/**
 * `concurrency: auto`: tells the gateways of a php-fpm how many workers there are, so that the rest wait in the
 * gateway's queue instead of php-fpm's. Where the pool cannot be read, no limit is ordered.
 */
export function limitGateways(ward: Ward, gateways: Readonly<Record<string, GatewayConfig>>, healer: Healer): void {
  const target = ward.target();
  if (target.protocol !== 'fastcgi') return;
  const pool = readFpmPool(target);
  if (pool?.maxChildren === undefined) return;
  ward.limit ??= pool.maxChildren;
  for (const { name } of ward.gateways) {
    if (gateways[name]?.concurrency === 'auto') healer.order({ type: 'limit', gateway: name, inFlight: pool.maxChildren });
  }
  healer.log.info({ service: ward.name, limit: pool.maxChildren }, 'pm.max_children was read');
}
