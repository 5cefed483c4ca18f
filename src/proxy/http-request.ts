/** Node's request as the gateway's: everything from its raw form, so that nothing on the way has changed it. */
import type { IncomingMessage } from 'node:http';
import { ulid } from '../core/ids.ts';
import type { GatewayRequest } from './gateway-request.ts';

export interface HttpRequestOptions {
  /** Name of the header that carries the visitor's address. */
  readonly clientAddressHeader: string | undefined;
  readonly clientGone: AbortSignal;
  readonly upgrade: boolean;
  readonly onInformation?: (status: number, rawHeaders: readonly string[]) => void;
}

/** The target is what stood in the request line; the body is unread. */
export function gatewayRequest(raw: IncomingMessage, target: string, options: HttpRequestOptions): GatewayRequest {
  const header = (name: string): string | undefined => rawHeader(raw.rawHeaders, name);
  const idGiven = header('x-request-id');
  return {
    id: idGiven !== undefined && /^[A-Za-z0-9-]{1,64}$/.test(idGiven) ? idGiven : ulid(Date.now()),
    method: raw.method ?? 'GET',
    target,
    wire: { protocol: 'http', rawHeaders: raw.rawHeaders, upgrade: options.upgrade },
    body: { length: options.upgrade ? 0 : bodyLength(raw), open: () => raw },
    clientGone: options.clientGone,
    interim: options.onInformation ? { onInformation: options.onInformation } : {},
    header,
    clientAddress: header(options.clientAddressHeader ?? 'x-real-ip') ?? raw.socket.remoteAddress ?? '',
  };
}

/** The first value of a header; header names are compared without case. */
export function rawHeader(rawHeaders: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) if (rawHeaders[i]!.length === name.length && rawHeaders[i]!.toLowerCase() === name) return rawHeaders[i + 1];
  return undefined;
}

function bodyLength(raw: IncomingMessage): number | undefined {
  if (raw.headers['transfer-encoding'] !== undefined) return undefined;
  return Number(raw.headers['content-length'] ?? 0);
}
