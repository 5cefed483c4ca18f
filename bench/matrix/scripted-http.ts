/** The backend of the HTTP tables: reads whole requests, remembers what it saw of each, and answers as a row says. */
import { createServer, type Server, type Socket } from 'node:net';
import type { Address } from '../../src/core/failure.ts';
import { chunkedLength, headerOf } from './read-answer.ts';

export interface SeenRequest {
  readonly target: string;
  /** Request line and headers, as they came. */
  readonly head: string;
  /** As it came: chunks are not decoded. */
  body: string;
  /** All of the body came. */
  finished: boolean;
  /** The how-manyth request on its connection, from one. */
  readonly nth: number;
}

/** What to do with the connection when a whole request is there. */
export type Behaviour = (socket: Socket, request: SeenRequest) => void;

export class ScriptedHttp {
  readonly address: Address;
  seen: SeenRequest[] = [];
  #behaviour: Behaviour = (socket) => socket.destroy();
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  constructor(address: Address) {
    this.address = address;
  }

  /** Answers so from now on, and has seen nothing yet. */
  play(behaviour: Behaviour): void {
    this.answerBy(behaviour);
    this.seen = [];
  }

  /** Answers so from now on, and remembers what it has seen. */
  answerBy(behaviour: Behaviour): void {
    this.#behaviour = behaviour;
  }

  async listen(): Promise<void> {
    const server = createServer((socket) => this.#accept(socket));
    const where = this.address.kind === 'unix' ? { path: this.address.path } : this.address;
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(where, resolve));
    this.#server = server;
  }

  /** Nobody listens any more, and every connection is gone. */
  close(): Promise<void> {
    return this.#end((socket) => socket.destroy());
  }

  /** As {@link close}, by resets: what a killed process with unread bytes does. */
  dieByReset(): Promise<void> {
    return this.#end(reset);
  }

  /** Ends the connections and goes on listening. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.end();
  }

  async #end(connection: (socket: Socket) => void): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#sockets.forEach(connection);
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
    let text = '';
    let nth = 0;
    let request: SeenRequest | undefined;
    socket.setEncoding('latin1').on('data', (piece: string) => {
      text += piece;
      for (;;) {
        const found: RegExpExecArray | null = request ? null : /^(?:\r?\n)*([^]*?\n)\r?\n/.exec(text);
        if (!request && !found) return;
        if (found) {
          request = { target: found[1]!.split(' ')[1] ?? '', head: found[1]!, body: '', finished: false, nth: ++nth };
          text = text.slice(found[0].length);
          this.seen.push(request);
          if (/^expect:/im.test(request.head)) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
        }
        const whole = bodyLength(request!.head, text);
        request!.body = text.slice(0, whole ?? 1000);
        if (whole === undefined || text.length < whole) return;
        text = text.slice(whole);
        request!.finished = true;
        this.#behaviour(socket, request!);
        request = undefined;
      }
    });
  }
}

/** Where the body ends, `undefined` while that is not known. */
function bodyLength(head: string, text: string): number | undefined {
  if (headerOf(head, 'transfer-encoding') !== undefined) return chunkedLength(text);
  const length = headerOf(head, 'content-length');
  return length !== undefined && /^\d+$/.test(length) ? Number(length) : 0;
}

/** A reset where there is one: a unix socket has only the end. */
export function reset(socket: Socket): void {
  if (socket.remotePort === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
