import type { CaseFile, Cause } from '../leaves.ts';
import { commandLine, currentAddress, currentListener, factOf, sentences, stateOf, type Fact } from './read-case.ts';

/**
 * The service listens on a unix socket whose file is gone, or has become another one: it waits where no connection can
 * arrive. Certain when its own processes hold the socket.
 */
export const configSocketMismatch: Cause = {
  name: 'config.socket_mismatch',
  suspect(file) {
    const listener = currentListener(file);
    if (!listener || (stateOf(file) !== 'running' && stateOf(file) !== 'unknown')) return undefined;
    const what = whatHappened(file, listener);
    if (!what) return undefined;
    const { name } = file.target;
    const restart = commandLine(file.target, 'restart');
    return {
      cause: 'config.socket_mismatch',
      confidence: listener.flag('byService') ? 'certain' : 'likely',
      subject: name,
      sentence: `${name} listens on ${currentAddress(file)}, but ${what}; a restart makes it again.`,
      because: sentences(factOf(file, 'service_state'), listener, factOf(file, 'connect')),
      against: [],
      remedy: restart ? `Restart it: ${restart}` : `Restart ${name}, so that it makes its socket again.`,
    };
  },
};

function whatHappened(file: CaseFile, listener: Fact): string | undefined {
  if (listener.word('state') === 'file_removed') return 'the socket file was removed';
  // The kernel never refuses a connect to the file of a listening socket: so this file belongs to another, dead one.
  const stale = file.target.upstreams[file.target.current]?.kind === 'unix' && listener.word('state') === 'listening' && factOf(file, 'connect')?.word('result') === 'connection_refused';
  return stale ? 'the socket file there is another, on which nobody listens' : undefined;
}
