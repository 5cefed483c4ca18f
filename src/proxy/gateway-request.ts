/**
 * What a listener makes of its protocol, and what it gets back. Everything between is shared by HTTP and FastCGI.
 */
import type { Socket } from 'node:net';
import type { InterimEvents, ResponseBody, ResponseHead, UpstreamRequest } from '../upstream/exchange.ts';

/** One request of one visitor. `body.open()` may be called once: nobody has read it yet. */
export interface GatewayRequest extends UpstreamRequest {
  /** nginx's `X-Request-Id` where it sent a plain one (letters, digits, `-`, at most 64), else our own ULID. */
  readonly id: string;
  readonly interim: InterimEvents;
  /** A request header by its lower-case name; of several the first. FastCGI: from `HTTP_*` and `CONTENT_TYPE`. */
  header(name: string): string | undefined;
  /** As nginx reports it; empty when nobody said. */
  readonly clientAddress: string;
}

/**
 * The answer that a listener writes. When `body` errors after the head was written, the listener must make the cut
 * visible (reset, or a bad record), never end cleanly.
 */
export interface Answer {
  /** Who speaks: the backend's own answer is passed untouched. */
  readonly from: 'upstream' | 'goodgateway';
  readonly head: ResponseHead;
  readonly body: ResponseBody;
  /** All of `body`, where it is there already: a listener may write it at once and leave the stream alone. */
  readonly whole?: Buffer;
  /** After a 101 from the backend: the raw connection. */
  readonly tunnel?: Socket;
}

/** The story of one request; `undefined` when the client went away. Never rejects for anything a backend can do. */
export type HandleRequest = (request: GatewayRequest) => Promise<Answer | undefined>;

/** A listener that stands. */
export interface Listener {
  /** Goes on accepting, but every connection ends with its answer. Resolves when those that are open now have ended, or at the abort. */
  readonly drain: (signal: AbortSignal) => Promise<void>;
  /** Stops accepting, lets answers under way finish until the signal aborts, then cuts. */
  readonly close: (deadline: AbortSignal) => Promise<void>;
}
