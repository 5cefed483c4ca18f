/**
 * What every upstream protocol offers: one attempt at one backend. No retry, no decision, and no state
 * between attempts but the connections that the caller's pool keeps. HTTP and FastCGI are told apart by the registry in `protocols.ts` and by nothing else.
 */
import type { Readable } from 'node:stream';
import type { Address, UpstreamFailure } from '../core/failure.ts';
import type { BackendTls } from './backend-tls.ts';
import type { ConnectionPool } from './connection-pool.ts';

/** A request body that nobody has read yet, or that was kept whole for a second attempt. */
export interface RequestBody {
  /** Bytes, 0 for none, `undefined` where the sender did not say (chunked). */
  readonly length: number | undefined;
  /**
   * The body from its first byte. Called once per attempt, only when the connection stands.
   * The stream is not to be destroyed by the attempt; it stops reading and leaves it.
   */
  open(): Readable;
  /** Trailer fields, complete when the body has ended. */
  trailers?(): readonly string[];
}

/** A request in the form in which its protocol carries it. */
export type RequestWire =
  | {
      readonly protocol: 'http';
      /** As received: name, value, name, value …; exact order, case and duplicates. Latin-1 text. */
      readonly rawHeaders: readonly string[];
      /** An `Upgrade` request: after a 101 the connection becomes a tunnel. */
      readonly upgrade: boolean;
      /** The client sends its body when it was told 100 Continue, which opening the body does; until then it is the backend's to decide. */
      readonly expectsContinue?: boolean;
      /** The client said `TE: trailers`. */
      readonly takesTrailers?: boolean;
    }
  | {
      readonly protocol: 'fastcgi';
      /** The name-value pairs exactly as nginx sent them, without record headers. */
      readonly params: Buffer;
      readonly role: number;
    };

export interface UpstreamRequest {
  readonly method: string;
  /** The request target byte for byte (path and query, `*`, or absolute-form). */
  readonly target: string;
  readonly wire: RequestWire;
  readonly body: RequestBody;
  /** Aborts when the client has gone: the attempt ends, and it is no failure of the backend. */
  readonly clientGone: AbortSignal;
}

/** How one attempt is made: its time limits, who hears what comes before the answer, and which connection it may use. */
export interface AttemptOptions {
  readonly connectTimeoutMs: number;
  /** From the last byte of the request (or its last progress) until the final response head. */
  readonly responseTimeoutMs: number;
  /** Longest silence inside an answer. */
  readonly idleTimeoutMs: number;
  readonly interim?: InterimEvents;
  /** Speak TLS to the backend. */
  readonly tls?: BackendTls | undefined;
  /** Where connections are kept; without it one is made and closed. */
  readonly connections?: ConnectionPool;
  /** A new connection whatever is kept: for a request that must not meet the end of a kept one. */
  readonly fresh?: boolean;
}

/** The head of the final answer. 1xx never appear here. */
export interface ResponseHead {
  readonly status: number;
  /** Name, value, name, value …, as received, hop-by-hop fields already removed. Latin-1 text. */
  readonly rawHeaders: readonly string[];
  /** `undefined` where the backend did not say. */
  readonly contentLength: number | undefined;
}

/** The body of an answer as it comes. */
export interface ResponseBody extends Readable {
  /** Trailer fields that may pass a proxy; complete when the body has ended. */
  readonly trailers?: readonly string[];
}

/**
 * An answer whose head is complete. `body` ends cleanly only when the backend completed it; when it was cut, the
 * stream is destroyed with an {@link UpstreamFailureError} and the listener must make the cut visible to its client.
 */
export interface UpstreamResponse {
  readonly kind: 'response';
  readonly head: ResponseHead;
  readonly body: ResponseBody;
  /** Set where the whole body came together with the head: the same bytes as in `body`, which need not be read then. */
  readonly whole?: Buffer;
  /** Set after `101 Switching Protocols`: the raw connection, both ways; `body` is empty then. */
  readonly tunnel?: import('node:net').Socket;
  readonly bytesWritten: number;
}

export type AttemptResult = UpstreamResponse | { readonly kind: 'failure'; readonly failure: UpstreamFailure } | { readonly kind: 'client_gone' };

/** What may reach the listener before the final head. */
export interface InterimEvents {
  /** 1xx other than 100 and 101, such as 103 Early Hints. */
  onInformation?(status: number, rawHeaders: readonly string[]): void;
  /** FastCGI STDERR: nginx writes it into its error log, so it is passed on. */
  onStderr?(text: Buffer): void;
}

export interface UpstreamProtocol {
  readonly name: 'http' | 'fastcgi';
  /** Never rejects: every failure is a value. The promise settles at the final head, or at the failure. */
  attempt(request: UpstreamRequest, target: Address, options: AttemptOptions): Promise<AttemptResult>;
}

/** Carries a failure through a stream's error: the only place where one is thrown. */
export class UpstreamFailureError extends Error {
  readonly failure: UpstreamFailure;
  constructor(failure: UpstreamFailure) {
    super(`${failure.kind}: ${failure.detail}`, { cause: failure.cause });
    this.name = 'UpstreamFailureError';
    this.failure = failure;
  }
}
