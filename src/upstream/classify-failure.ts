/**
 * The failure table: what happened on the wire becomes one value with its RFC 9209 name, its phase and the answer to
 * "may this be sent again?". Both protocols classify here and nowhere else. Nothing is decided beyond that.
 */
import { formatAddress, type Address, type AttemptPhase, type FailureKind, type UpstreamFailure } from '../core/failure.ts';

/** How far an attempt had come: the two counts decide whether a resend is safe. */
export interface Progress {
  readonly target: Address;
  readonly phase: AttemptPhase;
  /** Request bytes that were handed to the connected socket. */
  readonly bytesWritten: number;
  readonly bytesRead: number;
}

/**
 * `connect()` failed, or nobody answered it in time. Always safe to send again: no byte has left.
 * A full TCP backlog and a firewall that drops look the same from here; a full unix backlog says EAGAIN.
 * @see https://man7.org/linux/man-pages/man2/connect.2.html
 */
export function connectFailure(error: NodeJS.ErrnoException | 'timeout', target: Address): UpstreamFailure {
  const at = formatAddress(target);
  const unsent = { source: 'upstream', phase: 'connect', bytesWritten: 0, bytesRead: 0, resend: 'always' } as const;
  if (error === 'timeout') {
    const why = 'its queue of waiting connections is full, it is frozen, or a firewall drops the packets';
    return { ...unsent, kind: 'connection_timeout', detail: `${at} did not take the connection in time: ${why}` };
  }
  const errno = error.code ?? 'unknown error';
  const row = connectRows[errno] ?? otherConnectRow;
  return {
    ...unsent,
    kind: row.kind,
    phase: row.phase ?? unsent.phase,
    source: row.internal ? 'internal' : unsent.source,
    detail: `${row.says(at)} (${errno})`,
    errno,
    cause: error,
  };
}

/** The kind of a connect that failed with this error name, whoever made it. */
export function connectKind(errno: string): FailureKind {
  return (connectRows[errno] ?? otherConnectRow).kind;
}

/** The TLS handshake failed, or was not done in time. Always safe to send again: the request waits for its end. */
export function handshakeFailure(error: NodeJS.ErrnoException | 'timeout', target: Address): UpstreamFailure {
  const failure = connectFailure(error, target);
  const tls = error === 'timeout' ? undefined : tlsFailure(error);
  if (tls) return { ...failure, kind: tls.kind, detail: `${formatAddress(target)} ${tls.says} (${failure.errno})` };
  return error === 'timeout' ? { ...failure, detail: `${formatAddress(target)} took the connection, and did not finish the TLS handshake in time` } : failure;
}

/** The backend closed or reset before the first byte of an answer. A reset carries the system's error. */
export function terminatedBeforeHead(progress: Progress, error?: NodeJS.ErrnoException): UpstreamFailure {
  // TLS 1.3 tells of a missing client certificate after the handshake
  const tls = error && tlsFailure(error);
  if (tls) return finalFailure(progress, tls.kind, `${formatAddress(progress.target)} ${tls.says}`, error);
  const how = error ? 'reset' : 'closed';
  return sentFailure(progress, 'connection_terminated', `${formatAddress(progress.target)} ${how} the connection before it answered`, error);
}

/** The connection ended before the first byte of an answer. `reused`: it had served before. */
export function endedUnanswered(progress: Progress, error: NodeJS.ErrnoException | undefined, reused: boolean): UpstreamFailure {
  const failure = terminatedBeforeHead(progress, error);
  return reused ? { ...failure, staleConnection: true } : failure;
}

/** The answer began and stopped inside its head. */
export function headCut(progress: Progress, error?: NodeJS.ErrnoException): UpstreamFailure {
  const came = `only ${progress.bytesRead} bytes of the answer's head`;
  return sentFailure(progress, 'http_response_incomplete', `${formatAddress(progress.target)} sent ${came}, then ${ended(error)}`, error);
}

