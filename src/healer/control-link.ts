/** The operator's socket: one question a connection, one JSON answer. In this version it only answers, it orders nothing. */
import { createServer } from 'node:net';
import { z } from 'zod';
import { listenOn } from '../channel/listen-on.ts';
import { openChannel, type Channel } from '../channel/frame.ts';

const questionSchema = z.strictObject({ ask: z.literal('status') });

export interface ControlLink {
  close(): Promise<void>;
}

/** Listens on `path`; whoever may open the socket (its group) may ask. Rejects when it cannot stand. */
export async function listenForOperators(path: string, status: () => Promise<object>): Promise<ControlLink> {
  const channels = new Set<Channel<object>>();
  const server = createServer((socket) => {
    const channel = openChannel<z.output<typeof questionSchema>, object>(socket, questionSchema, {
      onMessage: () => void status().then((answer) => channel.send(answer)),
      onEnd: () => channels.delete(channel),
    });
    channels.add(channel);
  });
  await listenOn(server, { kind: 'unix', path }, { mode: '0660' });
  return {
    close: () =>
      new Promise((resolve) => {
        for (const channel of channels) channel.close();
        server.close(() => resolve());
      }),
  };
}
