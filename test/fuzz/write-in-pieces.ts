import type { Socket } from 'node:net';

/** Small pieces of one message: more of them say nothing new and cost the whole run its time. */
const mostPieces = 300;

/** Writes `bytes` in pieces of at most `piece` (0: in one), each its own segment. Resolves with the last write, or when the socket is gone. */
export async function writeInPieces(socket: Socket, bytes: Buffer, { piece, pauseMs }: { readonly piece: number; readonly pauseMs: number }): Promise<void> {
  const size = piece === 0 ? bytes.length : Math.max(piece, Math.ceil(bytes.length / mostPieces));
  for (let at = 0; at < bytes.length && !socket.destroyed; at += size) {
    const more = socket.write(bytes.subarray(at, at + size));
    // not a moment after the last byte: the next request may come with the event that follows
    if (at + size >= bytes.length) return;
    if (!more) await drained(socket);
    else await new Promise<void>((resolve) => (pauseMs > 0 && at < size * 20 ? setTimeout(resolve, pauseMs) : setImmediate(resolve)));
  }
}

/** Resolves when the socket has handed everything over, or is gone. */
export function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}
