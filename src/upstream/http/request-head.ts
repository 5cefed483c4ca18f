import { formatAddress, type Address } from '../../core/failure.ts';
import type { RequestWire, UpstreamRequest } from '../exchange.ts';
import { addNamedByConnection, hopByHopNames, isForgery } from './hop-by-hop.ts';

type HttpWire = Extract<RequestWire, { protocol: 'http' }>;

/**
 * The request line and header section for one backend, as latin-1 text. Order, case and duplicates are kept; fields of
 * the client's own connection are removed and the framing is written anew from `body.length`, so that what follows on
 * the wire can never differ from what the head announces. `keep`: the backend may leave the connection open.
 */
export function requestHead(request: UpstreamRequest, wire: HttpWire, { target, keep }: { readonly target: Address; readonly keep: boolean }): string {
  const { rawHeaders, upgrade } = wire;
  const named = namedFields(rawHeaders);
  const framing = framingField(request, rawHeaders);
  const expects = wire.expectsContinue === true;
  let head = `${request.method} ${request.target} HTTP/1.1\r\n`;
  let framed = framing === '';
  let host = false;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    const key = name.toLowerCase();
    if (key === 'content-length' || key === 'transfer-encoding') {
      if (!framed) head += framing; // in the place of the first framing field; its duplicates vanish
      framed = true;
    } else if (passes(key, { upgrade, expects }) && named?.has(key) !== true) {
      head += `${name}: ${rawHeaders[i + 1]!}\r\n`;
      if (key === 'host') host = true;
    }
  }
  if (!framed) head += framing;
  // RFC 9112 section 3.2: an HTTP/1.1 request without Host would be refused; HTTP/1.0 clients may come without.
  if (!host) head += `Host: ${target.kind === 'unix' ? 'localhost' : formatAddress(target)}\r\n`;
  return `${head}${connectionFields(wire, keep)}\r\n`;
}

function passes(key: string, { upgrade, expects }: { readonly upgrade: boolean; readonly expects: boolean }): boolean {
  if (key === 'upgrade') return upgrade;
  if (key === 'expect') return expects;
  return !hopByHopNames.has(key) && !(key.includes('_') && isForgery(key));
}

/** HTTP/1.1 keeps a connection where nothing is said. */
function connectionFields({ upgrade, takesTrailers }: HttpWire, keep: boolean): string {
  if (upgrade) return 'Connection: Upgrade\r\n';
  if (takesTrailers !== true) return keep ? '' : 'Connection: close\r\n';
  return `TE: trailers\r\nConnection: ${keep ? 'TE' : 'close, TE'}\r\n`;
}

/** `undefined` for the usual request, whose Connection names nothing. */
function namedFields(rawHeaders: readonly string[]): ReadonlySet<string> | undefined {
  let named: Set<string> | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 10 && name.toLowerCase() === 'connection') addNamedByConnection(rawHeaders[i + 1]!, (named ??= new Set()));
  }
  return named;
}

/** The one framing field, or nothing where the client sent none and there is no body. */
function framingField(request: UpstreamRequest, rawHeaders: readonly string[]): string {
  const { length } = request.body;
  if (length === undefined) return 'Transfer-Encoding: chunked\r\n';
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 14 && name.toLowerCase() === 'content-length') return `${name}: ${length}\r\n`;
    if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') return `Content-Length: ${length}\r\n`;
  }
  return length > 0 ? `Content-Length: ${length}\r\n` : '';
}
