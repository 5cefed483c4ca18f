/**
 * The processes are there and do nothing. Never concluded from time-outs alone: a pool whose workers are all busy
 * answers nobody either, and a restart would only lose what they are doing.
 */
import type { Confidence, Suspect } from '../../core/diagnosis.ts';
import { formatDuration } from '../../core/time.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { commandLine, currentListener, factOf, isAlive, sentences, stateOf } from './read-case.ts';

/** Above a quarter of one processor something is computing: slow, perhaps, but not hung. */
const idleCpuShare = 0.25;
/** How long nothing must have finished where the symptom itself is another one: the default of `hung_after`. */
const longSilenceMs = 15_000;

/** Certain when every process is stopped; likely when nothing finishes although there is room and the processor is idle. */
export const serviceHung: Cause = {
  name: 'service.hung',
  suspect(file) {
    const processes = factOf(file, 'processes');
    const stopped = processes?.number('stopped') ?? 0;
    const total = (processes?.number('total') ?? 0) - (processes?.number('zombie') ?? 0);
    // Leftovers of a dead service may be stopped too; that is not what keeps it from answering.
    if (!['running', 'frozen', 'unknown'].includes(stateOf(file))) return undefined;
    if (stateOf(file) === 'frozen' || processes?.flag('frozen') || (total > 0 && stopped === total)) {
      return suspicion(file, 'certain', processes?.flag('frozen') ? 'is frozen by its control group' : 'is stopped: every process is in state T');
    }
    if (!isAlive(file)) return undefined;
    const workers = factOf(file, 'workers');
    if (workers && workers.number('stopped') === workers.number('total')) return suspicion(file, 'likely', 'has only stopped workers (state T)');
    return hasRoom(file) ? noProgress(file) : undefined;
  },
};

function noProgress(file: CaseFile): Suspect | undefined {
  const { noProgressMs, inFlight } = file.traffic;
  const queue = currentListener(file)?.number('queue') ?? 0;
  const workers = factOf(file, 'workers');
  const answer = factOf(file, 'http_answer')?.word('result');
  const unanswered = answer === 'timeout';
  const silent = file.symptom.kind === 'no_progress' || noProgressMs >= longSilenceMs;
  if (!silent && !unanswered) return undefined;
  // Who answers a probe, or works on every request that came in, is slow at most.
  if (answer === 'status') return undefined;
  const untouched = workers !== undefined && inFlight > (workers.number('busy') ?? 0);
  if (queue === 0 && !untouched && !unanswered) return undefined;
  // Its own probe unanswered and connections piling up are two signs without any visitor.
  const twoSigns = silent || (unanswered && queue > 0);
  const computing = (factOf(file, 'processes')?.number('cpuShare') ?? 0) > idleCpuShare;
  const what = noProgressMs > 0 ? `has finished none of ${inFlight} ${inFlight === 1 ? 'request' : 'requests'} for ${formatDuration(noProgressMs)}` : 'runs but does not answer';
  return suspicion(file, twoSigns && !computing ? 'likely' : 'possible', what);
}

/** All workers taken, or as many requests inside as there may be: busy, not hung. */
function hasRoom(file: CaseFile): boolean {
  const { inFlight, limit } = file.traffic;
  const workers = factOf(file, 'workers');
  if (workers) return (workers.number('idle') ?? 0) > 0;
  return limit === undefined || inFlight < limit;
}

function suspicion(file: CaseFile, confidence: Confidence, what: string): Suspect {
  const { name } = file.target;
  const processes = factOf(file, 'processes');
  const listener = currentListener(file);
  const computing = (processes?.number('cpuShare') ?? 0) > idleCpuShare;
  const restart = commandLine(file.target, 'restart');
  const answer = factOf(file, 'http_answer');
  return {
    cause: 'service.hung',
    confidence,
    subject: name,
    sentence: `${name} ${what}.`,
    because: sentences(stateOf(file) === 'frozen' && factOf(file, 'service_state'), !computing && processes, (listener?.number('queue') ?? 0) > 0 && listener, factOf(file, 'workers'), answer?.word('result') === 'timeout' && answer, confidence !== 'certain' && file.symptom.text),
    against: sentences(computing && processes, answer?.word('result') === 'status' && answer),
    remedy: restart ? `Restart it: ${restart}` : `Stop ${name} (it may need KILL) and start it again.`,
  };
}
