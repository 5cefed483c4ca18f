import { internalFailure } from './classify-failure.ts';
import { connectTo } from './connect.ts';
import type { UpstreamProtocol } from './exchange.ts';
import { exchange } from './http/exchange.ts';

/**
 * Our own HTTP/1.1 client on bare sockets, one connection per request: Node's and undici's hide which bytes were sent,
 * time out by the second, and refuse bare-LF heads. Writes begin only after `connect`, so an attempt that could not
 * connect has provably sent nothing.
 */
export const http: UpstreamProtocol = {
  name: 'http',
  async attempt(request, target, options) {
    if (request.wire.protocol !== 'http') {
      const nothingSent = { target, phase: 'connect', bytesWritten: 0, bytesRead: 0 } as const;
      return { kind: 'failure', failure: internalFailure(nothingSent, 'a FastCGI request was given to the HTTP client') };
    }
    const connected = await connectTo(target, {
      timeoutMs: options.connectTimeoutMs,
      signal: request.clientGone,
      halfOpen: request.wire.upgrade,
    });
    if (connected.kind !== 'connected') return connected;
    return exchange({ request, target, options, socket: connected.socket });
  },
};
