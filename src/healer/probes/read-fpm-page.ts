/** php-fpm's status page: where a service has one, and one request to it. */
import { Readable } from 'node:stream';
import type { Address } from '../../core/failure.ts';
import { fastcgi } from '../../upstream/fastcgi/exchange.ts';
import { encodeParams } from '../../upstream/fastcgi/params.ts';
import { responderRole } from '../../upstream/fastcgi/record.ts';
import type { ServiceTarget } from '../leaves.ts';
import type { FpmPool } from './read-fpm-pool.ts';

const limits = { connectTimeoutMs: 500, responseTimeoutMs: 1000, idleTimeoutMs: 500 };

export interface StatusPage {
  readonly address: Address;
  readonly path: string;
}

/** As the policy says, else as the pool's own configuration does; `undefined`: it has none. */
export function statusPageOf({ config, upstreams, current }: ServiceTarget, pool: FpmPool | undefined): StatusPage | undefined {
  if (config.status) return { address: config.status.fpm, path: config.status.path };
  return pool?.statusPath ? { address: pool.statusListen ?? upstreams[current]!, path: pool.statusPath } : undefined;
}

/** The page's text, at most about `limitBytes` of it, or why it could not be read. A full pool without pm.status_listen does not answer. */
export async function askFpmPage(
  page: StatusPage,
  { query, limitBytes }: { readonly query: string; readonly limitBytes: number },
  signal: AbortSignal,
): Promise<{ readonly text: string } | { readonly missing: string }> {
  const target = `${page.path}?${query}`;
  const params = encodeParams([
    ['REQUEST_METHOD', 'GET'],
    ['SCRIPT_NAME', page.path],
    ['SCRIPT_FILENAME', page.path],
    ['REQUEST_URI', target],
    ['QUERY_STRING', query],
    ['SERVER_PROTOCOL', 'HTTP/1.1'],
    ['GATEWAY_INTERFACE', 'CGI/1.1'],
  ]);
  const request = {
    method: 'GET',
    target,
    clientGone: signal,
    wire: { protocol: 'fastcgi', params, role: responderRole },
    body: { length: 0, open: () => Readable.from([]) },
  } as const;
  const result = await fastcgi.attempt(request, page.address, limits);
  if (result.kind === 'client_gone') return { missing: 'the time for it was over' };
  if (result.kind === 'failure') return { missing: result.failure.detail };
  const text = await readSome(result.body, limitBytes);
  return result.head.status === 200 ? { text } : { missing: `expected php-fpm's status as JSON, got status ${result.head.status} and something else` };
}

async function readSome(body: Readable, limitBytes: number): Promise<string> {
  let text = '';
  try {
    for await (const piece of body) {
      text += String(piece);
      if (text.length > limitBytes) break;
    }
  } catch {
    // A cut answer is no JSON: the parser says so.
  }
  return text;
}
