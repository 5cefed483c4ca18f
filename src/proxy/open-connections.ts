/**
 * The client connections of one listener, so that a stop loses no request. A kept connection is not closed while nginx
 * may be writing the next request to it: its next answer says that it is the last. One that nothing is asked on for a
 * moment is closed; nginx takes the one that it used last, so those are hardly ever used again.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../core/time.ts';

/** Nothing was asked for so long. Under load each connection is used more often; with less load a crossing is as rare as requests are. */
const quietMs = 200;
const lookEveryMs = 50;

interface Connection {
  /** No request is under way on it. */
  readonly isIdle: () => boolean;
  bytesRead: number;
  quietSinceMs: number;
}

export class OpenConnections {
  readonly #clock: Clock;
  readonly #open = new Map<Socket, Connection>();
  #leaving = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Every answer is the last of its connection. */
  get leaving(): boolean {
    return this.#leaving;
  }

  add(socket: Socket, isIdle: () => boolean): void {
    this.#open.set(socket, { isIdle, bytesRead: 0, quietSinceMs: this.#clock.monotonicMs() });
    socket.once('close', () => this.#open.delete(socket));
  }

  /** From now on connections end with their answers. Resolves when those that are open now have ended, or at the abort. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#leaving = true;
    const now = [...this.#open.keys()];
    for (const connection of this.#open.values()) connection.quietSinceMs = this.#clock.monotonicMs();
    while (!signal.aborted && now.some((socket) => this.#open.has(socket))) {
      await this.#clock.sleep(lookEveryMs, signal);
      this.#closeQuietOnes();
    }
  }

  cut(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  #closeQuietOnes(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [socket, connection] of this.#open) {
      if (!connection.isIdle() || socket.bytesRead !== connection.bytesRead) {
        connection.bytesRead = socket.bytesRead;
        connection.quietSinceMs = nowMs;
      } else if (nowMs - connection.quietSinceMs >= quietMs) socket.destroy();
    }
  }
}
