/** The operator's socket: one request a connection, one JSON answer. What is asked is done elsewhere. */
import { createServer, type Socket } from 'node:net';
import { listenOn } from '../channel/listen-on.ts';
import { openChannel, type Channel } from '../channel/frame.ts';
import { systemClock } from '../core/time.ts';
import { boundConnections, type ConnectionBounds } from './bound-connections.ts';
import type { HealerLog } from './healer.ts';
import { operatorRequestSchema, type OperatorRequest } from '../channel/operator-messages.ts';

export interface ControlLink {
  close(): Promise<void>;
}

/** People and their scripts; each question may cost a look at every service. */
const bounds: ConnectionBounds = { most: 32, perSecond: 50, firstWordMs: 5000 };

/** An answer has some KiB. */
const readWithinMs = 5000;

/** Listens on `path`; whoever may open the socket (its group) may ask. Rejects when it cannot stand. `answer` never rejects. */
export async function listenForOperators(path: string, answer: (request: OperatorRequest) => Promise<object>, log: Pick<HealerLog, 'warn'>): Promise<ControlLink> {
  const channels = new Set<Channel<object>>();
  const server = createServer();
  const bound = boundConnections(server, (socket) => converse(socket), { bounds, clock: systemClock, log });
  await listenOn(server, { kind: 'unix', path }, { mode: '0660', evenIfAnotherListens: true });

  function converse(socket: Socket): void {
    let asked = false;
    const channel = openChannel<OperatorRequest, object>(
      socket,
      operatorRequestSchema,
      {
        onMessage: (request) => {
          asked = true;
          bound.known(socket);
          void answer(request).then((answered) => {
            channel.send(answered);
            // who does not hang up must not keep others out
            setTimeout(() => channel.close(), readWithinMs).unref();
          });
        },
        onEnd: () => channels.delete(channel),
      },
      () => !asked,
    );
    channels.add(channel);
  }

  return {
    close: () =>
      new Promise((resolve) => {
        for (const channel of channels) channel.close();
        server.close(() => resolve());
      }),
  };
}
