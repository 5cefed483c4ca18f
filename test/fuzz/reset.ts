import type { Socket } from 'node:net';

/** Ends a connection as a killed process does: by a reset on TCP; unix sockets know none. */
export function reset(socket: Socket): void {
  if (socket.remotePort === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
