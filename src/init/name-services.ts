/** What stands behind backends → a name for each service: its policy's. */
import type { Behind } from './backend.ts';

interface Named {
  /** The gateway's. */
  readonly name: string;
  readonly behind: Behind;
}

/** In the order of the backends. Pools of one php-fpm share a name; two services never do. */
export function nameServices(backends: readonly Named[]): readonly string[] {
  const owners = new Map<string, string>();
  return backends.map((backend) => {
    const wanted = nameFor(backend);
    const identity = identityOf(backend);
    for (let count = 1; ; count++) {
      const name = count === 1 ? wanted : `${wanted}-${count}`;
      const owner = owners.get(name) ?? identity;
      if (owner !== identity) continue;
      owners.set(name, identity);
      return name;
    }
  });
}

/** As the configuration takes it: at most 64 characters, and some are left for a number behind it. */
export function plainName(text: string): string {
  return (
    text
      .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 60) || 'app'
  );
}

function nameFor({ behind, name }: Named): string {
  switch (behind.kind) {
    case 'php':
      return behind.found.unit?.replace(/\.service$/, '') ?? (behind.found.version === undefined ? 'php-fpm' : `php${behind.found.version}-fpm`);
    case 'apache':
      return 'apache';
    case 'unit':
      return plainName(behind.unit.replace(/\.service$/, ''));
    case 'elsewhere':
      return name;
  }
}

function identityOf({ behind, name }: Named): string {
  switch (behind.kind) {
    case 'php':
      return `php ${behind.found.pool.main}`;
    case 'apache':
      return 'apache';
    case 'unit':
      return `unit ${behind.unit}`;
    case 'elsewhere':
      return `elsewhere ${name}`;
  }
}
