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

/**
 * Where a php-fpm pool lets PHP itself log; `undefined`: in the master's log, or where php.ini says. The pool's user
 * writes it, so no line of it is a master's word.
 */
export function phpLogOf(target: ServiceTarget): string | undefined {
  return target.protocol === 'fastcgi' ? readFpmPool(target)?.phpLog : undefined;
}
