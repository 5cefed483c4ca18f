/**
 * What an upstream shows and says at a TLS handshake: evidence `certificate` where its gateway speaks TLS, and
 * `speaks_tls` where its gateway speaks plain HTTP and gets no valid answer. Nothing is sent beyond the handshake.
 */
import { isIP } from 'node:net';
import { checkServerIdentity, connect as tlsConnect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import type { Evidence } from '../../core/diagnosis.ts';
import { formatAddress, type Address, type FailureKind } from '../../core/failure.ts';
import type { BackendTls } from '../../upstream/backend-tls.ts';
import { connectTo } from '../../upstream/connect.ts';
import type { Probe } from '../leaves.ts';
import { answerOf } from './read-answer.ts';

const connectMs = 1000;
const handshakeMs = 2000;
const dayMs = 86_400_000;

/** Applies where a gateway speaks HTTP with the service, over TLS or without. */
export const certificate: Probe = {
  name: 'certificate',
  deadlineMs: 4500,
  quick: false,
  applies: (target) => target.protocol === 'http' && target.upstreams.length > 0,
  async look(context, signal) {
    const { target } = context;
    const address = target.upstreams[target.current]!;
    const tls = target.tls?.get(formatAddress(address));
    const answer = await answerOf(context);
    // Where an answer came, or none, TLS is not the trouble; nor is it worth a connection while others wait.
    if (answer?.kind !== 'failure' || !suspicious.has(answer.failure.kind)) return [];
    return tls ? certificateOf(address, { tls, nowMs: context.clock.wallMs() }, signal) : speaksTls(address, signal);
  },
};

/** What a request meets where only one side speaks TLS, or the two do not agree. */
const suspicious: ReadonlySet<FailureKind> = new Set(['http_protocol_error', 'connection_terminated', 'tls_protocol_error', 'tls_certificate_error', 'tls_alert_received']);

async function speaksTls(address: Address, signal: AbortSignal): Promise<readonly Evidence[]> {
  const shaken = await shakeHands(address, undefined, signal);
  if (shaken.kind !== 'done') return [];
  const at = formatAddress(address);
  return [{ kind: 'speaks_tls', source: 'handshake', text: `${at} gives plain HTTP no valid answer, and completes a TLS handshake.`, facts: { address: at } }];
}

async function certificateOf(address: Address, { tls, nowMs }: { readonly tls: BackendTls; readonly nowMs: number }, signal: AbortSignal): Promise<readonly Evidence[]> {
  const at = formatAddress(address);
  const shaken = await shakeHands(address, tls, signal);
  if (shaken.kind === 'unconnected') return [];
  if (shaken.kind !== 'done') {
    const text = shaken.kind === 'plain' ? `${at} does not speak TLS: ${shaken.detail}.` : `The TLS handshake with ${at} failed: ${shaken.detail}.`;
    return [{ kind: 'certificate', source: 'handshake', text, facts: { address: at, result: shaken.kind, detail: shaken.detail, verified: tls.verify } }];
  }
  const name = tls.serverName ?? (address.kind === 'tcp' ? address.host : 'localhost');
  const { valid_from: from, valid_to: to } = shaken.certificate;
  const result = judge(shaken, { name, nowMs, fromMs: Date.parse(from), toMs: Date.parse(to) });
  const facts = { address: at, result, name, verified: tls.verify, validTo: to, daysLeft: Math.floor((Date.parse(to) - nowMs) / dayMs), detail: shaken.problem };
  return [{ kind: 'certificate', source: 'handshake', text: words(at, { result, name, from, to, problem: shaken.problem }), facts }];
}

type Judged = 'good' | 'expired' | 'not_yet' | 'other_name' | 'untrusted';

function judge({ certificate: shown, problem }: Done, { name, nowMs, fromMs, toMs }: { readonly name: string; readonly nowMs: number; readonly fromMs: number; readonly toMs: number }): Judged {
  if (toMs < nowMs) return 'expired';
  if (fromMs > nowMs) return 'not_yet';
  if (checkServerIdentity(name, shown) !== undefined) return 'other_name';
  return problem === '' ? 'good' : 'untrusted';
}

function words(at: string, { result, name, from, to, problem }: { readonly result: Judged; readonly name: string; readonly from: string; readonly to: string; readonly problem: string }): string {
  switch (result) {
    case 'good':
      return `The certificate of ${at} is good until ${to}.`;
    case 'expired':
      return `The certificate of ${at} expired on ${to}.`;
    case 'not_yet':
      return `The certificate of ${at} is only valid from ${from} on, by the clock of this host.`;
    case 'other_name':
      return `The certificate of ${at} is not for the name ${name}.`;
    case 'untrusted':
      return `The certificate of ${at} is not signed by an authority that its gateway trusts (${problem}).`;
  }
}

interface Done {
  readonly kind: 'done';
  readonly certificate: DetailedPeerCertificate;
  /** The error code of the check, empty when it passed. */
  readonly problem: string;
}

/** `plain`: what came is no TLS. `refused`: the other side said so itself. Silence and a cut say nothing of TLS. */
type Shaken = Done | { readonly kind: 'plain' | 'refused' | 'cut'; readonly detail: string } | { readonly kind: 'unconnected' };

/** Completes the handshake whatever the certificate is: it is judged here. */
async function shakeHands(address: Address, tls: BackendTls | undefined, signal: AbortSignal): Promise<Shaken> {
  const connected = await connectTo(address, { timeoutMs: connectMs, signal });
  if (connected.kind !== 'connected') return { kind: 'unconnected' };
  const name = tls?.serverName ?? (address.kind === 'tcp' ? address.host : 'localhost');
  return new Promise((resolve) => {
    const socket = tlsConnect({ socket: connected.socket, host: name, ...(isIP(name) === 0 && { servername: name }), ...(tls && { secureContext: tls.context }), rejectUnauthorized: false });
    const end = (result: Shaken): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', calledOff);
      socket.destroy();
      resolve(result);
    };
    const calledOff = (): void => end({ kind: 'unconnected' });
    const timer = setTimeout(() => end({ kind: 'cut', detail: `not finished within ${handshakeMs} ms` }), handshakeMs);
    signal.addEventListener('abort', calledOff, { once: true });
    socket.on('error', (error: NodeJS.ErrnoException) => end(whyFailed(error)));
    socket.once('secureConnect', () => end(doneWith(socket)));
  });
}

function doneWith(socket: TLSSocket): Done {
  // Node gives an Error or its code, by the kind of the failure.
  const problem: unknown = socket.authorizationError;
  return { kind: 'done', certificate: socket.getPeerCertificate(true), problem: problem instanceof Error ? problem.message.slice(0, 100) : problem ? String(problem).slice(0, 100) : '' };
}

/** OpenSSL's words for bytes that are no TLS record: an HTTP answer, a greeting. */
function whyFailed(error: NodeJS.ErrnoException): Shaken {
  const detail = (/SSL routines:[^:]*:([^:]+)/.exec(error.message)?.[1] ?? error.code ?? error.message).trim().slice(0, 100);
  if (/wrong version number|packet length too long|http request/.test(detail)) return { kind: 'plain', detail };
  return { kind: error.code?.includes('_ALERT_') ? 'refused' : 'cut', detail };
}
