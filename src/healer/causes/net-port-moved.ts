import type { Suspect } from '../../core/diagnosis.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { currentAddress, currentListener, factOf, factsOf, sentences, somebodyListens, stateOf } from './read-case.ts';

/**
 * The service runs, but not where its gateway looks. Certain, with the place in `facts.found`, when its own processes
 * listen at another address that the gateway is allowed to use.
 */
export const netPortMoved: Cause = {
  name: 'net.port_moved',
  suspect(file) {
    const state = stateOf(file);
    if (somebodyListens(file) !== false || (state !== 'running' && state !== 'unknown')) return undefined;
    const allowed = factsOf(file, 'listener').filter((fact) => !fact.flag('current') && fact.word('state') === 'listening');
    const own = allowed.find((fact) => fact.flag('byService'));
    if (own) return suspicion(file, own.word('address'), 'certain');
    // Nobody knows the pids of an external service: somebody who listens at its other place is probably it.
    if (state === 'unknown' && allowed[0]) return suspicion(file, allowed[0].word('address'), 'likely');
    const elsewhere = state === 'running' ? factOf(file, 'listen_elsewhere') : undefined;
    // Between two unix sockets it is a matter of names: config.socket_mismatch says which is there.
    const sockets = file.target.upstreams[file.target.current]?.kind === 'unix' && elsewhere?.list('addresses').some((address) => address.startsWith('unix:'));
    return elsewhere && !sockets ? forbidden(file, elsewhere.list('addresses')) : undefined;
  },
};

function suspicion(file: CaseFile, found: string, confidence: Suspect['confidence']): Suspect {
  const { name } = file.target;
  return {
    cause: 'net.port_moved',
    confidence,
    subject: name,
    sentence: `${name} runs, but listens on ${found} instead of ${currentAddress(file)}.`,
    because: sentences(factOf(file, 'service_state'), currentListener(file), ...factsOf(file, 'listener').filter((fact) => fact.word('address') === found)),
    against: [],
    remedy: `Send the gateway to ${found}, or let ${name} listen on ${currentAddress(file)} again.`,
    facts: { found },
  };
}

function forbidden(file: CaseFile, addresses: readonly string[]): Suspect {
  const { name } = file.target;
  return {
    cause: 'net.port_moved',
    confidence: 'likely',
    subject: name,
    sentence: `${name} runs, but not on ${currentAddress(file)}; it listens on ${addresses.join(', ')}, where the gateway may not look for it.`,
    because: sentences(factOf(file, 'service_state'), currentListener(file), factOf(file, 'listen_elsewhere')),
    against: [],
    remedy: `Let ${name} listen on ${currentAddress(file)} again, or write also_allowed: [${addresses[0]}] for its gateway.`,
  };
}
