import { highestLimit } from '../channel/messages.ts';
import { readFpmPool } from './probes/read-fpm-pool.ts';
import type { Healer, Ward } from './healer.ts';

/**
 * `concurrency: auto`: tells the gateways of a php-fpm how many workers there are, so that the rest wait in the
 * gateway's queue instead of php-fpm's. The number is `pm.max_children` as the configuration files say it: php-fpm's
 * status page does not tell it. Where it cannot be read, nothing is ordered; where it has not changed, neither.
 */
export function limitGateways(ward: Ward, healer: Healer, mainPid: number | undefined): void {
  const target = ward.target();
  if (target.protocol !== 'fastcgi') return;
  const most = Math.min(readFpmPool(target, mainPid)?.maxChildren ?? 0, highestLimit);
  // php-fpm takes no 0 either: such a file is not what runs
  if (most === 0 || most === ward.workers) return;
  ward.workers = most;
  for (const { name, concurrency } of ward.gateways) if (concurrency === 'auto') healer.order({ type: 'limit', gateway: name, inFlight: most });
  healer.log.info({ service: ward.name, limit: most }, 'pm.max_children was read');
}
