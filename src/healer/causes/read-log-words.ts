/** The same word in several programs' logs: which kinds of lines say that an account was refused, a limit reached, a name not found. */
import type { CaseFile } from '../leaves.ts';
import { logLine, type Fact } from './read-case.ts';

const kinds = {
  accountRefused: ['mysql_access_denied', 'postgres_login', 'redis_login'],
  tooManyClients: ['too_many_connections', 'mysql_too_many_connections', 'mysql_user_connections', 'postgres_connections', 'redis_max_clients'],
  nameUnresolved: ['host_not_found', 'name_not_resolved', 'dns_failed'],
  perAddressLimit: ['per_address_limit', 'nginx_limiting'],
  selinuxDenied: ['selinux_denied'],
} as const;

/** The last line of the first of these kinds that the service's logs have. */
export function logWord(file: CaseFile, word: keyof typeof kinds): Fact | undefined {
  return kinds[word].map((kind) => logLine(file, kind)).find((line) => line !== undefined);
}
