import type { Suspect } from '../../core/diagnosis.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { commandLine, currentAddress, currentListener, factOf, isLeftStopped, logLine, sentences, somebodyListens, stateOf } from './read-case.ts';

/** The service ended by itself, or a package operation left it down, which nobody meant to last. Certain when its supervisor or pidfile says so, and nobody was seen to listen in its place. */
export const serviceCrashed: Cause = {
  name: 'service.crashed',
  suspect(file) {
    const state = stateOf(file);
    const listens = somebodyListens(file);
    if (state === 'failed' || isLeftStopped(file)) return suspicion(file, isVacant(file) ? 'certain' : isOrphansLate(file) ? 'possible' : 'likely');
    // Of a service that nobody controls only its address can be seen.
    if (state === 'unknown' && listens === false && factOf(file, 'connect')?.word('result') !== 'connected') return suspicion(file, 'likely');
    return undefined;
  },
};

/** Somebody listens, and whether those are leftover workers could not be seen in time: the next look tells, and a start would fail until then. */
function isOrphansLate({ evidence }: CaseFile): boolean {
  return evidence.some(({ facts, missing }) => missing !== undefined && facts['probe'] === 'orphans');
}

/** Seen, not assumed: without an answer from the address somebody's new process may be there already. */
function isVacant(file: CaseFile): boolean {
  const listens = somebodyListens(file);
  const connect = factOf(file, 'connect')?.word('result');
  return listens === false || (listens === undefined && (file.target.upstreams.length === 0 || (connect !== undefined && connect !== 'connected')));
}

function suspicion(file: CaseFile, confidence: Suspect['confidence']): Suspect {
  const { name } = file.target;
  const state = factOf(file, 'service_state');
  const signal = state?.word('exitSignal');
  const code = state?.number('exitCode');
  const how = isLeftStopped(file)
    ? 'was stopped by the package manager and not started again'
    : signal
      ? `was ended by ${signal}`
      : code !== undefined
        ? `ended by itself with exit status ${code}`
        : 'is not running, and nobody asked it to stop';
  const start = commandLine(file.target, 'start');
  const listener = currentListener(file);
  return {
    cause: 'service.crashed',
    confidence,
    subject: name,
    sentence: `${name} ${how}.`,
    because: sentences(
      state,
      listener?.word('state') !== 'listening' && listener,
      factOf(file, 'connect')?.word('result') !== 'connected' && factOf(file, 'connect'),
      logLine(file, 'child_signalled'),
    ),
    against: sentences(listener?.word('state') === 'listening' && listener),
    remedy: start ? `Start it: ${start}` : `Start ${name}, so that it listens on ${currentAddress(file)} again.`,
  };
}
