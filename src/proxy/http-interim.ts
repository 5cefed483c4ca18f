import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { InterimEvents } from '../upstream/exchange.ts';
import { headerLines } from './header-lines.ts';
import { isIdempotent } from './may-resend.ts';

/**
 * Passes interim answers (103 Early Hints) on to a client of HTTP/1.1 that is still there. Only where the request may be asked again: what is said about one attempt then holds for the next.
 */
export function relayInterim({ method = '', httpVersion }: IncomingMessage, response: ServerResponse): InterimEvents {
  if (httpVersion !== '1.1' || !isIdempotent(method)) return {};
  return {
    onInformation: (status, rawHeaders) => {
      if (response.headersSent || !response.socket?.writable) return;
      response.socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${headerLines(rawHeaders)}\r\n`, 'latin1');
    },
  };
}
