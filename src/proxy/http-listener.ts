/**
 * The HTTP side: Fastify and @fastify/http-proxy in front, our own transport behind the plugin's `undici` option.
 * Everything that the two would change about a request (its target, its body, its Host, odd methods, odd content
 * types) is taken from the raw request instead; what they would add to an answer is taken away again.
 */
import http from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import httpProxy from '@fastify/http-proxy';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Dispatcher } from 'undici';
import type { Address } from '../core/failure.ts';
import type { GatewayRequest, HandleRequest, Listener } from './gateway-request.ts';
import { gatewayRequest } from './http-request.ts';
import { drainAtEnd } from './linger.ts';
import { isRealUpgrade, passUpgrades } from './http-upgrade.ts';
import { listenOn, type SocketPermissions } from '../channel/listen-on.ts';

export interface HttpListenerOptions {
  readonly address: Address;
  readonly socket: SocketPermissions;
  readonly handle: HandleRequest;
  /** Name of the header that carries the visitor's address. */
  readonly clientAddressHeader?: string | undefined;
}

const largestHeadBytes = 128 * 1024;
const sweepEveryMs = 50;
const exchangeKey = Symbol('request and reply');
type Tagged = Record<string | symbol, unknown>;
interface Pair {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** Listens and answers until it is closed. Rejects with a sentence when it cannot listen. */
export async function listenHttp(options: HttpListenerOptions): Promise<Listener> {
  const app = buildApp(options);
  await app.ready();
  const upgrades = passUpgrades(app.server, { handle: options.handle, clientAddressHeader: options.clientAddressHeader });
  await listenOn(app.server, options.address, options.socket);
  return {
    close: async (deadline) => {
      const cut = (): void => {
        app.server.closeAllConnections();
        upgrades.cut();
      };
      if (deadline.aborted) cut();
      else deadline.addEventListener('abort', cut, { once: true });
      const closed = new Promise<void>((resolve) => app.server.close(() => resolve()));
      // a kept connection becomes idle when its answer is done, and nobody else would close it
      const sweep = setInterval(() => app.server.closeIdleConnections(), sweepEveryMs);
      await closed;
      clearInterval(sweep);
      deadline.removeEventListener('abort', cut);
      await app.close();
    },
  };
}

function buildApp(options: HttpListenerOptions): FastifyInstance {
  const replies = new WeakMap<FastifyRequest, FastifyReply>();
  const latest = new WeakMap<Duplex, http.ServerResponse>();
  const app = Fastify({
    logger: false,
    exposeHeadRoutes: false,
    bodyLimit: Number.MAX_SAFE_INTEGER,
    http: { maxHeaderSize: largestHeadBytes, shouldUpgradeCallback: isRealUpgrade },
    // one route takes all: Fastify would refuse or rewrite targets such as //a, /%E9 or *
    rewriteUrl: () => '/',
    clientErrorHandler: (_error, socket) => refuseBroken(socket, latest.get(socket)),
  });
  const methods = http.METHODS.filter((method) => method !== 'CONNECT');
  for (const method of methods) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method);
  app.removeAllContentTypeParsers();
  // nobody reads the body before the attempt opens it
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.addHook('onRequest', async (request, reply) => {
    replies.set(request, reply);
    latest.set(request.raw.socket, reply.raw);
    // Fastify answers 415 to a malformed content type; the true one is still in rawHeaders
    request.raw.headers['content-type'] = 'application/octet-stream';
  });
  void app.register(httpProxy, {
    upstream: 'http://upstream.invalid',
    undici: { request: transport(options), destroy: () => undefined } as unknown as { request: Dispatcher['request'] },
    disableCache: true,
    disableRequestLogging: true,
    internalRewriteLocationHeader: false,
    httpMethods: methods,
    routes: ['/'],
    proxyPayloads: false,
    retryMethods: [],
    replyOptions: {
      // the plugin would ask a busy backend up to eleven times
      retryDelay: () => null,
      rewriteRequestHeaders: (request) => ({ [exchangeKey]: { request, reply: replies.get(request as FastifyRequest) } }) as http.IncomingHttpHeaders,
      rewriteHeaders: (headers) => headers,
      // only "client gone" comes here: every other failure has been answered by the fallback
      onError: (reply) => void reply.hijack(),
    },
  });
  return app;
}

/** What is no HTTP is refused, unless an answer is under way on its connection, which would take the refusal for a part of it. */
function refuseBroken(socket: Duplex, latest: http.ServerResponse | undefined): void {
  const isUnderWay = latest !== undefined && !latest.writableFinished && (latest.headersSent || latest.socket !== socket);
  if (isUnderWay || !socket.writable) socket.destroy();
  else socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\nProxy-Status: goodgateway; error=http_request_error\r\n\r\n');
}

/** What @fastify/http-proxy takes for an undici dispatcher: the story of the request, seen as one call. */
function transport(options: HttpListenerOptions) {
  return ({ headers }: { headers: Tagged }, done: (error: Error | null, response?: unknown) => void): void => {
    const pair = headers[exchangeKey] as Pair;
    const request = requestOf(pair, options);
    void options.handle(request).then((answer) => {
      if (!answer) return done(new Error('the client has gone'));
      const body = drainAtEnd(answer, pair.request.raw);
      cutVisibly(body, pair);
      done(null, { statusCode: answer.head.status, headers: headerObject(answer.head.rawHeaders), body });
      setImmediate(() => sendHeadNow(body, pair));
    });
  };
}

/**
 * A cut answer must not look complete: with HTTP/1.0 a clean close would be its normal end. One that breaks off before
 * its turn waits for it, or it would take the answers to the requests before it along.
 */
function cutVisibly(body: Readable, { request, reply: { raw } }: Pair): void {
  const { socket } = request.raw;
  const cut = (): void => {
    if (!socket.destroyed && socket.remotePort !== undefined) socket.resetAndDestroy();
    else socket.destroy();
  };
  body.once('error', () => void (raw.socket ? cut() : raw.once('socket', cut)));
}

/** Fastify writes the head with the first bytes of the body; an event stream's may be minutes away. */
function sendHeadNow(body: Readable, { reply: { raw } }: Pair): void {
  if (!raw.headersSent && !raw.destroyed && !body.readableEnded && !body.errored && body.readableLength === 0) raw.flushHeaders();
}

function requestOf({ request, reply }: Pair, options: HttpListenerOptions): GatewayRequest {
  const gone = new AbortController();
  reply.raw.once('close', () => reply.raw.writableFinished || gone.abort());
  return gatewayRequest(request.raw, request.originalUrl, {
    clientAddressHeader: options.clientAddressHeader,
    clientGone: gone.signal,
    upgrade: false,
  });
}

/** In order of first appearance; several of one name become a list, as Node writes them. */
function headerObject(rawHeaders: readonly string[]): Record<string, string | string[]> {
  const object: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    const value = rawHeaders[i + 1]!;
    const before = object[name];
    if (before === undefined) object[name] = value;
    else if (typeof before === 'string') object[name] = [before, value];
    else before.push(value);
  }
  return object;
}
