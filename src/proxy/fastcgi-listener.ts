/** Where nginx's `fastcgi_pass` arrives: every connection becomes requests for `handle`. */
import { createServer } from 'node:net';
import { acceptTheLast, listenOn, type SocketPermissions } from '../channel/listen-on.ts';
import type { Address } from '../core/failure.ts';
import { systemClock } from '../core/time.ts';
import { FastcgiConnection } from './fastcgi-connection.ts';
import type { HandleRequest, Listener } from './gateway-request.ts';
import { OpenConnections } from './open-connections.ts';

export interface FastcgiListenerOptions {
  readonly address: Address;
  /** For a unix socket. */
  readonly socket: SocketPermissions;
  readonly handle: HandleRequest;
  /** Name of the header that carries the visitor's address; without it nginx's REMOTE_ADDR is believed. Asked for each request: a reload may change it. */
  readonly clientAddressHeader?: string | undefined;
}

/** Bytes that a connection buffers each way: small, because hundreds of requests may be held at once. */
const socketBufferBytes = 16 * 1024;

/** Listens until it is closed. Rejects with a sentence when it cannot listen. */
export async function listenFastcgi(options: FastcgiListenerOptions): Promise<Listener> {
  const { address, socket, handle } = options;
  const isUnix = address.kind === 'unix';
  const open = new OpenConnections(systemClock);
  const server = createServer({ noDelay: true, highWaterMark: socketBufferBytes }, (peer) => {
    const connection = new FastcgiConnection(peer, { handle, isUnix, clientAddressHeader: () => options.clientAddressHeader, mayKeep: () => !open.leaving });
    open.add(peer, connection.isIdle);
  });
  await listenOn(server, address, socket);
  // best effort: an accept that failed (no descriptor left) is told to that client by nginx; the others go on
  server.on('error', () => {});
  return {
    drain: (signal) => open.drain(signal),
    close: async (deadline) => {
      await acceptTheLast(server);
      const closed = new Promise((resolve) => server.close(resolve));
      await open.drain(deadline);
      open.cut();
      await closed;
    },
  };
}
