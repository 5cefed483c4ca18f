/**
 * The kinds of failure, spelled as RFC 9209 spells them (Proxy-Status "error" parameter, with `_`).
 * One spelling in code, records, metrics, YAML, audit and header.
 * @see https://www.rfc-editor.org/rfc/rfc9209.html#section-2.3
 */
export const failureKinds = [
  'dns_error',
  'dns_timeout',
  'destination_not_found',
  'destination_unavailable',
  'destination_ip_prohibited',
  'destination_ip_unroutable',
  'connection_refused',
  'connection_terminated',
  'connection_timeout',
  'connection_read_timeout',
  'connection_write_timeout',
  'connection_limit_reached',
  'tls_protocol_error',
  'tls_certificate_error',
  'tls_alert_received',
  'http_request_error',
  'http_request_denied',
  'http_response_incomplete',
  'http_response_header_section_size',
  'http_response_header_size',
  'http_response_body_size',
  'http_response_trailer_section_size',
  'http_response_trailer_size',
  'http_response_transfer_coding',
  'http_response_content_coding',
  'http_response_timeout',
  'http_upgrade_failed',
  'http_protocol_error',
  'proxy_internal_response',
  'proxy_internal_error',
  'proxy_configuration_error',
  'proxy_loop_detected',
] as const;

export type FailureKind = (typeof failureKinds)[number];

/** How far an attempt had come when it failed, in the order in which an attempt goes through them. */
export type AttemptPhase = 'resolve' | 'connect' | 'send' | 'await_head' | 'read_head' | 'read_body';

/** Who broke: the backend, the client (never counted against the backend), or goodgateway itself. */
export type FailureSource = 'upstream' | 'downstream' | 'internal';

/**
 * Whether the same request may be sent again, decided once, where the failure is classified:
 * - `always`: no byte of it reached the backend, or the backend said that it did not take it;
 * - `if_idempotent`: the backend may have executed it (RFC 9110 section 9.2.2);
 * - `never`: part of an answer was passed on, or the request itself may be the cause.
 */
export type ResendSafety = 'always' | 'if_idempotent' | 'never';

/** One failed attempt at one backend. A value, never thrown. Byte counts are of this attempt only. */
export interface UpstreamFailure {
  readonly kind: FailureKind;
  readonly source: FailureSource;
  readonly phase: AttemptPhase;
  /** Bytes of the request that were handed to the kernel for a connected socket. */
  readonly bytesWritten: number;
  readonly bytesRead: number;
  readonly resend: ResendSafety;
  /** A kept connection ended before the first byte of an answer: a race with the backend's own closing, no outage. */
  readonly staleConnection?: true;
  /** For people: what was expected, what came. May quote the first bytes of the answer, never the request. */
  readonly detail: string;
  /** The system's error name (`ECONNREFUSED`), where there is one. */
  readonly errno?: string;
  readonly cause?: Error;
}

/** Where a backend listens. Compared and shown as text by {@link formatAddress}. */
export type Address = { readonly kind: 'unix'; readonly path: string } | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** `unix:/run/x.sock`, `127.0.0.1:7080`, `[::1]:80`: the spelling of configuration, records and pages. */
export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Reads {@link formatAddress}'s spelling; `undefined` when the text is none. A bare port is not an address. */
export function parseAddress(text: string): Address | undefined {
  if (text.startsWith('unix:')) {
    const path = text.slice(5);
    return path.startsWith('/') && path.length > 1 ? { kind: 'unix', path } : undefined;
  }
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  if (!found) return undefined;
  const port = Number(found[3]);
  return port >= 1 && port <= 65535 ? { kind: 'tcp', host: (found[1] ?? found[2])!, port } : undefined;
}
