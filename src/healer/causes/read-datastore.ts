import type { CaseFile, ServiceTarget } from '../leaves.ts';
import { logLine, type Fact } from './read-case.ts';

const names = /mysql|mariadb|percona/i;

/**
 * A line of MariaDB's or MySQL's own log. Any other service's log may have the same words in it, put there by whoever
 * asked for a page: there they are nobody's.
 */
export function databaseLine(file: CaseFile, signature: 'data_corrupt' | 'table_crashed' | 'database_start'): Fact | undefined {
  return isDatabase(file.target) ? logLine(file, signature) : undefined;
}

/** No gateway speaks HTTP or FastCGI with it, and its name, its program or its usual port says what it is. */
function isDatabase(target: ServiceTarget): boolean {
  if (target.protocol !== undefined) return false;
  return [target.name, controlledBy(target)].some((text) => names.test(text)) || target.upstreams.some(isUsual);
}

function isUsual(address: ServiceTarget['upstreams'][number]): boolean {
  return address.kind === 'tcp' ? address.port === 3306 : names.test(address.path);
}

function controlledBy({ config }: ServiceTarget): string {
  switch (config.type) {
    case 'systemd':
      return config.unit;
    case 'init':
      return config.script;
    case 'process':
      return config.start[0] ?? '';
    case 'docker':
      return config.container;
    case 'external':
      return '';
  }
}
