import type { Suspect } from '../../core/diagnosis.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { commandLine, currentAddress, currentListener, factOf, sentences, stateOf, type Fact } from './read-case.ts';
import { ownRequestCut } from './read-cut.ts';
import { strangerOf } from './read-stranger.ts';

/**
 * The service listens on a unix socket whose file is gone, or has become another one: it waits where no connection can
 * arrive. Certain when its own processes hold the socket. Likely, with the name of the socket that is there, when the
 * gateway looks for another one than the service makes, or looks where the service's files cannot be seen: then no
 * restart mends it. Likely, too, when who listens there speaks another protocol than the gateway.
 */
export const configSocketMismatch: Cause = {
  name: 'config.socket_mismatch',
  suspect(file) {
    const listener = currentListener(file);
    if (stateOf(file) !== 'running' && stateOf(file) !== 'unknown') return undefined;
    if (!listener) return otherProtocol(file);
    return lostFile(file, listener) ?? otherName(file, listener) ?? hiddenFile(file, listener) ?? otherProtocol(file);
  },
};

/** What speaks FastCGI resets whatever comes as HTTP, without a word. */
const fastcgiPrograms = /^php-(?:fpm|cgi)/;

function otherProtocol(file: CaseFile): Suspect | undefined {
  const listener = currentListener(file);
  const at = currentAddress(file);
  const stranger = strangerOf(file);
  if (stranger) {
    // where the healer's own request shows nothing the symptom comes last: when that has gone, nothing is left
    return mismatch(file, {
      sentence: `${stranger.says} on ${at}, where the gateway speaks ${stranger.gatewaySpeaks}.`,
      because: sentences(listener, file.symptom.kind === 'http_protocol_error' && file.symptom.text, stranger.own),
    });
  }
  const cut = file.target.protocol === 'http' ? ownRequestCut(file) : undefined;
  if (!cut || !fastcgiPrograms.test(listener?.word('program') ?? '')) return undefined;
  return mismatch(file, {
    sentence: `php-fpm listens on ${at} and speaks FastCGI, where the gateway speaks HTTP: it resets every request.`,
    because: sentences(listener, file.symptom.kind !== 'asked' && file.symptom.text, cut),
  });
}

/** Never certain: it is the gateway's configuration or the service's, and a restart of either changes nothing. */
function mismatch(file: CaseFile, { sentence, because }: Pick<Suspect, 'sentence' | 'because'>): Suspect {
  return {
    cause: 'config.socket_mismatch',
    confidence: 'likely',
    subject: currentAddress(file),
    sentence,
    because,
    against: [],
    remedy: `Set protocol and upstream of its gateway (and proxy_pass or fastcgi_pass in nginx) to what ${file.target.name} speaks, and where.`,
    avoid: ['A restart does not help: it speaks the same afterwards.'],
  };
}

function lostFile(file: CaseFile, listener: Fact): Suspect | undefined {
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
}

/** `/run/php/php8.1-fpm.sock` in the gateway's configuration, `/run/php/php8.2-fpm.sock` in the pool's. */
function otherName(file: CaseFile, listener: Fact): Suspect | undefined {
  if (listener.word('state') !== 'path_missing' || file.target.upstreams[file.target.current]?.kind !== 'unix') return undefined;
  const own = factOf(file, 'listen_elsewhere');
  const found = own?.list('addresses').find((address) => address.startsWith('unix:'));
  const beside = factOf(file, 'socket_beside');
  // Of a service that nobody controls the only socket in that folder is probably its own.
  const guess = stateOf(file) === 'unknown' && beside?.list('sockets').length === 1 ? `unix:${beside.list('sockets')[0]}` : undefined;
  const there = found ?? guess;
  if (there === undefined) return undefined;
  const { name } = file.target;
  return {
    cause: 'config.socket_mismatch',
    confidence: found ? 'likely' : 'possible',
    subject: currentAddress(file),
    sentence: `The gateway looks for ${name} at ${currentAddress(file)}, which does not exist; ${found ? 'it listens' : 'somebody listens'} on ${there}.`,
    because: sentences(listener, own, beside, factOf(file, 'service_state')),
    against: sentences(!found && 'Nobody can say that this socket is of the same service.'),
    remedy: `Write ${there} as the upstream of its gateway, or let ${name} listen on ${currentAddress(file)} again.`,
    avoid: ['Do not link one name to the other: the next upgrade breaks it again.', 'A restart does not help: it makes the same socket again.'],
  };
}

/** The kernel knows the listener, and the path leads nowhere here: the service has a /tmp, or a whole root, of its own. */
function hiddenFile(file: CaseFile, listener: Fact): Suspect | undefined {
  const connect = factOf(file, 'connect');
  if (listener.word('state') !== 'listening' || !listener.flag('byService') || connect?.word('errno') !== 'ENOENT' || file.target.upstreams[file.target.current]?.kind !== 'unix') return undefined;
  const { name } = file.target;
  return {
    cause: 'config.socket_mismatch',
    confidence: 'likely',
    subject: currentAddress(file),
    sentence: `${name} listens on ${currentAddress(file)}, but in a file system of its own (PrivateTmp= or a container), so that the gateway cannot see it.`,
    because: sentences(listener, connect, factOf(file, 'service_state')),
    against: [],
    remedy: `Let it make its socket under /run, which all share, or take PrivateTmp= out of its unit.`,
    avoid: ['A restart does not help: it makes the same socket again.'],
  };
}
function whatHappened(file: CaseFile, listener: Fact): string | undefined {
  if (listener.word('state') === 'file_removed') return 'the socket file was removed';
  // The kernel never refuses a connect to the file of a listening socket: so this file belongs to another, dead one.
  const stale = file.target.upstreams[file.target.current]?.kind === 'unix' && listener.word('state') === 'listening' && factOf(file, 'connect')?.word('result') === 'connection_refused';
  return stale ? 'the socket file there is another, on which nobody listens' : undefined;
}
