import { setMaxListeners } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** What all requests of one client connection share: made once, since most connections carry many requests. */
export interface ClientConnection {
  /** Aborts when the connection is closed, by whichever side. */
  readonly gone: AbortSignal;
  /** A request was refused, or was answered before its end: what follows it on the connection is not looked at. */
  refused: boolean;
  /** A request came before all before it were answered: the connection may carry answers that the client has not read yet. */
  pipelined: boolean;
  /** How many requests have come whose turn has not. */
  waiting: number;
  /** The youngest request: when it is answered, all are. */
  latest: { readonly raw: IncomingMessage; readonly response: ServerResponse } | undefined;
}

const connections = new WeakMap<Socket, ClientConnection>();

export function clientConnection(socket: Socket): ClientConnection {
  return connections.get(socket) ?? open(socket);
}

/** Is every answer written, so that what is written now comes behind them? */
export function allAnswered(socket: Socket): boolean {
  const response = clientConnection(socket).latest?.response;
  return response === undefined || response.writableFinished || (response.writableEnded && response.socket === socket);
}

function open(socket: Socket): ClientConnection {
  const closed = new AbortController();
  setMaxListeners(0, closed.signal); // one a request, and a client may send many before it reads
  socket.once('close', () => closed.abort());
  const connection: ClientConnection = { gone: closed.signal, refused: false, pipelined: false, waiting: 0, latest: undefined };
  connections.set(socket, connection);
  return connection;
}
