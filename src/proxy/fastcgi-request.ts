/** One request as nginx describes it in FastCGI params, seen as a {@link GatewayRequest}. Values are looked up when asked for. */
import type { InterimEvents, RequestBody, RequestWire } from '../upstream/exchange.ts';
import { findParam } from '../upstream/fastcgi/params.ts';
import { responderRole } from '../upstream/fastcgi/record.ts';
import type { GatewayRequest } from './gateway-request.ts';
import { requestId } from './request-id.ts';

export interface FastcgiRequestParts {
  /** Well-formed name-value pairs with a REQUEST_METHOD. */
  readonly params: Buffer;
  readonly body: RequestBody;
  readonly clientGone: AbortSignal;
  readonly interim: InterimEvents;
  /** Name of the header that carries the visitor's address; REMOTE_ADDR without it. */
  readonly clientAddressHeader: string | undefined;
}

export class FastcgiRequest implements GatewayRequest {
  readonly id: string;
  readonly method: string;
  readonly target: string;
  readonly wire: RequestWire;
  readonly body: RequestBody;
  readonly clientGone: AbortSignal;
  readonly interim: InterimEvents;
  readonly #params: Buffer;
  readonly #clientAddressHeader: string | undefined;

  constructor({ params, body, clientGone, interim, clientAddressHeader }: FastcgiRequestParts) {
    this.#params = params;
    this.#clientAddressHeader = clientAddressHeader;
    this.id = requestId(findParam(params, 'HTTP_X_REQUEST_ID'));
    this.method = findParam(params, 'REQUEST_METHOD') ?? '';
    this.target = findParam(params, 'REQUEST_URI') ?? targetFromScript(params);
    this.wire = { protocol: 'fastcgi', params, role: responderRole };
    this.body = body;
    this.clientGone = clientGone;
    this.interim = interim;
  }

  header(name: string): string | undefined {
    const variable = variableOf(name);
    const value = findParam(this.#params, variable);
    // nginx sends CONTENT_TYPE and CONTENT_LENGTH of a request that has neither as empty text.
    return value === '' && !variable.startsWith('HTTP_') ? undefined : value;
  }

  get clientAddress(): string {
    const named = this.#clientAddressHeader === undefined ? undefined : this.header(this.#clientAddressHeader.toLowerCase());
    return named ?? findParam(this.#params, 'REMOTE_ADDR') ?? '';
  }
}

/** Names of headers come from our own code and configuration, so there are few. */
const variables = new Map<string, string>();

function variableOf(header: string): string {
  let variable = variables.get(header);
  if (variable === undefined) {
    const name = header.toUpperCase().replaceAll('-', '_');
    variable = name === 'CONTENT_TYPE' || name === 'CONTENT_LENGTH' ? name : `HTTP_${name}`;
    variables.set(header, variable);
  }
  return variable;
}

/** Small clients, such as those that ask php-fpm for its status page, send no REQUEST_URI. */
function targetFromScript(params: Buffer): string {
  const query = findParam(params, 'QUERY_STRING') ?? '';
  return (findParam(params, 'SCRIPT_NAME') || '/') + (query === '' ? '' : `?${query}`);
}
