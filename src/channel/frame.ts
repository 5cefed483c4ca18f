/**
 * Newline JSON over a unix socket: each line one message, bounded and checked against the receiver's own schema.
 * A line that is too long, no JSON, or not in the schema ends the connection: there is no half-trusted peer.
 */
import type { Socket } from 'node:net';
import type { z } from 'zod';

/** A proxy's greeting names up to 10,000 gateways by up to 64 letters each. */
const longestLineBytes = 1024 * 1024;
/** What may wait unsent for a peer that does not read. Facts beyond it are dropped, orders end the connection. */
const mostUnsentBytes = 1024 * 1024;
/** Who sends much in pieces leaves room for what is urgent. */
const quietBytes = 128 * 1024;

export interface Channel<Out> {
  /** False when the message was not taken: the peer is gone or does not read. */
  send(message: Out): boolean;
  /** Resolves when little waits unsent, or the channel has ended: before each piece of something long. */
  quiet(): Promise<void>;
  close(): void;
}

export interface ChannelEvents<In> {
  readonly onMessage: (message: In) => void;
  /** Once, with the reason in plain words. */
  readonly onEnd: (reason: string) => void;
}

/**
 * Speaks on a connected socket. `incoming` is the schema of everything that this peer may say. `admits` is asked for
 * each line: one that is not admitted is dropped unread.
 */
export function openChannel<In, Out>(socket: Socket, incoming: z.ZodType<In>, events: ChannelEvents<In>, admits: () => boolean = () => true): Channel<Out> {
  let rest = '';
  let ended = false;
  const end = (reason: string): void => {
    if (ended) return;
    ended = true;
    socket.destroy();
    events.onEnd(reason);
  };
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!admits()) continue;
      const message = parseMessage(line, incoming);
      if (!message.ok) return end(message.reason);
      events.onMessage(message.value);
      if (ended) return;
    }
    if (rest.length > longestLineBytes) end(`a message is longer than ${longestLineBytes} bytes`);
  });
  socket.on('error', (error) => end(error.message));
  socket.on('close', () => end('the connection was closed'));
  return {
    send(message) {
      if (ended || socket.writableLength > mostUnsentBytes) return false;
      socket.write(`${JSON.stringify(message)}\n`);
      return true;
    },
    async quiet() {
      while (!ended && socket.writableLength > quietBytes) await new Promise<void>((resolve) => void afterNextWrite(socket, resolve));
    },
    close: () => end('closed by this side'),
  };
}

function afterNextWrite(socket: Socket, resolve: () => void): void {
  const done = (): void => {
    socket.off('drain', done);
    socket.off('close', done);
    resolve();
  };
  socket.once('drain', done);
  socket.once('close', done);
}

function parseMessage<In>(line: string, incoming: z.ZodType<In>): { ok: true; value: In } | { ok: false; reason: string } {
  if (line.length > longestLineBytes) return { ok: false, reason: `a message is longer than ${longestLineBytes} bytes` };
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { ok: false, reason: 'expected one JSON object a line' };
  }
  const checked = incoming.safeParse(value);
  if (checked.success) return { ok: true, value: checked.data };
  const issue = checked.error.issues[0];
  return { ok: false, reason: `unexpected message: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim() };
}
