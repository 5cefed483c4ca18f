/**
 * The application itself answers with errors, or its own log says why it could not: a fatal error, its memory limit, its
 * time limit. Whether something that it needs is behind that, the causes of dependencies say, and come first.
 */
import type { Suspect } from '../../core/diagnosis.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { factOf, fullStop, isAlive, logLine, sentences, type Fact } from './read-case.ts';
import { refusedFromOutside } from './read-log-words.ts';

/** What an application says when something that it needs does not answer; the fault is there then, not in the program. */
const outside =
  /connection refused|access denied for user|password authentication failed|WRONGPASS|NOAUTH|connection timed out|no such file or directory|too many connections|has gone away|SQLSTATE\[(?:HY000|08)|mysqli_(?:real_)?connect|RedisException|getaddrinfo|could not connect|couldn't connect|can't connect|Error establishing a database connection|ECONNREFUSED|ETIMEDOUT/i;

/** One error line is written every day somewhere: alone it says little of this trouble. */
const oftenEnough = 3;

/** Certain when most answers are errors and the log tells of a limit that ended a script; likely by two of: the answers, the log, an answer to the healer itself; possible by one. */
export const appError: Cause = {
  name: 'app.error',
  suspect(file) {
    if (!isAlive(file)) return undefined;
    const line = errorLine(file);
    const answer = factOf(file, 'http_answer');
    const probed = answer?.word('result') === 'status' && (answer.number('status') ?? 0) >= 500;
    const counted = file.symptom.kind === 'status_5xx';
    if (!counted && !probed && (line?.number('count') ?? 0) < oftenEnough) return undefined;
    const limit = line !== undefined && line.word('signature') !== 'php_fatal';
    const refusal = limit ? undefined : moreThan(line, refusedFromOutside(file));
    const elsewhere = refusal !== undefined || (line !== undefined && outside.test(line.text));
    const unread = line === undefined ? unreadLog(file) : undefined;
    return {
      cause: 'app.error',
      confidence: confidenceOf({ counted, probed, said: line !== undefined, limit, elsewhere: elsewhere || unread !== undefined }),
      subject: line?.word('file') || file.target.name,
      sentence: sentenceOf(file, line),
      because: sentences(counted && file.symptom.text, line, probed && answer, factOf(file, 'service_state')),
      against: sentences(!probed && answer?.word('result') === 'status' && answer, refusal, elsewhere && 'What the log says of is outside of the program: what it needs may be down.', unread),
      remedy: remedyOf(file, line),
      avoid: [`A restart of ${file.target.name}: the same page would fail again.`],
    };
  },
};

interface Signs {
  readonly counted: boolean;
  readonly probed: boolean;
  readonly said: boolean;
  readonly limit: boolean;
  readonly elsewhere: boolean;
}

function confidenceOf({ counted, probed, said, limit, elsewhere }: Signs): Suspect['confidence'] {
  if (elsewhere) return 'possible';
  // that most answers are errors only the proxy says: by its word alone nothing is likely
  if (counted && said) return limit ? 'certain' : 'likely';
  return probed && (counted || said) ? 'likely' : 'possible';
}

/** Of an error of the program there are more lines when it has one; a page that fails for want of something else says that each time. */
function moreThan(line: Fact | undefined, refusal: Fact | undefined): Fact | undefined {
  return (refusal?.number('count') ?? 1) >= (line?.number('count') ?? 1) ? refusal : undefined;
}

/** What is behind the errors stands in the log, and that could not be read in time. */
function unreadLog({ evidence }: CaseFile): string | undefined {
  const late = evidence.find(({ kind, facts, missing }) => kind === 'probe' && facts['probe'] === 'log-tail' && missing !== undefined);
  return late && `The log, which may tell of something outside of the program, was not read (${late.missing}).`;
}

/** Of the known lines the one that says most. */
function errorLine(file: CaseFile): Fact | undefined {
  const pool = factOf(file, 'fpm_pool')?.word('pool') ?? '';
  const own = (fact: Fact | undefined): Fact | undefined => (fact === undefined || pool === '' || isOf(pool, fact) ? fact : undefined);
  return own(logLine(file, 'php_memory_limit')) ?? own(logLine(file, 'php_time_limit')) ?? own(logLine(file, 'php_fatal'));
}

/** One log holds the words of all pools. */
function isOf(pool: string, { text }: Fact): boolean {
  const named = /\[pool ([^\]]{1,200})\]/.exec(text)?.[1];
  return named === undefined || named === pool;
}

function sentenceOf(file: CaseFile, line: Fact | undefined): string {
  const { name } = file.target;
  switch (line?.word('signature')) {
    case 'php_memory_limit':
      return `A script of ${name} needs more memory than PHP allows it (${mebibytes(limitOf(line) ?? 0)}): ${placeOf(line)}.`;
    case 'php_time_limit':
      return `A script of ${name} computes for longer than PHP allows it (${limitOf(line) ?? 0} s): ${placeOf(line)}.`;
    case 'php_fatal':
      return `The application behind ${name} ends with a fatal error in ${placeOf(line)}: ${fullStop(line.word('message').trim().slice(0, 160))}`;
    default:
      return `${name} runs, but the application itself answers with errors: ${fullStop(file.symptom.text)}`;
  }
}

function remedyOf({ target }: CaseFile, line: Fact | undefined): string {
  switch (line?.word('signature')) {
    case 'php_memory_limit':
      return oddLimit(limitOf(line) ?? 0)
        ? 'Correct memory_limit: it is so small that it must be a slip (a number without its M).'
        : `Look at what is loaded at ${placeOf(line)} (the place where it ended need not be the guilty one); raise memory_limit only where (workers × memory_limit) fits into RAM.`;
    case 'php_time_limit':
      return `Look for a loop at ${placeOf(line)}; raise max_execution_time only where the page may take so long.`;
    case 'php_fatal':
      return `Correct ${placeOf(line)}, or take its last change back (a new version, plugin or extension).`;
    default:
      return `Read the application's own error log, and look at what changed last: its code, a plugin, what it needs. Where ${target.name} logs PHP's errors is set by error_log in php.ini or in its pool.`;
  }
}

function placeOf(line: Fact): string {
  const number = line.number('line');
  return `${line.word('file').slice(0, 200)}${number === undefined || number === 0 ? '' : ` on line ${number}`}`;
}

/** A limit below what PHP itself takes. */
function oddLimit(bytes: number): boolean {
  return bytes <= 2 * 1024 ** 2;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)} MiB`;
}

/** The limit of memory in bytes, or of time in seconds. */
function limitOf(line: Fact): number | undefined {
  return line.number('bytes') ?? line.number('seconds');
}
