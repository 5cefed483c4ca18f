/** The same word in several programs' logs: which kinds of lines say that an account was refused, a limit reached, a name not found. */
import type { CaseFile } from '../leaves.ts';
import { factOf, logLine, type Fact } from './read-case.ts';

const kinds = {
  accountRefused: ['mysql_access_denied', 'postgres_login', 'redis_login'],
  tooManyClients: ['too_many_connections', 'mysql_too_many_connections', 'mysql_user_connections', 'postgres_connections', 'redis_max_clients'],
  nameUnresolved: ['host_not_found', 'name_not_resolved', 'dns_failed'],
  perAddressLimit: ['per_address_limit', 'nginx_limiting'],
  selinuxDenied: ['selinux_denied'],
  databaseAway: ['mysql_unreachable', 'mysql_gone_away', 'postgres_unreachable', 'mongo_failed'],
  cacheAway: ['redis_client', 'redis_read_timeout', 'memcached_failed'],
} as const;

/** The last line of the first of these kinds that the service's logs have. */
export function logWord(file: CaseFile, word: keyof typeof kinds): Fact | undefined {
  return kinds[word].map((kind) => logLine(file, kind)).find((line) => line !== undefined);
}

/** The words of a service that something which it needs refused it, or was not there. */
const refusals = ['accountRefused', 'tooManyClients', 'nameUnresolved', 'databaseAway', 'cacheAway'] as const;

/** What the log says most often of something that the service needs. */
export function refusedFromOutside(file: CaseFile): Fact | undefined {
  const lines = refusals.flatMap((word) => logWord(file, word) ?? []);
  return lines.toSorted((one, other) => (other.number('count') ?? 1) - (one.number('count') ?? 1))[0];
}

/** Are the service's answers errors, by the proxy's count or by an answer to ourselves? */
export function answersErrors(file: CaseFile): boolean {
  return file.symptom.kind === 'status_5xx' || (factOf(file, 'http_answer')?.number('status') ?? 0) >= 500;
}
