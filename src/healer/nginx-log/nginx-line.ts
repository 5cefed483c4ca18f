/**
 * One line of nginx's error log as a typed fact, or nothing. Visitors, and the application by what it prints to stderr,
 * write parts of such lines, even whole ones; so a fact only ever makes the healer look, and no text of the line leaves
 * this file but `place`, which is compared with the configured addresses and then forgotten. Linear in the line's
 * length: each literal is looked for once, behind the one before.
 */
import { getSystemErrorName } from 'node:util';
import type { AttemptPhase, FailureKind } from '../../core/failure.ts';
import { connectKind } from '../../upstream/classify-failure.ts';

/** What nginx says about an upstream, or about itself. `says`: its words, made of our own literals. */
export type NginxFact =
  | { readonly type: 'attempt_failed'; readonly kind: FailureKind; readonly phase: AttemptPhase; readonly errno?: string; readonly place: string; readonly says: string }
  /** Every server of an upstream block is switched off; `place` begins with the block's name. */
  | { readonly type: 'no_live_upstreams'; readonly place: string; readonly says: string }
  | { readonly type: 'out_of_connections'; readonly says: string };

/** Up to the connection's number. Bounded, and nothing in it can match in two ways. */
const head = /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[(?:error|crit|alert|emerg)\] \d{1,10}#\d{1,10}: (?:\*\d{1,20} )?/;
/** nginx's words for what it was doing, and how far an attempt is then. */
const phases: Readonly<Record<string, AttemptPhase>> = {
  'connecting to upstream': 'connect',
  'sending request to upstream': 'send',
  'reading response header from upstream': 'await_head',
  'reading upstream': 'read_body',
};
/** Longer than any address and the scheme before it; a unix socket's path has at most 107 bytes. */
const longestPlace = 300;

/** Reads one line, without its newline. */
export function readNginxLine(line: string): NginxFact | undefined {
  const begin = head.exec(line)?.[0].length;
  if (begin === undefined) return undefined;
  const client = line.indexOf(', client: ', begin);
  const message = line.slice(begin, client < 0 ? undefined : client);
  if (isOutOfConnections(message)) return { type: 'out_of_connections', says: 'worker_connections are not enough' };
  const during = message.lastIndexOf(' while ');
  const doing = message.slice(during + ' while '.length);
  const phase = Object.hasOwn(phases, doing) ? phases[doing] : undefined;
  const place = client < 0 || during < 0 || phase === undefined ? undefined : placeOf(line, client);
  if (phase === undefined || place === undefined) return undefined;
  const what = message.slice(0, during);
  if (what === 'no live upstreams') return { type: 'no_live_upstreams', place, says: what };
  const failed = failureOf(what, phase);
  return failed && { type: 'attempt_failed', ...failed, phase, place, says: `${failed.says} while ${doing}` };
}

/** `64 worker_connections are not enough`, alone or while connecting to an upstream. */
function isOutOfConnections(message: string): boolean {
  const words = message.slice(0, 80).split(' ');
  return /^\d{1,10}$/.test(words[0] ?? '') && words[1] === 'worker_connections' && words.slice(2, 5).join(' ') === 'are not enough';
}

interface Failed {
  readonly kind: FailureKind;
  readonly says: string;
  readonly errno?: string;
}

/** The first literal that the message begins with decides. */
function failureOf(what: string, phase: AttemptPhase): Failed | undefined {
  if (what.startsWith('connect() ')) return connectFailed(what);
  if (what.startsWith('upstream timed out (')) return { kind: timeoutKinds[phase], says: 'upstream timed out' };
  if (what.startsWith('upstream sent too big header')) return { kind: 'http_response_header_section_size', says: 'upstream sent too big header' };
  const junk = ['upstream sent invalid header', 'upstream sent no valid HTTP/1.0 header', 'upstream sent '].find((literal) => what.startsWith(literal));
  if (junk !== undefined) return { kind: 'http_protocol_error', says: junk.endsWith(' ') ? 'upstream sent an invalid answer' : junk };
  const ended = ['upstream prematurely closed', 'recv() failed', 'readv() failed', 'send() failed', 'writev() failed'].find((literal) => what.startsWith(literal));
  if (ended === undefined) return undefined;
  const errno = errnoOf(what);
  return { kind: phase === 'read_body' ? 'http_response_incomplete' : 'connection_terminated', says: errno === undefined ? `${ended} the connection` : `${ended} (${errno})` };
}

const timeoutKinds: Readonly<Record<AttemptPhase, FailureKind>> = {
  resolve: 'dns_timeout',
  connect: 'connection_timeout',
  send: 'connection_write_timeout',
  await_head: 'http_response_timeout',
  read_head: 'http_response_timeout',
  read_body: 'connection_read_timeout',
};

function connectFailed(what: string): Failed | undefined {
  const errno = errnoOf(what);
  return errno === undefined ? undefined : { kind: connectKind(errno), errno, says: `connect() failed (${errno})` };
}

/** `… failed (111: Connection refused)` is ECONNREFUSED: the number, because the words depend on the language. */
function errnoOf(what: string): string | undefined {
  const at = what.lastIndexOf(' failed (');
  const found = at < 0 ? null : /^(\d{1,4}): /.exec(what.slice(at + ' failed ('.length));
  const name = found === null || Number(found[1]) === 0 ? undefined : getSystemErrorName(-Number(found[1]));
  // a number that the system does not know was not written by nginx, and would be as many different words as there are numbers
  return name?.startsWith('Unknown') ? undefined : name;
}

/**
 * What stands behind the scheme in `upstream: "fastcgi://unix:/run/php.sock:"`. From left to right: a target may hold
 * quotes and commas, but since nginx 1.21.1 no space, so that its end is known. An older nginx, HTTP/0.9, and a line
 * that nginx cut at its 2048 bytes give nothing.
 */
function placeOf(line: string, client: number): string | undefined {
  const request = endOf(line, ', request: "', client);
  const method = endOf(line, ' ', request);
  const target = endOf(line, ' ', method);
  if (target < 0 || !line.startsWith('HTTP/', target)) return undefined;
  const requestEnd = endOf(line, '"', target);
  const upstream = endOf(line, ', upstream: "', requestEnd);
  // nothing but a subrequest stands between the two
  const next = line.slice(requestEnd, requestEnd + 15);
  if (upstream < 0 || !(next.startsWith(', upstream: "') || next.startsWith(', subrequest: ')) || requestEnd < 0) return undefined;
  const scheme = endOf(line.slice(0, upstream + 20), '://', upstream);
  return scheme < 0 ? undefined : line.slice(scheme, scheme + longestPlace);
}

/** The place behind the next such text, or -1; `from` -1 gives -1. */
function endOf(line: string, text: string, from: number): number {
  const at = from < 0 ? -1 : line.indexOf(text, from);
  return at < 0 ? -1 : at + text.length;
}
