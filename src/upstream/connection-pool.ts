/**
 * Connections to one backend that are kept for the next request. A kept one saves a connect, and costs: php-fpm and
 * Apache's prefork give a worker to each. So the pool is bounded, gives idle ones back within a second, and closes one
 * early where a new connection would otherwise find every worker occupied by connections that wait for us.
 * Who may use one is decided elsewhere: the backend may close it at the very moment of its next use.
 */
import { formatAddress, type Address } from '../core/failure.ts';
import type { BackendSocket } from './connect.ts';

export interface PoolLimits {
  /** Most connections that are kept, in use or idle; 0 keeps none. */
  readonly kept: number;
  /** How many the backend serves at once, kept or not, where that is known: no idle one stands in the way of a new one. */
  readonly served: number | undefined;
}

/** One connection for one exchange, kept from before or still to be made. Ends by `keep` or `drop`, once. */
export interface Lease {
  /** A connection that has served before, with nobody listening on it; `undefined`: make a new one. */
  readonly socket: BackendSocket | undefined;
  /** Whether the connection may be kept afterwards: only then the backend is asked to leave it open. */
  readonly mayKeep: boolean;
  /** The exchange ended cleanly and nobody listens any more: the connection may serve again. */
  keep(socket: BackendSocket): void;
  /** The connection has ended, or is of no more use. */
  drop(): void;
}

/** Longest idle time. Below the shortest keep-alive time of the usual servers (2 s), so that they rarely close first. */
const idleMs = 1000;

interface Idle {
  readonly socket: BackendSocket;
  readonly target: string;
  readonly stop: () => void;
}

export class ConnectionPool {
  #limits: PoolLimits;
  /** Oldest first; taken from the end, so that what is too many grows old and goes. */
  readonly #idle: Idle[] = [];
  #inUse = 0;
  #inUseKept = 0;
  readonly #wanted: () => boolean;

  /** `wanted`: whether the next request may come soon; otherwise nothing is kept for it. */
  constructor(limits: PoolLimits, wanted: () => boolean = () => true) {
    this.#limits = limits;
    this.#wanted = wanted;
  }

  get idle(): number {
    return this.#idle.length;
  }

  /** `fresh`: never one that has served before, for requests that must not be sent twice. */
  lease(target: Address, fresh: boolean): Lease {
    const found = fresh ? undefined : this.#take(formatAddress(target));
    if (!found) this.#makeRoom();
    const mayKeep = found !== undefined || this.#idle.length + this.#inUseKept < this.#limits.kept;
    this.#inUse += 1;
    if (mayKeep) this.#inUseKept += 1;
    let open = true;
    const end = (): boolean => {
      if (!open) return false;
      open = false;
      this.#inUse -= 1;
      if (mayKeep) this.#inUseKept -= 1;
      return true;
    };
    return {
      socket: found,
      mayKeep,
      keep: (socket) => {
        if (!end()) return;
        if (mayKeep && this.#wanted() && this.#idle.length + this.#inUseKept < this.#limits.kept) this.#add(socket, formatAddress(target));
        else socket.destroy();
      },
      drop: () => void end(),
    };
  }

  /** From now on; what is idle above it is closed. */
  resize(limits: PoolLimits): void {
    this.#limits = limits;
    while (this.#idle.length > 0 && this.#idle.length + this.#inUseKept > limits.kept) this.#close(this.#idle[0]!);
  }

  /** No request will come for a while: a worker that was told to end waits for the end of its kept connection. */
  closeIdle(): void {
    while (this.#idle.length > 0) this.#close(this.#idle[0]!);
  }

  /** Closes all that are idle, and keeps none from here on. */
  close(): void {
    this.resize({ kept: 0, served: undefined });
  }

  /** A new connection is about to be made: an idle one that occupies the worker it will need goes. */
  #makeRoom(): void {
    const { served } = this.#limits;
    if (served !== undefined && this.#idle.length > 0 && this.#inUse + this.#idle.length >= served) this.#close(this.#idle[0]!);
  }

  #take(target: string): BackendSocket | undefined {
    const found = this.#idle.findLast((idle) => idle.target === target);
    if (!found) return undefined;
    this.#forget(found);
    return found.socket;
  }

  #add(socket: BackendSocket, target: string): void {
    const gone = (): void => this.#close(idle);
    const idle: Idle = {
      socket,
      target,
      stop: () => void socket.setTimeout(0).off('timeout', gone).off('data', gone).off('end', gone).off('error', gone).off('close', gone),
    };
    // Bytes that nobody asked for would be taken for the answer to the next request.
    socket.setTimeout(idleMs).on('timeout', gone).on('data', gone).on('end', gone).on('error', gone).on('close', gone).resume();
    if (socket.destroyed || socket.readableEnded || !socket.writable) return void socket.destroy();
    this.#idle.push(idle);
  }

  #close(idle: Idle): void {
    this.#forget(idle);
    idle.socket.destroy();
  }

  #forget(idle: Idle): void {
    idle.stop();
    const at = this.#idle.indexOf(idle);
    if (at >= 0) this.#idle.splice(at, 1);
  }
}
