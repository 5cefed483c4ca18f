/**
 * What Node's parser lets through and a gateway must not: two readers of such a request could understand two different
 * ones (request smuggling), or take it to two different sites. Looked at before anything is done with a request.
 * @see https://www.rfc-editor.org/rfc/rfc9112.html#section-3.2
 */
import type { IncomingMessage } from 'node:http';
import type { Refusal } from './http-refusal.ts';

/** Why this request is not handled; `undefined` for nearly all. */
export function refusalFor(raw: IncomingMessage): Refusal | undefined {
  const { httpVersion, headers, url = '' } = raw;
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return versionRefused(raw);
  const hosts = countHosts(raw.rawHeaders);
  if (hosts > 1) return bad('more than one Host line');
  if (hosts === 0 && httpVersion === '1.1') return bad('no Host line');
  if (headers.host !== undefined && !hostPattern.test(headers.host)) return bad('expected a host name, and a port if need be, in Host');
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && httpVersion === '1.0') return bad('Transfer-Encoding in an HTTP/1.0 request');
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return { status: 501, why: 'expected no other Transfer-Encoding than one chunked' };
  if (url.charCodeAt(0) !== slash && !isOtherForm(raw.method, url)) return bad('expected a path, an http:// target, or OPTIONS *');
  const { expect } = headers;
  if (expect !== undefined && httpVersion === '1.1' && expect.toLowerCase() !== '100-continue') return { status: 417, why: 'expected no other expectation than 100-continue' };
  return undefined;
}

/** A request target as it goes to the backend, and the Host that belongs to it where it brings one. */
export interface RequestTarget {
  readonly target: string;
  readonly host?: string;
}

/**
 * Absolute-form becomes a path and a Host, which wins over the client's Host line; all else stays as it is, byte for
 * byte. For requests that {@link refusalFor} let through.
 */
export function requestTarget(method: string, url: string): RequestTarget {
  if (url.charCodeAt(0) === slash) return { target: url };
  const found = absoluteForm.exec(url);
  if (!found) return { target: url };
  const [, host = '', rest = ''] = found;
  if (rest === '') return { target: method === 'OPTIONS' ? '*' : '/', host };
  return { target: rest.startsWith('/') ? rest : `/${rest}`, host };
}

/** `rawHeaders` with one Host line, in the place of the one that was there. */
export function withHost(rawHeaders: readonly string[], host: string): readonly string[] {
  const replaced: string[] = [];
  let written = false;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const isHost = rawHeaders[i]!.length === 4 && rawHeaders[i]!.toLowerCase() === 'host';
    if (isHost) written = true;
    replaced.push(rawHeaders[i]!, isHost ? host : rawHeaders[i + 1]!);
  }
  return written ? replaced : ['Host', host, ...replaced];
}

const slash = 47;
/** RFC 3986 section 3.2.2, without user information: `name:port`, `[::1]:port`. */
const hostPattern = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/;
const absoluteForm = /^https?:\/\/([^/?#]*)(.*)$/i;

function isOtherForm(method: string | undefined, url: string): boolean {
  if (url === '*') return method === 'OPTIONS';
  const found = absoluteForm.exec(url);
  return found !== null && hostPattern.test(found[1]!);
}

/** `headers` keeps the first of several. */
function countHosts(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]!.length === 4 && rawHeaders[i]!.toLowerCase() === 'host') count++;
  return count;
}

function versionRefused({ httpVersion }: IncomingMessage): Refusal {
  if (httpVersion === '0.9') return bad('HTTP/0.9 is not spoken here');
  return { status: 505, why: 'expected HTTP/1.1 or HTTP/1.0' };
}

function bad(why: string): Refusal {
  return { status: 400, why };
}