/** No complete head in time. Never sent again: the request itself may be what the backend chokes on. */
export function headTimeout(progress: Progress, timeoutMs: number): UpstreamFailure {
  const came = progress.bytesRead === 0 ? 'did not answer' : 'did not finish the head of its answer';
  return finalFailure(progress, 'http_response_timeout', `${formatAddress(progress.target)} ${came} within ${timeoutMs} ms`);
}

/** The head was complete and perhaps passed on; then the answer stopped short. */
export function bodyCut(progress: Progress, error?: NodeJS.ErrnoException): UpstreamFailure {
  const detail = `${formatAddress(progress.target)} ${ended(error)} before the answer was complete`;
  return finalFailure(progress, 'http_response_incomplete', detail, error);
}

/** Silence inside an answer's body. */
export function idleTimeout(progress: Progress, timeoutMs: number): UpstreamFailure {
  const detail = `${formatAddress(progress.target)} sent nothing more of its answer for ${timeoutMs} ms`;
  return finalFailure(progress, 'connection_read_timeout', detail);
}

/** The backend took no more bytes of the request. */
export function writeTimeout(progress: Progress, timeoutMs: number): UpstreamFailure {
  const detail = `${formatAddress(progress.target)} took no more of the request for ${timeoutMs} ms`;
  return sentFailure(progress, 'connection_write_timeout', detail);
}

/** The answer breaks its protocol. Not sent again: the same would come back. `says` follows the address. */
export function badAnswer(progress: Progress, kind: FailureKind, says: string): UpstreamFailure {
  return finalFailure(progress, kind, `${formatAddress(progress.target)} ${says}`);
}

/** The backend said itself that it did not take the request (FastCGI OVERLOADED, CANT_MPX_CONN). */
export function notTaken(progress: Progress, says: string): UpstreamFailure {
  return { ...facts(progress), kind: 'destination_unavailable', source: 'upstream', resend: 'always', detail: `${formatAddress(progress.target)} ${says}` };
}

/** The client stopped sending its body, or sent another length than it announced. Never counts against the backend. */
export function requestBroken(progress: Progress, detail: string): UpstreamFailure {
  return { ...facts(progress), kind: 'http_request_error', source: 'downstream', resend: 'never', detail };
}

/** Something of ours failed during an attempt: a file that kept a body, a request in the wrong protocol. */
export function internalFailure(progress: Progress, detail: string, cause?: Error): UpstreamFailure {
  return { ...facts(progress), kind: 'proxy_internal_error', source: 'internal', resend: 'never', detail, ...(cause && { cause }) };
}

/** What OpenSSL or the check of the certificate says; `undefined` for an error of the system, such as a reset. */
function tlsFailure({ code = '', message }: NodeJS.ErrnoException): { readonly kind: FailureKind; readonly says: string } | undefined {
  if (code.startsWith('ERR_SSL_') && code.includes('_ALERT_')) return { kind: 'tls_alert_received', says: `refused the TLS connection: ${lastPart(message)}` };
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO') return { kind: 'tls_protocol_error', says: `speaks no TLS that we understand: ${lastPart(message)}` };
  if (code in connectRows || !/^(?:ERR_TLS_CERT|CERT_|CRL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|INVALID_|PATH_LENGTH|HOSTNAME_|EMAIL_|ERROR_IN_)/.test(code)) return undefined;
  return { kind: 'tls_certificate_error', says: `has a certificate that is not to be trusted: ${lastPart(message)}` };
}

/** OpenSSL: `40A7…:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/…:354:`. Node adds advice behind `;`. */
function lastPart(message: string): string {
  return (/SSL routines:[^:]*:([^:]+)/.exec(message)?.[1] ?? message.split(';', 1)[0]!).trim().slice(0, 200);
}

interface ConnectRow {
  readonly kind: FailureKind;
  readonly says: (at: string) => string;
  readonly phase?: 'resolve';
  /** The machine or we ran out of something: not the backend's fault. */
  readonly internal?: true;
}

