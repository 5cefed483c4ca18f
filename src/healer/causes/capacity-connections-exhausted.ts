/** A server has as many clients as it takes, so that the next one is refused. It works; whoever holds the connections is the question. */
import type { Suspect } from '../../core/diagnosis.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { factsOf, isAlive, sentences, type Fact } from './read-case.ts';
import { worksBut } from './read-dependency.ts';
import { logWord } from './read-log-words.ts';

/**
 * Certain when the server says so to our own look: one that the service needs, or the service itself; possible when only
 * the service's log has the words, and nobody said of which server or whether it goes on.
 */
export const capacityConnectionsExhausted: Cause = {
  name: 'capacity.connections_exhausted',
  suspect(file) {
    const isFull = (fact: Fact): boolean => fact.word('meaning') === 'full';
    const own = factsOf(file, 'own_word').find(isFull);
    const needed = factsOf(file, 'dependency_word').find(isFull);
    const line = logWord(file, 'tooManyClients');
    if (own && isAlive(file)) return suspicion(own, line);
    if (needed && worksBut(file)) return suspicion(needed, line);
    return line && worksBut(file) ? logged(file, line) : undefined;
  },
};

const limits: Readonly<Record<string, readonly [string, string]>> = {
  mysql: ['max_connections', "who holds them: mariadb -e 'SHOW FULL PROCESSLIST'"],
  postgres: ['max_connections', "who holds them: psql -c 'SELECT state, count(*) FROM pg_stat_activity GROUP BY 1'"],
  redis: ['maxclients', 'who holds them: redis-cli CLIENT LIST'],
};
const unknownLimit = ['the limit', 'who holds them in its list of clients'] as const;

const avoid = ['Do not restart it: it is busy, and its clients would come back at once.', 'Raise the limit only with the memory for it; a leak or a slow query fills any limit.'];

function suspicion(word: Fact, line: Fact | undefined): Suspect {
  const name = word.word('name');
  const [limit, look] = limits[word.word('speaks')] ?? unknownLimit;
  return {
    cause: 'capacity.connections_exhausted',
    confidence: 'certain',
    subject: `${limit} of ${name}`,
    sentence: `${name} has no connection left for another client (${limit}).`,
    because: sentences(word, line),
    against: [],
    remedy: `Look ${look}. Sleeping ones are a pool that is too large or a leak, waiting ones a lock or a slow query; the pools of all its clients together must stay below ${limit}.`,
    avoid,
  };
}

function logged(file: CaseFile, line: Fact): Suspect {
  const { name } = file.target;
  return {
    cause: 'capacity.connections_exhausted',
    confidence: 'possible',
    subject: name,
    sentence: `${name} was refused by a server that had no connection left.`,
    because: sentences(line),
    against: ['Nobody saw whether that server is still full.'],
    remedy: `Find out which server it was, and who holds its connections.`,
    avoid,
  };
}
