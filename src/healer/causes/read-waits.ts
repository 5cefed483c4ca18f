/** What a service's busy workers wait for, where most of them wait for one thing outside of themselves. */
import type { CauseName, Suspect } from '../../core/diagnosis.ts';
import type { CaseFile } from '../leaves.ts';
import { currentListener, factOf, factsOf, isAlive, sentences, type Fact } from './read-case.ts';

/** Of the busy workers so many wait for the same: the others are on their way to it, or have just come from it. */
const most = 0.8;
/** Nothing comes, or too late: only then do its workers wait for longer than they always do. */
const slowness: readonly string[] = ['no_progress', 'http_response_timeout', 'connection_read_timeout', 'connection_timeout', 'unanswered_probe', 'destination_unavailable'];

/** Evidence `worker_waits`, what most wait for first. */
export function waitsOf(file: CaseFile): readonly Fact[] {
  return factsOf(file, 'worker_waits');
}

/** A wait that nearly all busy workers share, while the service is slow for its visitors, or has no worker left. */
export interface SharedWait {
  readonly fact: Fact;
  readonly on: 'address' | 'lock' | 'program';
  /** `10.0.0.5:3306`, or the policy's name of it; a file; a program. */
  readonly thing: string;
  /** Of an address: what is there. */
  readonly kind: string;
  /** Two signs: more than one worker, or every worker that there is. */
  readonly sure: boolean;
}

/** `undefined` for a service that is not slow: whoever looks at a healthy one sees a query at work, too. */
export function sharedWait(file: CaseFile): SharedWait | undefined {
  const [fact] = waitsOf(file).filter((one) => ['address', 'lock', 'program'].includes(one.word('on')));
  const on = fact?.word('on');
  if (!fact || !isAlive(file) || (on !== 'address' && on !== 'lock' && on !== 'program')) return undefined;
  const workers = factOf(file, 'workers');
  const full = workers !== undefined && workers.number('idle') === 0;
  if (!full && !slowness.includes(file.symptom.kind)) return undefined;
  // who holds what the others wait for is held up by something else, but is no worker more
  const count = (fact.number('count') ?? 0) + (fact.flag('holderIsWorker') ? 1 : 0);
  const busy = fact.number('busy');
  if (busy === undefined ? !asManyAsAsk(file, count) : count < most * busy) return undefined;
  return { fact, on, thing: fact.flag('known') ? fact.word('name') : fact.word('thing'), kind: fact.word('kind'), sure: full || count > 1 };
}

/** How many threads are busy nobody can tell; how many requests are inside the gateway can, and that more wait the kernel. */
function asManyAsAsk(file: CaseFile, count: number): boolean {
  const { inFlight } = file.traffic;
  // who waits in its queue may have given up: of those the gateway knows nothing any more
  const waiting = currentListener(file)?.number('queue') ?? 0;
  return count > 1 && (waiting > 0 || (inFlight > 0 && count >= most * inFlight));
}

/** A suspicion when most busy workers wait for an answer of something of this kind. Never certain: the asking may be at fault. */
export function suspectWaitedFor(file: CaseFile, cause: CauseName, kind: 'database' | 'cache' | 'other'): Suspect | undefined {
  const wait = sharedWait(file);
  if (wait?.on !== 'address' || wait.kind !== kind) return undefined;
  const { name } = file.target;
  const at = wait.fact.word('thing');
  const who = wait.fact.word('name');
  return {
    cause,
    confidence: wait.sure ? 'likely' : 'possible',
    subject: wait.thing,
    sentence: `${name} runs, but waits for ${who === '' ? at : `${who} at ${at}`}, which does not answer in time.`,
    because: sentences(wait.fact, factOf(file, 'workers'), file.symptom.text),
    against: sentences(...waitsOf(file).filter((fact) => fact.text !== wait.fact.text)),
    remedy: `Look at ${who === '' ? at : who} first: ${lookAt(kind, at)}. Do not restart ${name}: its next requests would wait there as well. A time-out of its own for that call keeps the other pages alive.`,
    avoid: [`More workers for ${name}: they would wait at ${at}, too.`],
  };
}

function lookAt(kind: 'database' | 'cache' | 'other', at: string): string {
  switch (kind) {
    case 'database':
      return 'which queries run, and what they wait for (SHOW FULL PROCESSLIST, or pg_stat_activity)';
    case 'cache':
      return 'does it answer at all, and which commands are slow (redis-cli SLOWLOG GET)';
    case 'other':
      return `does ${at} answer at all, and how fast`;
  }
}
