/**
 * FastCGI, the Responder role, as php-fpm speaks it: over a connection of its own or a kept one, with a body whose
 * length is always told.
 */
import type { Address, UpstreamFailure } from '../../core/failure.ts';
import { internalFailure, requestBroken, type Progress } from '../classify-failure.ts';
import { connectTo } from '../connect.ts';
import type { AttemptOptions, AttemptResult, UpstreamProtocol, UpstreamRequest } from '../exchange.ts';
import { collectBody } from './collect-body.ts';
import { encodeParams, withoutParam } from './params.ts';
import { RequestExchange } from './request-exchange.ts';
import type { RequestToSend } from './send-request.ts';
import { wholeBody } from './whole-body.ts';

/** A request that came over HTTP is an internal failure: no params can be made of it here. */
export const fastcgi: UpstreamProtocol = {
  name: 'fastcgi',
  async attempt(request, target, options) {
    if (request.wire.protocol !== 'fastcgi') return failed(internalFailure(untouched(target), 'a request that came over HTTP cannot be sent over FastCGI'));
    if (request.clientGone.aborted) return { kind: 'client_gone' };
    // A header named Proxy would become the variable HTTP_PROXY, which many programs obey (httpoxy).
    const sending = { role: request.wire.role, params: withoutParam(request.wire.params, 'HTTP_PROXY'), body: request.body };
    if (request.body.length !== undefined) return send(request, sending, { target, options });
    const collected = await collectBody(request.body, { idleTimeoutMs: options.idleTimeoutMs, clientGone: request.clientGone });
    if (collected.kind === 'client_gone') return collected;
    if (collected.kind === 'broken') return failed(requestBroken(untouched(target), collected.why));
    return send(request, withLength(sending, collected.bytes), { target, options });
  },
};

type Sending = Omit<RequestToSend, 'requestId' | 'keepConnection'>;

async function send(request: UpstreamRequest, sending: Sending, { target, options }: { readonly target: Address; readonly options: AttemptOptions }): Promise<AttemptResult> {
  const lease = options.connections?.lease(target, options.fresh ?? false);
  let socket = lease?.socket;
  if (!socket) {
    const connected = await connectTo(target, { timeoutMs: options.connectTimeoutMs, signal: request.clientGone });
    if (connected.kind !== 'connected') {
      lease?.drop();
      return connected;
    }
    socket = connected.socket;
  }
  const connection = { socket, lease };
  return new Promise((settle) => new RequestExchange({ request, target, options, settle }, connection).start(sending));
}

function withLength({ role, params }: Sending, bytes: Buffer): Sending {
  const length = encodeParams([['CONTENT_LENGTH', String(bytes.length)]]);
  return { role, params: Buffer.concat([withoutParam(params, 'CONTENT_LENGTH'), length]), body: { length: bytes.length, open: () => wholeBody(bytes) } };
}

function untouched(target: Address): Progress {
  return { target, phase: 'connect', bytesWritten: 0, bytesRead: 0 };
}

function failed(failure: UpstreamFailure): AttemptResult {
  return { kind: 'failure', failure };
}
