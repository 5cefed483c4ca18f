/** A database or a cache refuses the account that the service has. Only its own words tell: we have no account to try. */
import type { Cause } from '../leaves.ts';
import { factsOf, sentences } from './read-case.ts';
import { answersErrors, logWord } from './read-log-words.ts';

/**
 * Likely when the service's log has the refusal of what it needs again and again, and its answers are errors; possible
 * when the line may be about somebody else (a visitor's login to a page that asks the database with it, a scan). Never
 * certain: the account may have been mended since.
 */
export const configCredentials: Cause = {
  name: 'config.credentials',
  suspect(file) {
    const line = logWord(file, 'accountRefused');
    // A database's own log tells of every stranger that knocks; only where a gateway leads is the line a client's word.
    if (!line || file.target.protocol === undefined) return undefined;
    const needed = factsOf(file, 'dependency_word');
    const user = line.word('user');
    const { name } = file.target;
    const times = line.number('count') ?? 1;
    const failing = answersErrors(file);
    return {
      cause: 'config.credentials',
      confidence: times > 1 && failing ? 'likely' : 'possible',
      subject: user || needed[0]?.word('name') || name,
      sentence: `What ${name} needs refuses its account${user ? ` ${user}` : ''}: the password, or the right to come from this host, is wrong.`,
      because: sentences(line, times > 1 && `It came ${times} times since ${name} was last well.`, failing && file.symptom.text, ...needed),
      against: sentences(times === 1 && 'It came only once.', !failing && `Nobody saw that the answers of ${name} are errors.`),
      remedy: `Hold the account that ${name} is configured with against the server's own: log in by hand as ${user || 'that user'} from this host.`,
      avoid: [`Do not restart ${name} or the server: both come back with the same account.`, 'Do not give the account more rights than it had.'],
    };
  },
};
