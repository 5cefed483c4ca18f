import type { Socket } from 'node:net';

/** Ends a connection so that what was written does not look complete: by a reset, or by a close on a unix socket, where there is none. */
export function resetOrClose(socket: Socket): void {
  if (!socket.destroyed && socket.remotePort !== undefined) socket.resetAndDestroy();
  else socket.destroy();
}
