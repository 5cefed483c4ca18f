/** The operator's socket: one request a connection, one JSON answer. What is asked is done elsewhere. */
import { createServer } from 'node:net';
import { listenOn } from '../channel/listen-on.ts';
import { openChannel, type Channel } from '../channel/frame.ts';
import { operatorRequestSchema, type OperatorRequest } from '../channel/operator-messages.ts';

export interface ControlLink {
  close(): Promise<void>;
}

/** Listens on `path`; whoever may open the socket (its group) may ask. Rejects when it cannot stand. `answer` never rejects. */
export async function listenForOperators(path: string, answer: (request: OperatorRequest) => Promise<object>): Promise<ControlLink> {
  const channels = new Set<Channel<object>>();
  const server = createServer((socket) => {
    const channel = openChannel<OperatorRequest, object>(socket, operatorRequestSchema, {
      onMessage: (request) => void answer(request).then((answered) => channel.send(answered)),
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
