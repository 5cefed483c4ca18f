/**
 * The application is slow by itself: its workers wait for a lock that one of them holds, for a program that they
 * started, or are all in one page. A database or an address that they wait for is a dependency's cause.
 */
import type { Suspect } from '../../core/diagnosis.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { whoAsks } from './read-access.ts';
import { counted, factOf, factsOf, isAlive, sentences, type Fact } from './read-case.ts';
import { finishedTooLate } from './read-patience.ts';
import { sharedWait, waitsOf, type SharedWait } from './read-waits.ts';

/** Nearly all busy workers in one page, and each for longer than a page may take. */
const most = 0.8;
const longMs = 2000;
/** One slow request is nobody's outage. */
const oftenEnough = 2;

/** Likely when the kernel shows what the workers wait for, or php-fpm that all are in one page; possible when only a log tells. */
export const appSlow: Cause = {
  name: 'app.slow',
  suspect(file) {
    if (!isAlive(file)) return undefined;
    const wait = sharedWait(file);
    if (wait?.on === 'lock') return lockHeld(file, wait);
    if (wait?.on === 'program') return programRuns(file, wait);
    return onePage(file) ?? slowInLog(file) ?? pagesSleep(file);
  },
};

function lockHeld(file: CaseFile, { fact, thing, sure }: SharedWait): Suspect {
  const holder = fact.number('holder');
  const session = thing.startsWith('a session file');
  return {
    ...base(file),
    confidence: sure ? 'likely' : 'possible',
    subject: thing,
    sentence: `The workers of ${file.target.name} wait for the lock on ${thing}${holder === undefined ? '' : `, which process ${holder} holds`}.`,
    because: sentences(fact, factOf(file, 'workers'), ...factsOf(file, 'busy_page').slice(0, 2)),
    remedy: `See what ${holder === undefined ? 'the holder of the lock' : `process ${holder}`} does${holder === undefined ? '' : ` (ls -l /proc/${holder}/fd)`}: the others go on when it lets go. ${session ? 'A page that has read its session may close it early (session_write_close).' : 'A lock is to be held for as short as can be.'} Do not restart.`,
    avoid: ['More workers: they would wait for the same lock.'],
  };
}

function programRuns(file: CaseFile, { fact, thing, sure }: SharedWait): Suspect {
  return {
    ...base(file),
    confidence: sure ? 'likely' : 'possible',
    subject: thing,
    sentence: `The workers of ${file.target.name} wait for the program ${thing}, which they started.`,
    because: sentences(fact, factOf(file, 'workers')),
    remedy: `See what ${thing} does and why it takes so long (ps -C ${/^[\w.-]{1,15}$/.test(thing) ? thing : 'NAME'} -o pid,etime,stat,args); start it outside of the request, or bound its time. Do not restart.`,
    avoid: [],
  };
}

function onePage(file: CaseFile): Suspect | undefined {
  const [page] = factsOf(file, 'busy_page');
  const [count, busy] = [page?.number('count') ?? 0, page?.number('busy') ?? 0];
  if (!page || count < oftenEnough || count < most * busy || (page.number('medianMs') ?? 0) < longMs) return undefined;
  return {
    ...base(file),
    confidence: 'likely',
    subject: page.word('page'),
    sentence: `${count} of ${busy} busy workers of ${file.target.name} are in one page, ${page.word('page')}, for up to ${Math.round((page.number('longestMs') ?? 0) / 1000)} s.`,
    because: sentences(page, whoAsks(file)?.says, factOf(file, 'workers'), ...factsOf(file, 'slow_trace').slice(0, 1), ...waitsOf(file).slice(0, 1)),
    remedy: `Find what makes ${page.word('page')} slow (request_slowlog_timeout = 5s names the line), or let fewer of it in at once. Do not restart.`,
    avoid: [],
  };
}

/** php-fpm's own word about pages that took too long: an old page may be in it, so it is a hint only. */
function slowInLog(file: CaseFile): Suspect | undefined {
  const [trace] = factsOf(file, 'slow_trace');
  if (!trace || (trace.number('count') ?? 0) < oftenEnough) return undefined;
  const full = factOf(file, 'workers')?.number('idle') === 0;
  return {
    ...base(file),
    confidence: full ? 'likely' : 'possible',
    subject: trace.word('script'),
    sentence: `${counted(trace.number('count') ?? 0, 'request')} of ${trace.word('script')} took too long for php-fpm, in ${trace.word('call')}.`,
    because: sentences(trace, factOf(file, 'workers'), ...waitsOf(file).slice(0, 1)),
    remedy: `Look at ${trace.word('at') || trace.word('script')}: ${advice[trace.word('waits')] ?? 'that is where it waits'}. Do not restart.`,
    avoid: [],
  };
}

/** Answers come too late, not for want of a worker, and whoever works does nothing: one sign, and no time to hold against. */
function pagesSleep(file: CaseFile): Suspect | undefined {
  const [wait] = waitsOf(file);
  const [count, busy] = [wait?.number('count') ?? 0, wait?.number('busy') ?? 0];
  const idle = factOf(file, 'workers')?.number('idle') ?? 0;
  if (file.symptom.kind !== 'http_response_timeout' || idle === 0 || wait?.word('on') !== 'sleep') return undefined;
  // that they do finish says more: then it is a matter of patience
  if (count < oftenEnough || count < most * busy || finishedTooLate(file)) return undefined;
  return {
    ...base(file),
    confidence: 'possible',
    subject: file.target.name,
    sentence: `${count} of ${busy} busy workers of ${file.target.name} sleep in their pages, and answers come too late.`,
    because: sentences(wait, factOf(file, 'workers'), file.symptom.text),
    remedy: 'Find the page that sleeps (request_slowlog_timeout = 5s names the line), and whether its gateway may wait longer. Do not restart.',
    avoid: [],
  };
}

const advice: Readonly<Record<string, string>> = {
  session: 'it waits for the lock of its session, which another page holds; session_write_close lets it go early',
  remote: 'it waits for another machine; give that call a time-out of a few seconds',
  database: 'it waits for the database; look at the query and its index',
  cache: 'it waits for the cache; give that call a time-out',
  lock: 'it waits for a lock on a file',
  sleep: 'it sleeps on purpose',
};

function base(file: CaseFile): Pick<Suspect, 'cause' | 'against'> {
  const others: readonly Fact[] = waitsOf(file).slice(1, 3);
  return { cause: 'app.slow', against: sentences(...others) };
}