const unroutable: ConnectRow = { kind: 'destination_ip_unroutable', says: (at) => `no way leads to ${at}: no route, or a firewall rejects` };
const notASocketPath: ConnectRow = { kind: 'proxy_configuration_error', says: (at) => `${at} cannot be the path of a listening stream socket` };
const outOfFiles: ConnectRow = { kind: 'proxy_internal_error', says: (at) => `no file descriptor left to connect to ${at}`, internal: true };
const outOfMemory: ConnectRow = { kind: 'proxy_internal_error', says: (at) => `the kernel has no memory left to connect to ${at}`, internal: true };
const endedAtOnce: ConnectRow = { kind: 'connection_terminated', says: (at) => `${at} ended the connection while it was being made` };

const connectRows: Readonly<Record<string, ConnectRow>> = {
  ENOENT: { kind: 'destination_unavailable', says: (at) => `there is no socket at ${at}` },
  ECONNREFUSED: { kind: 'connection_refused', says: (at) => `nobody listens on ${at}` },
  EAGAIN: { kind: 'destination_unavailable', says: (at) => `backlog full: ${at} has no room for another waiting connection` },
  ETIMEDOUT: { kind: 'connection_timeout', says: (at) => `${at} did not answer the connect` },
  EACCES: { kind: 'proxy_configuration_error', says: (at) => `no permission to connect to ${at}` },
  EPERM: { kind: 'proxy_configuration_error', says: (at) => `a local rule forbids to connect to ${at}` },
  EHOSTUNREACH: unroutable,
  ENETUNREACH: unroutable,
  ENETDOWN: unroutable,
  EHOSTDOWN: unroutable,
  ENOTFOUND: { kind: 'dns_error', says: (at) => `the name in ${at} does not exist`, phase: 'resolve' },
  ENODATA: { kind: 'dns_error', says: (at) => `the name in ${at} has no address`, phase: 'resolve' },
  EAI_AGAIN: { kind: 'dns_timeout', says: (at) => `the name server did not answer for ${at}`, phase: 'resolve' },
  ENOTDIR: notASocketPath,
  ENOTSOCK: notASocketPath,
  ELOOP: notASocketPath,
  EPROTOTYPE: notASocketPath,
  EINVAL: notASocketPath,
  ENAMETOOLONG: notASocketPath,
  EMFILE: outOfFiles,
  ENFILE: outOfFiles,
  ENOBUFS: outOfMemory,
  ENOMEM: outOfMemory,
  EADDRNOTAVAIL: { kind: 'proxy_internal_error', says: (at) => `no local port left to connect to ${at}`, internal: true },
  ECONNRESET: endedAtOnce,
  ECONNABORTED: endedAtOnce,
  EPIPE: endedAtOnce,
};
const otherConnectRow: ConnectRow = { kind: 'destination_unavailable', says: (at) => `cannot connect to ${at}` };

/** The backend may have begun to execute what it got; with no byte written it cannot have. */
function sentFailure(progress: Progress, kind: FailureKind, detail: string, error?: NodeJS.ErrnoException): UpstreamFailure {
  const resend = progress.bytesWritten === 0 ? 'always' : 'if_idempotent';
  return { ...facts(progress, error), kind, source: 'upstream', resend, detail: withErrno(detail, error) };
}

function finalFailure(progress: Progress, kind: FailureKind, detail: string, error?: NodeJS.ErrnoException): UpstreamFailure {
  return { ...facts(progress, error), kind, source: 'upstream', resend: 'never', detail: withErrno(detail, error) };
}

function facts(progress: Progress, error?: NodeJS.ErrnoException) {
  return {
    phase: progress.phase,
    bytesWritten: progress.bytesWritten,
    bytesRead: progress.bytesRead,
    ...(error?.code !== undefined && { errno: error.code }),
    ...(error && { cause: error }),
  };
}

function withErrno(detail: string, error: NodeJS.ErrnoException | undefined): string {
  return error?.code === undefined ? detail : `${detail} (${error.code})`;
}

function ended(error: NodeJS.ErrnoException | undefined): string {
  return error ? 'reset the connection' : 'closed the connection';
}
