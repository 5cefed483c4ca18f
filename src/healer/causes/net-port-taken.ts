/** Another program has the service's port or socket, so that the service cannot have it. It may serve somebody else. */
import type { Confidence } from '../../core/diagnosis.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { commandLine, currentAddress, factOf, logLine, sentences, stateOf, type Fact } from './read-case.ts';
import { foreignBeside, foreignListener, strangerOf } from './read-stranger.ts';
import { isTooBig } from './read-too-big.ts';

/**
 * Certain when the service is down and a known process of somebody else listens where it should, or its own log says so
 * at the same time; likely when it runs beside that process, and its log says that it could not have the address, or
 * that process answers the healer's own request with junk in no protocol that is known.
 * Workers that the service itself left behind are another cause.
 */
export const netPortTaken: Cause = {
  name: 'net.port_taken',
  suspect(file) {
    const listener = foreignListener(file);
    if (!listener || factOf(file, 'orphans')) return undefined;
    const [program, pids] = [listener.word('program'), listener.list('pids')];
    const line = takenLine(file);
    const confidence = confidenceOf(file, line);
    if (!confidence) return undefined;
    const { name } = file.target;
    const at = currentAddress(file);
    const unit = listener.word('unit');
    const who = `${program} (${[`pid ${pids[0]}`, unit].filter(Boolean).join(', ')})`;
    return {
      cause: 'net.port_taken',
      confidence,
      subject: at,
      sentence: `${who} listens on ${at}, so that ${name} cannot.`,
      because: sentences(listener, line, factOf(file, 'service_state')),
      against: [],
      remedy: `Find out whom ${program} serves there: ${unit.endsWith('.service') ? `systemctl status ${unit}` : `ps -fp ${pids[0]}`}. Then let one of the two listen elsewhere${startAgain(file)}`,
      avoid: [`Do not just kill ${program}: it may be another version that serves other sites.`],
    };
  },
};

/** The log of a start that failed for it. Errno 98 is EADDRINUSE. */
function takenLine(file: CaseFile): Fact | undefined {
  const failed = logLine(file, 'bind_failed');
  return logLine(file, 'already_listening') ?? (failed && /\b98\b|in use|EADDRINUSE/.test(failed.text) ? failed : undefined);
}

function confidenceOf(file: CaseFile, line: Fact | undefined): Confidence | undefined {
  const state = stateOf(file);
  // Only systemd knows for sure which processes are not the service's own.
  if (state === 'failed') return line || file.target.config.type === 'systemd' ? 'certain' : 'likely';
  return state === 'running' && (line || answersJunk(file)) ? 'likely' : undefined;
}

/** Another protocol that is known by name is config.socket_mismatch. */
function answersJunk(file: CaseFile): boolean {
  const answer = factOf(file, 'http_answer');
  return foreignBeside(file) !== undefined && answer?.word('result') === 'junk' && !isTooBig(answer.word('failure')) && !strangerOf(file);
}

function startAgain(file: CaseFile): string {
  const start = commandLine(file.target, 'start');
  return start ? `, and start ${file.target.name}: ${start}` : '.';
}
