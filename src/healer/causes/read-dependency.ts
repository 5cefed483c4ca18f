import type { CauseName, Suspect } from '../../core/diagnosis.ts';
import type { CaseFile } from '../leaves.ts';
import { factOf, factsOf, isAlive, logLine, sentences, type Fact } from './read-case.ts';
import { answersErrors, logWord } from './read-log-words.ts';
import { suspectWaitedFor } from './read-waits.ts';

/**
 * A suspicion when a service of this kind, which this one needs, is in trouble, while this one lives and takes
 * connections. Certain when that trouble is an open incident, or the needed service says itself that it cannot serve;
 * likely when it only took no connection just now; possible when it took one and said nothing. Of a service whose own
 * processes are stopped its dependencies are not the cause.
 */
export function suspectDependency(file: CaseFile, cause: CauseName, kind: 'database' | 'cache' | 'other'): Suspect | undefined {
  const refused = factsOf(file, 'dependency').filter((fact) => fact.word('kind') === kind);
  const words = factsOf(file, 'dependency_word').filter((fact) => fact.word('kind') === kind);
  // A refused connect is told once.
  const troubled = [...refused, ...words.filter((fact) => !refused.some((one) => one.word('name') === fact.word('name')) || says(fact))];
  // nobody says that it is in trouble, but the workers may wait for it
  if (troubled.length === 0) return suspectWaitedFor(file, cause, kind) ?? suspectRefused(file, cause, kind);
  if (!worksBut(file)) return undefined;
  const all = [...new Set(troubled.map((fact) => fact.word('name')))];
  const names = all.join(' and ');
  const { name } = file.target;
  const blocked = words.find((fact) => fact.word('meaning') === 'host_blocked');
  return {
    cause,
    confidence: troubled.some((fact) => fact.flag('incident') || says(fact)) ? 'certain' : troubled.every((fact) => fact.word('meaning') === 'silent') ? 'possible' : 'likely',
    subject: names,
    sentence: `${name} runs, but ${names}, which it needs, ${all.length === 1 ? 'is' : 'are'} in trouble${saying(troubled)}.`,
    because: sentences(...troubled, factOf(file, 'service_state'), factOf(file, 'workers')),
    against: [],
    remedy: blocked
      ? `Let ${names} forget its count: mariadb-admin flush-hosts. Then find who connects to it without a login: a check of the bare port does.`
      : `Heal ${names} first. Do not restart ${name}: it works again when they do.`,
  };
}

/** What a client of each of them is called in PHP. */
const clients = { database: /mysqli|PDOException|SQLSTATE|pg_connect/i, cache: /redis|memcache/i } as const;
const away = /connection refused|no such file or directory|connection timed out|can't connect|could not connect|has gone away|went away/i;

/** Its answers are errors, and its own log says that what it needs was not there: one sign, of which nobody says how old it is. */
function suspectRefused(file: CaseFile, cause: CauseName, kind: 'database' | 'cache' | 'other'): Suspect | undefined {
  if (kind === 'other' || file.target.protocol === undefined || !answersErrors(file) || !worksBut(file)) return undefined;
  const fatal = logLine(file, 'php_fatal');
  const line = logWord(file, kind === 'database' ? 'databaseAway' : 'cacheAway') ?? (fatal && clients[kind].test(fatal.text) && away.test(fatal.text) ? fatal : undefined);
  if (!line) return undefined;
  const { name } = file.target;
  return {
    cause,
    confidence: 'possible',
    subject: `the ${kind} of ${name}`,
    sentence: `${name} runs, but could not reach its ${kind}, as its own log says.`,
    because: sentences(line, file.symptom.text),
    against: [`Nobody saw whether that ${kind} is still away: no policy of this host says where it is.`],
    remedy: `See whether the ${kind} that ${name} is configured with runs and takes connections. Do not restart ${name}: it works again when that does.`,
  };
}

/** It lives and takes connections, and its processes are not stopped: what it needs can be the cause of its trouble. */
export function worksBut(file: CaseFile): boolean {
  const connect = factOf(file, 'connect');
  return isAlive(file) && (!connect || connect.word('result') === 'connected') && !isStopped(file);
}

/** Its own words, which no network and no load brings about. */
function says(fact: Fact): boolean {
  return ['starting', 'full', 'host_blocked', 'cannot_save'].includes(fact.word('meaning'));
}

const meanings: Readonly<Record<string, string>> = {
  starting: 'it is still starting',
  full: 'it has no connection left',
  host_blocked: 'it has shut this host out after too many connections without a login',
  cannot_save: 'it takes no writes, because it cannot save them',
};

function saying(troubled: readonly Fact[]): string {
  const found = troubled.map((fact) => meanings[fact.word('meaning')]).find((text) => text !== undefined);
  return found === undefined ? '' : `: ${found}`;
}

function isStopped(file: CaseFile): boolean {
  const processes = factOf(file, 'processes');
  const alive = (processes?.number('total') ?? 0) - (processes?.number('zombie') ?? 0);
  const workers = factOf(file, 'workers');
  const allWorkers = workers !== undefined && workers.number('stopped') === workers.number('total');
  return processes?.flag('frozen') === true || (alive > 0 && processes?.number('stopped') === alive) || allWorkers;
}
