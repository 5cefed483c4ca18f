import type { CauseName, Suspect } from '../../core/diagnosis.ts';
import type { CaseFile } from '../leaves.ts';
import { factOf, factsOf, isAlive, sentences } from './read-case.ts';
import { suspectWaitedFor } from './read-waits.ts';

/**
 * A suspicion when a service of this kind, which this one needs, is in trouble, while this one lives and takes
 * connections. Certain when that trouble is an open incident; likely when it only took no connection just now. Of a
 * service whose own processes are stopped its dependencies are not the cause.
 */
export function suspectDependency(file: CaseFile, cause: CauseName, kind: 'database' | 'cache' | 'other'): Suspect | undefined {
  const troubled = factsOf(file, 'dependency').filter((fact) => fact.word('kind') === kind);
  const connect = factOf(file, 'connect');
  // nobody says that it is in trouble, but the workers may wait for it
  if (troubled.length === 0) return suspectWaitedFor(file, cause, kind);
  if (!isAlive(file) || (connect && connect.word('result') !== 'connected') || isStopped(file)) return undefined;
  const names = troubled.map((fact) => fact.word('name')).join(' and ');
  const { name } = file.target;
  return {
    cause,
    confidence: troubled.some((fact) => fact.flag('incident')) ? 'certain' : 'likely',
    subject: names,
    sentence: `${name} runs, but ${names}, which it needs, ${troubled.length === 1 ? 'is' : 'are'} in trouble.`,
    because: sentences(...troubled, factOf(file, 'service_state'), factOf(file, 'workers')),
    against: [],
    remedy: `Heal ${names} first. Do not restart ${name}: it works again when they do.`,
  };
}

function isStopped(file: CaseFile): boolean {
  const processes = factOf(file, 'processes');
  const alive = (processes?.number('total') ?? 0) - (processes?.number('zombie') ?? 0);
  const workers = factOf(file, 'workers');
  const allWorkers = workers !== undefined && workers.number('stopped') === workers.number('total');
  return processes?.flag('frozen') === true || (alive > 0 && processes?.number('stopped') === alive) || allWorkers;
}
