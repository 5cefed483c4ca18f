import type { Socket } from 'node:net';

/** For so long the backend may close first: whoever closes first keeps the port in TIME_WAIT. */
const lingerMs = 1000;

/** Ends a connection that has served its last request. Nobody else listens on it any more. */
export function letBackendClose(socket: Socket): void {
  const close = (): void => void socket.destroy();
  const late = setTimeout(close, lingerMs).unref();
  socket
    .on('data', close) // bytes after the end of the answer belong to nobody
    .on('end', close)
    .once('close', () => clearTimeout(late))
    .resume();
}
