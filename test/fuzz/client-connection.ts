/** A client's connection to a gateway, and how it leaves. */
import { connect, type Socket } from 'node:net';
import { pause } from './answer-badly.ts';
import { patienceMs, type Observed } from './observed.ts';
import type { SessionPlan } from './plan.ts';
import { reset } from './reset.ts';

export interface ClientAddress {
  readonly path?: string;
  readonly host?: string;
  readonly port?: number;
}

export interface ClientConnection {
  readonly socket: Socket;
  /** How it ended; `open` until then. */
  end(): Observed['end'];
  /** Resolves when `ready` is true, the connection has ended, or patience is over. Asked again whenever bytes came. */
  wait(ready: () => boolean): Promise<void>;
  /** The client goes, as planned: a close with what was written, or a reset. */
  leave(): Promise<void>;
}

export function openConnection(address: ClientAddress, plan: SessionPlan, onData: (bytes: Buffer) => void): Promise<ClientConnection> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...address, port: address.port ?? 0, allowHalfOpen: true, noDelay: true } as Parameters<typeof connect>[0] & object);
    let end: Observed['end'] = 'open';
    let wake = (): void => undefined;
    const ended = (how: Observed['end']): void => {
      if (end === 'open') end = how;
      wake();
    };
    socket.on('error', () => ended('reset'));
    socket.once('error', reject);
    socket.on('end', () => ended('fin')).on('close', () => ended('fin'));
    socket.on('data', (bytes: Buffer) => {
      onData(bytes);
      wake();
      if (plan.act !== 'slow_reader') return;
      socket.pause();
      setTimeout(() => socket.resume(), 5);
    });
    socket.once('connect', () => resolve(connection));
    const connection: ClientConnection = {
      socket,
      end: () => end,
      wait: (ready) =>
        new Promise((done) => {
          const timer = setTimeout(() => ended('time_out'), patienceMs);
          wake = () => {
            if (!ready() && end === 'open') return;
            clearTimeout(timer);
            wake = () => undefined;
            done();
          };
          wake();
        }),
      leave: async () => {
        ended('left');
        if (plan.by === 'reset') reset(socket);
        else socket.end(() => socket.destroy());
        await pause(0);
      },
    };
  });
}
