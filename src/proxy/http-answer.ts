/**
 * Writes an answer as it came: fields in their order, each on its own line, bytes above 0x7F as they are. A small answer
 * leaves in one write; of all others the head leaves at once, since an event stream's first event may be minutes away.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { clientConnection } from './client-connection.ts';
import type { Answer, GatewayRequest } from './gateway-request.ts';
import { isWithheld } from './http-request.ts';
import { endAfter, throwRestAway } from './linger.ts';
import { resetOrClose } from './reset-or-close.ts';

/** What Node writes as text without memory of its own, less room for a head. */
const joinedBytes = 12 * 1024;

/** Where one answer goes. */
export interface Recipient {
  readonly raw: IncomingMessage;
  readonly response: ServerResponse;
  readonly request: GatewayRequest;
}

/** Writes it to its end; a cut is made visible. */
export function writeAnswer(answer: Answer, to: Recipient): void {
  const { raw, response, request } = to;
  const { head, body } = answer;
  if (response.destroyed || request.clientGone.aborted) return void body.destroy();
  if (endsEarly(answer, to)) endAfter(raw, response);
  else if (!raw.complete) response.once('finish', () => throwRestAway(raw));
  if (raw.httpVersion !== '1.1') response.useChunkedEncodingByDefault = false; // Node would, where HTTP/1.0 says TE: chunked
  response.writeHead(head.status, [...head.rawHeaders]);
  if (head.contentLength !== undefined && body.readableLength === head.contentLength) return endWith(body.read(), response);
  pass(body, to);
}

/** Head and content as one text are one write of one piece, which costs less than one of two, until copying costs more. */
function endWith(content: unknown, response: ServerResponse): void {
  if (!Buffer.isBuffer(content)) return void response.end();
  if (content.length <= joinedBytes) response.end(content.toString('latin1'), 'latin1');
  else response.end(content);
}

/** Is there a body that nobody will read? An early 2xx comes from a backend that goes on reading. */
function endsEarly({ from, head }: Answer, { raw, request }: Recipient): boolean {
  return !raw.complete && (from === 'goodgateway' || head.status >= 300 || isWithheld(request));
}

function pass(body: Answer['body'], { raw, response, request }: Recipient): void {
  if (body.readableLength === 0) response.flushHeaders();
  body.once('error', () => cut(raw));
  response.once('close', () => body.destroy());
  if (request.wire.protocol === 'http' && request.wire.takesTrailers === true) body.once('end', () => addTrailers(body, response));
  body.pipe(response);
}

/** Only a chunked answer has a place for them. */
function addTrailers(body: Answer['body'], response: ServerResponse): void {
  const { trailers = [] } = body;
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < trailers.length; i += 2) pairs.push([trailers[i]!, trailers[i + 1]!]);
  if (response.chunkedEncoding) response.addTrailers(pairs);
}

/**
 * A cut answer must not look complete: with HTTP/1.0 a clean close would be its normal end. But a reset takes along what
 * the client has not read of the answers before this one; where there may be some, the connection ends after them.
 */
function cut({ socket, httpVersion }: IncomingMessage): void {
  const gently = socket.remotePort !== undefined && clientConnection(socket).pipelined && httpVersion === '1.1';
  if (gently) socket.destroySoon();
  else resetOrClose(socket);
}
