/**
 * Apache behind nginx and goodgateway, with PHP by mod_proxy_fcgi. mod_php is not installed for it: Debian's package would
 * turn the Apache of the whole machine to another way of working.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { killAll } from '../../e2e/topology.ts';
import { startApache, type Apache } from '../../support/apache.ts';
import { answersHello, answersLate } from '../../support/php-scripts.ts';
import { startPhpFpm } from '../../support/php-fpm.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import { httpStack, type HttpOptions, type HttpStack } from './http.ts';

export interface ApacheStack extends HttpStack {
  readonly apache: Apache;
  /** Kills every process of Apache, and waits for their end. */
  kill(): Promise<void>;
}

export async function apacheStack(t: TestScope, options: HttpOptions = {}): Promise<ApacheStack> {
  const fpm = await startPhpFpm(t, { maxChildren: 40 });
  const php = ['proxy', 'proxy_fcgi'].map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`);
  const apache = await startApache(t, { extra: [...php, `<FilesMatch \\.php$>`, `  SetHandler "proxy:${fpm.address}|fcgi://localhost"`, '</FilesMatch>'].join('\n') });
  for (const [name, text] of Object.entries({ 'hello.php': answersHello, 'late.php': answersLate })) writeFileSync(join(apache.docroot, name), text);
  const service = {
    type: 'process',
    pidfile: apache.pidfile,
    start: apache.startArgv,
    stop: { signal: 'TERM', timeout: '2s' },
    config_test: apache.configTestArgv,
    log: join(apache.folder, 'error.log'),
  };
  const stack = await httpStack(t, { policy: 'apache.yaml', name: 'apache', service, address: apache.address }, options);
  return { ...stack, apache, kill: () => killAll(apache) };
}
