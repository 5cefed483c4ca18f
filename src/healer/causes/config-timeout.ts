/** A time limit, of the service's own configuration or of its gateway, ended requests that were still at work. */
import type { Suspect } from '../../core/diagnosis.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { factOf, isAlive, logLine, sentences } from './read-case.ts';
import { finishedTooLate } from './read-patience.ts';
import { sharedWait } from './read-waits.ts';

/** What visitors see of a worker that is ended in the middle. */
const cuts: readonly string[] = ['connection_terminated', 'http_response_incomplete', 'worker_died'];

/**
 * Certain when php-fpm says that its time limit ended a script, requests were cut off, and nothing else is known that the
 * script waited for; possible where only gunicorn's arbiter speaks: it ends whoever is silent, for whatever reason. Of the
 * gateway's limit: likely when php-fpm shows pages beyond it, possible when only the counts say that workers were freed.
 */
export const configTimeout: Cause = {
  name: 'config.timeout',
  suspect(file) {
    if (!isAlive(file)) return undefined;
    const pool = factOf(file, 'fpm_pool');
    const line = logLine(file, 'script_terminated');
    const cut = cuts.includes(file.symptom.kind);
    const ownLine = line !== undefined && (!pool || pool.word('pool') === line.word('pool'));
    const arbiter = cut ? logLine(file, 'worker_timeout') : undefined;
    if (!ownLine && !arbiter) return gatewayGaveUp(file);
    const { name } = file.target;
    const settings = factOf(file, 'fpm_timeouts');
    if (!ownLine) {
      return {
        cause: 'config.timeout',
        confidence: 'possible',
        subject: name,
        sentence: `${name} ended a worker that said nothing for longer than its time limit for workers.`,
        because: sentences(arbiter, file.symptom.text),
        against: [],
        remedy: `Find what the worker did for so long; raise the time limit of ${name}'s workers (gunicorn: --timeout) only where pages, or its own start, may take longer.`,
      };
    }
    const terminateMs = settings?.number('terminateMs') ?? 0;
    const otherCause = sharedWait(file) !== undefined || factOf(file, 'dependency') !== undefined;
    const setting = `request_terminate_timeout${terminateMs > 0 ? ` = ${terminateMs / 1000}s` : ''}`;
    const script = line.word('script').slice(0, 200);
    return {
      cause: 'config.timeout',
      confidence: !cut ? 'possible' : terminateMs > 0 && !otherCause ? 'certain' : 'likely',
      subject: setting,
      sentence: `php-fpm ends requests of ${name} that take longer than ${setting}; the last one was ${script}.`,
      because: sentences(line, settings, cut && file.symptom.text),
      against: sentences(otherCause && 'Something that its workers wait for is slow: a longer limit would only let them wait longer.'),
      remedy: `Find out whether ${script} may take so long: if it may (an export, an upload), raise request_terminate_timeout${pool ? ` in ${pool.word('file')}` : ''}; if not, find what makes it slow (request_slowlog_timeout names the line). A restart does not help.`,
      avoid: ['A shorter limit against slow pages: it cuts uploads and exports, too.'],
    };
  },
};

function gatewayGaveUp(file: CaseFile): Suspect | undefined {
  const late = finishedTooLate(file);
  if (!late) return undefined;
  const { name } = file.target;
  const limit = `${late.limitMs / 1000}s`;
  return {
    cause: 'config.timeout',
    confidence: late.sure ? 'likely' : 'possible',
    subject: `timeouts.response = ${limit}`,
    sentence: `The gateway before ${name} gives a request up after ${limit}, and ${name} finishes it later.`,
    because: sentences(...late.says),
    against: [],
    remedy: `Find out whether its pages may take so long: if they may, raise timeouts.response of its gateway in goodgateway.yaml; if not, find what makes them slow. A restart of ${name} does not help.`,
    avoid: [`A restart of ${name}: its pages would take as long.`],
  };
}
