import type { ServiceTarget } from '../leaves.ts';
import { readFpmPool } from './read-fpm-pool.ts';

/** Where the service writes: the logs that the policy names, else php-fpm's own error_log, or the captured output. */
export function logFilesOf(target: ServiceTarget): readonly string[] {
  const { config } = target;
  if (config.log) return config.log;
  const errorLog = target.protocol === 'fastcgi' ? readFpmPool(target)?.errorLog : undefined;
  if (errorLog) return [errorLog];
  if (config.type !== 'process' || config.pidfile) return [];
  return [config.output ?? `${target.stateFolder}/${target.name}.out`];
}
