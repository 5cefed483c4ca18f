import type { DoctorContext } from '../check.ts';
import { everywhere } from '../nginx/passes.ts';

/** Where servers write. The first path of a file system is the one that is named. */
export function pathsThatMatter({ configuration, nginx, pools }: Pick<DoctorContext, 'configuration' | 'nginx' | 'pools'>): readonly string[] {
  const temporary = (nginx ? ['client_body_temp_path', 'proxy_temp_path', 'fastcgi_temp_path'] : []).flatMap((name) => everywhere(nginx!, name).flatMap(({ words }) => words[0] ?? []));
  const logs = pools.flatMap((pool) => pool.global('error_log')?.value ?? []).map((file) => file.replace(/\/[^/]*$/, '') || '/');
  const own = configuration ? [configuration.host.audit.folder, configuration.host.state, configuration.host.runtime] : [];
  const usual = ['/', '/var/log', '/var/lib', '/var/lib/mysql', '/var/lib/php/sessions', '/var/www', '/tmp', '/run'];
  return [...new Set([...usual, ...own, ...temporary, ...logs])].filter((path) => path.startsWith('/'));
}
