/**
 * An answer that is complete before its request is (the fallback page to an upload, a backend's early 413) must still
 * arrive: a connection that is closed with unread bytes is reset, and the client loses the answer with it. So our side
 * ends first, what the client still sends is read and thrown away, and then the connection is closed.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { clientConnection } from './client-connection.ts';

/** How long the rest of an upload is read and thrown away before the connection is closed. */
const lingerMs = 5000;

/**
 * To be called before the head is written: the connection ends with this response, slowly. A client that is told so may
 * send what it had sent behind this request again elsewhere: none of that is executed (RFC 9112 section 9.6).
 */
export function endAfter(raw: IncomingMessage, response: ServerResponse): void {
  response.shouldKeepAlive = false;
  const { socket } = raw;
  clientConnection(socket).refused = true;
  // Node calls this when the last response of a connection is written, and would close at once
  socket.destroySoon = () => {
    throwRestAway(raw);
    endSlowly(socket);
  };
}

/** Reads what nobody wants any more; the next request of the connection stands behind it. */
export function throwRestAway(raw: IncomingMessage): void {
  raw.removeAllListeners('readable').resume();
}

/** Ends our side, and closes when the client has ended its own, or after a time. */
export function endSlowly(socket: Duplex): void {
  socket.end();
  const late = setTimeout(() => socket.destroy(), lingerMs).unref();
  socket.once('close', () => clearTimeout(late));
}
