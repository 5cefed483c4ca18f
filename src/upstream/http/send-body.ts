import type { RequestBody } from '../exchange.ts';
import type { BackendSocket } from '../connect.ts';
import { safeTrailers } from './hop-by-hop.ts';

/** What the exchange hears of the sending. After `broken` or {@link Sending.stop} nothing more comes. */
export interface SendEvents {
  /** Bytes went to the backend. */
  progressed(): void;
  /** The backend takes no more for now. */
  blocked(): void;
  /** The last byte was handed over. */
  sent(): void;
  /** The body cannot be sent to its end: its source failed, closed early, or has another length than announced. */
  broken(why: BrokenBody): void;
}

/** Never the backend's fault. `unreadable`: a body that was kept for a second attempt cannot be read. */
export type BrokenBody = { readonly kind: 'client_gone' } | { readonly kind: 'wrong_length'; readonly detail: string } | { readonly kind: 'unreadable'; readonly error: Error };

/** A body on its way. */
export interface Sending {
  /** Stops reading and leaves the source as it is: paused, not destroyed. */
  stop(): void;
}

/**
 * Copies the request body to the connection, with backpressure, as announced in the head: never one byte more than
 * `length`, or in chunks where the length is not known.
 */
export function sendBody(body: RequestBody, socket: BackendSocket, events: SendEvents): Sending {
  const source = body.open();
  const write = body.length === undefined ? writeChunk : writePlain;
  let sentBytes = 0;
  let ended = false;
  const stop = () => {
    source.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
    socket.off('drain', onDrain);
    clearImmediate(late);
    source.pause();
  };
  const finish = (report: () => void) => {
    stop();
    report();
  };
  const broken = (why: BrokenBody) => {
    if (!ended) finish(() => events.broken(why));
  };
  const onData = (chunk: Buffer) => {
    sentBytes += chunk.length;
    if (body.length !== undefined && sentBytes > body.length) return broken(wrongLength(body.length, sentBytes));
    if (chunk.length === 0 || write(socket, chunk)) return events.progressed();
    source.pause();
    events.blocked();
  };
  const onDrain = () => {
    if (ended) return finish(() => events.sent());
    events.progressed();
    source.resume();
  };
  const onEnd = () => {
    if (body.length !== undefined && sentBytes !== body.length) return broken(wrongLength(body.length, sentBytes));
    if (body.length === undefined) socket.write(lastChunk(body), 'latin1');
    ended = true;
    // A paused source may end all the same; its last bytes are handed over only when the backend takes them.
    if (!socket.writableNeedDrain) finish(() => events.sent());
  };
  const onError = (error: NodeJS.ErrnoException) => broken(error.code === 'ECONNRESET' ? { kind: 'client_gone' } : { kind: 'unreadable', error });
  const onClose = () => broken({ kind: 'client_gone' }); // closed before its end: an upload that was given up
  source.on('error', () => {}); // stays after stop: a client that leaves later must not end the process
  socket.on('drain', onDrain);
  source.on('end', onEnd).on('error', onError).on('close', onClose).on('data', onData);
  // A source that was destroyed before tells nobody any more.
  const late = source.destroyed ? setImmediate(onClose) : undefined;
  return { stop };
}

function writePlain(socket: BackendSocket, chunk: Buffer): boolean {
  return socket.write(chunk);
}

function writeChunk(socket: BackendSocket, chunk: Buffer): boolean {
  socket.cork();
  socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
  socket.write(chunk);
  const more = socket.write('\r\n', 'latin1');
  socket.uncork();
  return more;
}

function lastChunk(body: RequestBody): string {
  let text = '0\r\n';
  const fields = safeTrailers(body.trailers?.() ?? []);
  for (let i = 0; i + 1 < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return `${text}\r\n`;
}

function wrongLength(announced: number, came: number): BrokenBody {
  return { kind: 'wrong_length', detail: `the client announced ${announced} bytes of body and sent ${came > announced ? 'more' : `only ${came}`}` };
}
