/** Node's HTTP server, which hands on only what {@link refusalFor} lets through, and never answers by itself. */
import http, { type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { Socket } from 'node:net';
import { allAnswered, clientConnection } from './client-connection.ts';
import { refusalFor } from './http-check.ts';
import { refusalForError, refuse, refuseOnSocket, type Refusal } from './http-refusal.ts';
import { isRealUpgrade } from './http-upgrade.ts';

const largestHeadBytes = 128 * 1024;
/**
 * What a connection buffers each way: a held upload costs 80 KiB with it, and 146 with Node's 64 KiB (measured); a fast
 * download of hundreds of megabytes a second pays a sixth for it.
 */
const bufferBytes = 16 * 1024;
/** For how long a connection may be idle: longer than nginx keeps one (60 s), so that it is nginx who closes. */
const keepAliveMs = 72_000;
/** How often Node looks for heads that are late. */
const lookEveryMs = 30_000;

/** Requests of one connection that wait for the answer to the one before: a browser would send a few, nginx sends none. */
const mostWaiting = 64;

const tooMany: Refusal = { status: 400, why: `expected at most ${mostWaiting} requests at once on one connection` };
const noTunnels: Refusal = { status: 501, why: 'this is no forward proxy: CONNECT is not spoken here' };

/** `headTimeoutMs`: how long the head of a request may take to come. Upgrades are the caller's. */
export function strictServer(take: RequestListener, headTimeoutMs: number): Server {
  const options = {
    maxHeaderSize: largestHeadBytes,
    highWaterMark: bufferBytes,
    shouldUpgradeCallback: isRealUpgrade,
    requireHostHeader: false, // Node's own refusal would not say who speaks
    headersTimeout: headTimeoutMs,
    connectionsCheckingInterval: Math.min(lookEveryMs, headTimeoutMs),
    requestTimeout: 0, // an upload may take as long as it likes
    keepAliveTimeout: keepAliveMs,
  };
  const begin: RequestListener = (raw, response) => {
    const connection = clientConnection(raw.socket);
    if (connection.refused || raw.socket.destroyed) return;
    const refusal = connection.waiting > mostWaiting ? tooMany : refusalFor(raw);
    if (!refusal) {
      // Fastify refuses a malformed content type, and QUERY without one; the true one is still in rawHeaders
      raw.headers['content-type'] = 'application/octet-stream';
      return void take(raw, response);
    }
    connection.refused = true;
    refuse(raw, response, refusal);
  };
  const listener: RequestListener = (raw, response) => {
    const connection = clientConnection(raw.socket);
    const before = connection.latest?.response;
    if (connection.refused || connection.waiting > mostWaiting) return;
    connection.latest = { raw, response };
    if (before === undefined || before.closed) return begin(raw, response);
    // one after the other: the second of two POSTs may stand on the effect of the first (RFC 9112 section 9.3.2)
    connection.pipelined = true;
    connection.waiting += 1;
    before.once('close', () => {
      begin(raw, response);
      connection.waiting -= 1;
    });
  };
  return http
    .createServer(options, listener)
    .on('checkContinue', listener)
    .on('checkExpectation', listener)
    .on('connect', (_raw: IncomingMessage, socket: Duplex) => (socket instanceof Socket && allAnswered(socket) ? refuseOnSocket(socket, noTunnels) : socket.destroy()));
}

/**
 * For `clientError`: what the parser refuses is answered as we answer, where the answer cannot be taken for that to
 * another request of the connection.
 */
export function refuseBroken(error: NodeJS.ErrnoException, socket: Duplex): void {
  const refusal = refusalForError(error);
  if (socket instanceof Socket && refusal && isNextToAnswer(socket)) {
    clientConnection(socket).refused = true;
    refuseOnSocket(socket, refusal);
  } else if (!socket.writableEnded) socket.destroy(); // else an answer is on its way already, or the client has gone
}

/** Is the broken request the one that the client awaits an answer to, with nothing of one sent? */
function isNextToAnswer(socket: Socket): boolean {
  const { latest, refused } = clientConnection(socket);
  if (refused) return false;
  if (!latest || allAnswered(socket)) return true;
  const { raw, response } = latest;
  return !raw.complete && response.socket === socket && !response.headersSent;
}
