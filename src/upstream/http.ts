import { internalFailure } from './classify-failure.ts';
import { connectTo } from './connect.ts';
import type { UpstreamProtocol } from './exchange.ts';
import { exchange } from './http/exchange.ts';

/**
 * Our own HTTP/1.1 client on bare sockets: Node's and undici's hide which bytes were sent, time out by the second, and
 * refuse bare-LF heads. Writes begin only after `connect`, so an attempt that could not connect has provably sent
 * nothing. An upgrade never uses a kept connection: it does not give one back.
 */
export const http: UpstreamProtocol = {
  name: 'http',
  async attempt(request, target, options) {
    const { wire } = request;
    if (wire.protocol !== 'http') {
      const nothingSent = { target, phase: 'connect', bytesWritten: 0, bytesRead: 0 } as const;
      return { kind: 'failure', failure: internalFailure(nothingSent, 'a FastCGI request was given to the HTTP client') };
    }
    const lease = options.connections?.lease(target, options.fresh === true || wire.upgrade);
    if (lease?.socket) return exchange({ request, wire, target, options, socket: lease.socket, lease });
    const connected = await connectTo(target, { timeoutMs: options.connectTimeoutMs, signal: request.clientGone, halfOpen: wire.upgrade, tls: options.tls });
    if (connected.kind === 'connected') return exchange({ request, wire, target, options, socket: connected.socket, lease });
    lease?.drop();
    return connected;
  },
};
