/**
 * The processes are there and do nothing. Never concluded from time-outs alone: a pool whose workers are all busy
 * answers nobody either, and a restart would only lose what they are doing.
 */
import type { Confidence, Suspect } from '../../core/diagnosis.ts';
import { formatDuration } from '../../core/time.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { commandLine, counted, currentListener, factOf, isAlive, logLine, sentences, stateOf } from './read-case.ts';
import { isLostOnTheWay } from './read-load.ts';
import { stuckInKernel } from './read-stuck.ts';
import { sharedWait, waitsOf } from './read-waits.ts';

/** Above a quarter of one processor something is computing: slow, perhaps, but not hung. */
const idleCpuShare = 0.25;
/** How long nothing must have finished where the symptom itself is another one: the default of `hung_after`. */
const longSilenceMs = 15_000;
/** Whoever has just finished one, or has just been asked, is not silent. */
const leastSilenceMs = 2000;
/** A symptom of silence is old news once something finished more lately than this: a traffic summary's period. */
const freshSilenceMs = 1000;

/** Certain when every process is stopped; likely when nothing finishes, connections wait that nobody accepts, and the processor is idle. */
export const serviceHung: Cause = {
  name: 'service.hung',
  suspect(file) {
    const processes = factOf(file, 'processes');
    const stopped = processes?.number('stopped') ?? 0;
    const total = (processes?.number('total') ?? 0) - (processes?.number('zombie') ?? 0);
    // Leftovers of a dead service may be stopped too; that is not what keeps it from answering.
    if (!['running', 'frozen', 'unknown'].includes(stateOf(file))) return undefined;
    // Paused by somebody: frozen on purpose.
    if (factOf(file, 'service_state')?.word('changing')) return undefined;
    if (stateOf(file) === 'frozen' || processes?.flag('frozen') || (total > 0 && stopped === total)) {
      return suspicion(file, 'certain', processes?.flag('frozen') ? 'is frozen by its control group' : 'is stopped: every process is in state T');
    }
    if (!isAlive(file)) return undefined;
    const workers = factOf(file, 'workers');
    // The master only supervises: without a worker that may run nobody can be served, and no wait changes that.
    if (workers && workers.number('stopped') === workers.number('total')) return suspicion(file, 'certain', 'is stopped: every worker is in state T');
    return hasRoom(file) && !isInKernel(file) ? noProgress(file) : undefined;
  },
};

/**
 * Silence, or a probe without an answer, is one sign: a slow front page or one long request looks the same. What a
 * healthy service does not show beside it are connections that nobody accepts, or requests beside idle workers.
 */
function noProgress(file: CaseFile): Suspect | undefined {
  const { noProgressMs, inFlight } = file.traffic;
  const answer = factOf(file, 'http_answer')?.word('result');
  const silent = isSilent(file);
  const unanswered = answer === 'timeout' || file.symptom.kind === 'unanswered_probe';
  // Who answers a probe, or works on every request that came in, is slow at most.
  if ((!silent && !unanswered) || answer === 'status') return undefined;
  // 0: nobody waits for an answer just now, which says nothing
  const isBrief = noProgressMs > 0 && noProgressMs < (file.symptom.kind === 'no_progress' ? freshSilenceMs : leastSilenceMs);
  if (isBrief && file.symptom.kind !== 'unanswered_probe' && file.symptom.seenBy !== 'nginx_log') return undefined;
  const queue = currentListener(file)?.number('queue') ?? 0;
  // the kernel takes connections for a hung service, too, until its queue is full
  if (isLostOnTheWay(file) && queue === 0) return undefined;
  const workers = factOf(file, 'workers');
  const untouched = workers !== undefined && inFlight > (workers.number('busy') ?? 0);
  if (queue === 0 && !untouched && answer !== 'timeout') return undefined;
  const computing = (factOf(file, 'processes')?.number('cpuShare') ?? 0) > idleCpuShare;
  // that some requests were not answered in time, which is all that nginx tells, and a queue: so does a busy one look
  const onlyNginxSays = noProgressMs < longSilenceMs && file.symptom.seenBy === 'nginx_log' && workers === undefined;
  // how many requests are inside, and for how long, only the proxy says: whatever it claims, nothing is likely by its word alone
  // and whoever waits for an address or a lock goes on by itself when it comes
  const twoSigns = queue > 0 && !onlyNginxSays && !sharedWait(file) && !mayWait(file) && speaksAgainst(file).length === 0;
  const what = noProgressMs > 0 && !isBrief ? `has finished none of ${counted(inFlight, 'request')} for ${formatDuration(noProgressMs)}` : 'runs but does not answer';
  return suspicion(file, twoSigns && !computing ? 'likely' : 'possible', what);
}

/** How many workers there are is not known: the one that waits may be the only one. */
function mayWait(file: CaseFile): boolean {
  return !factOf(file, 'workers') && waitsOf(file).some((fact) => ['address', 'lock'].includes(fact.word('on')));
}

/** A full queue before a service that answers now and then, or says itself that its workers are all taken, is one of a busy service. */
function speaksAgainst(file: CaseFile): readonly string[] {
  const { completed } = file.traffic;
  const full = factOf(file, 'workers') ? undefined : logLine(file, 'max_children_reached');
  return sentences(full, completed > 0 && `${counted(completed, 'request was', 'requests were')} answered just now.`);
}

function isSilent({ symptom, traffic }: CaseFile): boolean {
  // no proxy sees the requests that nginx sends to the backend itself: that they were not answered, its log says
  if (symptom.seenBy === 'nginx_log' && symptom.kind === 'http_response_timeout') return true;
  if (symptom.kind !== 'no_progress') return traffic.noProgressMs >= longSilenceMs;
  // Nobody inside: those who waited have left or are held, so the count says nothing against the symptom.
  return traffic.noProgressMs >= freshSilenceMs || (traffic.inFlight === 0 && traffic.completed === 0);
}

/** What waits for a disk is not hung, and no signal would end it: half of all processes at one moment, or of the busy ones for a while. */
function isInKernel(file: CaseFile): boolean {
  const processes = factOf(file, 'processes');
  const waiting = processes?.number('diskWait') ?? 0;
  const total = (processes?.number('total') ?? 0) - (processes?.number('zombie') ?? 0);
  return (waiting > 0 && waiting * 2 >= total) || stuckInKernel(file) !== undefined;
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
    because: sentences(
      stateOf(file) === 'frozen' && factOf(file, 'service_state'),
      !computing && processes,
      (listener?.number('queue') ?? 0) > 0 && listener,
      factOf(file, 'workers'),
      answer?.word('result') === 'timeout' && answer,
      confidence !== 'certain' && file.symptom.text,
    ),
    against: sentences(
      computing && processes,
      answer?.word('result') === 'status' && answer,
      confidence !== 'certain' && (sharedWait(file)?.fact ?? (mayWait(file) && waitsOf(file)[0])),
      ...(confidence === 'certain' ? [] : speaksAgainst(file)),
    ),
    remedy: restart ? `Restart it: ${restart}` : `Stop ${name} (it may need KILL) and start it again.`,
  };
}
