/** What is said to a client whose request is not handled at all: small, never cached, and the connection ends with it. */
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { headerLines } from './header-lines.ts';
import { endAfter, endSlowly } from './linger.ts';

export interface Refusal {
  readonly status: 400 | 408 | 417 | 431 | 501 | 505;
  /** For the person who wrote the client: what was expected, or what came. */
  readonly why: string;
}

/** Answers in its turn, behind answers to earlier requests of the same connection. */
export function refuse(raw: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  endAfter(raw, response);
  const body = Buffer.from(text(refusal));
  response.writeHead(refusal.status, fields(body.length)).end(body);
}

/** Answers on a connection that has no response of its own: a parser's error, CONNECT, an upgrade. */
export function refuseOnSocket(socket: Duplex, refusal: Refusal): void {
  if (!socket.writable) return;
  const body = text(refusal);
  const head = `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n${headerLines(fields(Buffer.byteLength(body)))}`;
  socket.write(`${head}Connection: close\r\n\r\n${body}`);
  endSlowly(socket);
}

/** A `clientError`, as Node's parser reports it. */
export interface ParserError extends NodeJS.ErrnoException {
  readonly rawPacket?: Buffer;
  /** How much of it the parser read, what it stumbled over included. */
  readonly bytesParsed?: number;
}

/** What Node's parser says, as a refusal; `undefined` where nobody is there to read one. */
export function refusalForError(error: ParserError): Refusal | undefined {
  const { code } = error;
  switch (code) {
    case 'ECONNRESET':
    case 'EPIPE':
      return undefined;
    case 'HPE_HEADER_OVERFLOW':
      return { status: 431, why: 'the header section is too large' };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: 408, why: 'the head of the request did not come in time' };
    case 'HPE_INVALID_VERSION':
      return endsInBareLineFeed(error) ? { status: 400, why: 'expected CRLF at the end of the request line, got LF' } : { status: 505, why: 'expected HTTP/1.1 or HTTP/1.0' };
    default:
      return { status: 400, why: `the request breaks HTTP/1.1 (${code ?? 'unknown error'})` };
  }
}

/** Node takes the line end for a part of the version. */
function endsInBareLineFeed({ rawPacket, bytesParsed }: ParserError): boolean {
  return rawPacket !== undefined && bytesParsed !== undefined && rawPacket[bytesParsed - 1] === 10;
}

function fields(length: number): string[] {
  return ['Content-Type', 'text/plain; charset=utf-8', 'Content-Length', String(length), 'Cache-Control', 'no-store', 'Proxy-Status', 'goodgateway; error=http_request_error'];
}

function text({ status, why }: Refusal): string {
  return `${status} ${STATUS_CODES[status]}: ${why}\n`;
}
