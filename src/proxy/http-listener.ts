/**
 * The HTTP side: Fastify and @fastify/http-proxy in front, our own transport behind them. What the two would change about
 * a request (its target, its body, its Host, odd methods, odd content types) is taken from the raw request instead, and
 * the answer is written raw: an object of headers would lose their order.
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { Server } from 'node:net';
import httpProxy from '@fastify/http-proxy';
import Fastify, { type FastifyInstance } from 'fastify';
import { acceptTheLast, listenOn, type SocketPermissions } from '../channel/listen-on.ts';
import type { Address } from '../core/failure.ts';
import { systemClock } from '../core/time.ts';
import { allAnswered, clientConnection } from './client-connection.ts';
import type { HandleRequest, Listener } from './gateway-request.ts';
import { writeAnswer } from './http-answer.ts';
import { relayInterim } from './http-interim.ts';
import { HttpRequest } from './http-request.ts';
import { passUpgrades } from './http-upgrade.ts';
import { OpenConnections } from './open-connections.ts';
import { refuseBroken, strictServer } from './strict-server.ts';

export interface HttpListenerOptions {
  readonly address: Address;
  readonly socket: SocketPermissions;
  readonly handle: HandleRequest;
  /** Name of the header that carries the visitor's address. Asked for each request, as `earlyHints` is: a reload may change it. */
  readonly clientAddressHeader?: string | undefined;
  /** Pass 103 and other interim answers on. */
  readonly earlyHints?: boolean;
  /** How long the head of a request may take to come. Default: a minute. */
  readonly headTimeoutMs?: number;
}

const longestHeadMs = 60_000;

/** Listens and answers until it is closed. Rejects with a sentence when it cannot listen. */
export async function listenHttp(options: HttpListenerOptions): Promise<Listener> {
  const connections = new OpenConnections(systemClock);
  const app = buildApp(options, connections);
  await app.ready();
  const upgrades = passUpgrades(app.server, options);
  app.server.on('connection', (socket) => connections.add(socket, () => allAnswered(socket) && !upgrades.has(socket)));
  await listenOn(app.server, options.address, options.socket);
  return {
    drain: (signal) => connections.drain(signal),
    close: async (deadline) => {
      await acceptTheLast(app.server);
      // http's own close would close kept connections at once, with a request on its way
      const closed = new Promise<void>((resolve) => Server.prototype.close.call(app.server, () => resolve()));
      await connections.drain(deadline);
      connections.cut();
      await closed;
      await app.close();
    },
  };
}

function buildApp(options: HttpListenerOptions, connections: OpenConnections): FastifyInstance {
  const app = Fastify({
    logger: false,
    exposeHeadRoutes: false,
    bodyLimit: Number.MAX_SAFE_INTEGER,
    // one route takes all: Fastify would refuse or rewrite targets such as //a, /%E9 or *
    rewriteUrl: () => '/',
    serverFactory: (toFastify) => strictServer(toFastify, options.headTimeoutMs ?? longestHeadMs),
    clientErrorHandler: refuseBroken,
  });
  const methods = http.METHODS.filter((method) => method !== 'CONNECT');
  for (const method of methods) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method);
  app.removeAllContentTypeParsers();
  // nobody reads the body before the attempt opens it
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  void app.register(httpProxy, {
    upstream: 'http://upstream.invalid',
    disableCache: true,
    disableRequestLogging: true,
    httpMethods: methods,
    routes: ['/'],
    proxyPayloads: false,
    // taken over before the plugin reads the target as a URL, which costs 7 % of a request and is not wanted;
    // reply.from() would answer by an object of headers
    preHandler: ({ raw, originalUrl }, reply, done) => {
      reply.hijack();
      void answer({ raw, target: originalUrl, response: reply.raw }, options, connections);
      done();
    },
  });
  return app;
}

interface Exchange {
  readonly raw: IncomingMessage;
  readonly target: string;
  readonly response: ServerResponse;
}

async function answer({ raw, target, response }: Exchange, options: HttpListenerOptions, connections: OpenConnections): Promise<void> {
  const request = new HttpRequest(raw, {
    target,
    response,
    clientAddressHeader: options.clientAddressHeader,
    clientGone: clientConnection(raw.socket).gone,
    ...(options.earlyHints && { interim: relayInterim(raw, response) }),
  });
  const found = await options.handle(request);
  if (connections.leaving) response.shouldKeepAlive = false;
  if (found) writeAnswer(found, { raw, response, request });
}
