/**
 * A socket that others may open costs at most so much, whatever they do: so many connections at once, so many new ones
 * a second, and a first word within a time. Beyond that they are hung up on, without a word and with one line in the log.
 */
import type { Server, Socket } from 'node:net';
import type { Clock } from '../core/time.ts';
import { TokenBucket } from './token-bucket.ts';

export interface ConnectionBounds {
  readonly most: number;
  readonly perSecond: number;
  /** Who has said nothing that makes him known within so long is hung up on. */
  readonly firstWordMs: number;
}

export interface BoundConnections {
  /** He is known now: silence is no reason any more. */
  known(socket: Socket): void;
}

const sayEveryMs = 60_000;

/** Calls `accept` for every connection that is within the bounds. */
export function boundConnections(
  server: Server,
  accept: (socket: Socket) => void,
  { bounds, clock, log }: { readonly bounds: ConnectionBounds; readonly clock: Clock; readonly log: { warn(fields: object, message: string): void } },
): BoundConnections {
  const open = new Map<Socket, NodeJS.Timeout>();
  const fresh = new TokenBucket(bounds.perSecond, clock);
  let saidAtMs = -Infinity;
  const refuse = (socket: Socket): void => {
    socket.on('error', () => undefined);
    socket.destroy();
    const now = clock.monotonicMs();
    if (now - saidAtMs < sayEveryMs) return;
    saidAtMs = now;
    log.warn({ open: open.size, ...bounds }, 'more connections than are taken; some were refused (said once a minute)');
  };
  server.on('connection', (socket) => {
    if (open.size >= bounds.most || !fresh.take()) return refuse(socket);
    open.set(
      socket,
      setTimeout(() => socket.destroy(), bounds.firstWordMs),
    );
    socket.once('close', () => {
      clearTimeout(open.get(socket));
      open.delete(socket);
    });
    accept(socket);
  });
  return { known: (socket) => clearTimeout(open.get(socket)) };
}
