/** Node's request as the gateway's: everything from its raw form, so that nothing on the way has changed it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { InterimEvents, RequestBody, RequestWire } from '../upstream/exchange.ts';
import { requestTarget, withHost } from './http-check.ts';
import { requestId } from './request-id.ts';
import type { GatewayRequest } from './gateway-request.ts';

export interface HttpRequestOptions {
  /** What stood in the request line. */
  readonly target: string;
  /** Name of the header that carries the visitor's address. */
  readonly clientAddressHeader: string | undefined;
  readonly clientGone: AbortSignal;
  /** Where 100 Continue can be said; without it the request is an upgrade. */
  readonly response?: ServerResponse;
  readonly interim?: InterimEvents;
}

/** For a request that the checks let through; its body is unread. */
export class HttpRequest implements GatewayRequest {
  readonly method: string;
  readonly target: string;
  readonly wire: RequestWire;
  readonly body: RequestBody;
  readonly clientGone: AbortSignal;
  readonly interim: InterimEvents;
  readonly #raw: IncomingMessage;
  readonly #addressHeader: string;
  #id: string | undefined;

  constructor(raw: IncomingMessage, options: HttpRequestOptions) {
    const { response } = options;
    const { target, host } = requestTarget(raw.method ?? 'GET', options.target);
    const http11 = raw.httpVersion === '1.1'; // HTTP/1.0 has neither expectations nor trailers
    this.method = raw.method ?? 'GET';
    this.target = target;
    this.body = response ? bodyOf(raw, response) : noBody;
    this.wire = {
      protocol: 'http',
      rawHeaders: host === undefined ? raw.rawHeaders : withHost(raw.rawHeaders, host),
      upgrade: response === undefined,
      expectsContinue: this.body instanceof WithheldBody,
      takesTrailers: http11 && response !== undefined && trailersPattern.test(rawHeader(raw.rawHeaders, 'te') ?? ''),
    };
    this.clientGone = options.clientGone;
    this.interim = options.interim ?? noInterim;
    this.#raw = raw;
    this.#addressHeader = options.clientAddressHeader ?? 'x-real-ip';
  }

  get id(): string {
    return (this.#id ??= requestId(this.header('x-request-id')));
  }

  get clientAddress(): string {
    return this.header(this.#addressHeader) ?? this.#raw.socket.remoteAddress ?? '';
  }

  header(name: string): string | undefined {
    return rawHeader(this.#raw.rawHeaders, name);
  }
}

/** The first value of a header; header names are compared without case. */
export function rawHeader(rawHeaders: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) if (rawHeaders[i]!.length === name.length && rawHeaders[i]!.toLowerCase() === name) return rawHeaders[i + 1];
  return undefined;
}

/** Does the client still keep its body, since nobody has said 100 Continue? */
export function isWithheld(request: GatewayRequest): boolean {
  return request.body instanceof WithheldBody && request.body.withheld;
}

const noBody: RequestBody = { length: 0, open: () => Readable.from([]) };
const noInterim: InterimEvents = {};
const trailersPattern = /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i;

function bodyOf(raw: IncomingMessage, response: ServerResponse): RequestBody {
  const { headers } = raw;
  const length = headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : undefined;
  if (length === 0) return noBody;
  return headers.expect !== undefined && raw.httpVersion === '1.1' ? new WithheldBody(raw, length, response) : new ClientBody(raw, length);
}

class ClientBody implements RequestBody {
  readonly length: number | undefined;
  readonly #raw: IncomingMessage;

  constructor(raw: IncomingMessage, length: number | undefined) {
    this.#raw = raw;
    this.length = length;
  }

  open(): Readable {
    return this.#raw;
  }

  /** Complete when the body has ended. */
  trailers(): readonly string[] {
    return this.#raw.rawTrailers;
  }
}

/** The client waits for 100 Continue before it sends: it is told so by whoever opens the body first. */
class WithheldBody extends ClientBody {
  withheld = true;
  readonly #response: ServerResponse;

  constructor(raw: IncomingMessage, length: number | undefined, response: ServerResponse) {
    super(raw, length);
    this.#response = response;
  }

  override open(): Readable {
    if (this.withheld && !this.#response.headersSent) this.#response.writeContinue();
    this.withheld = false;
    return super.open();
  }
}
