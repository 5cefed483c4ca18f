/**
 * WebSocket and other upgrades: the client is answered 101 only when the backend was, so holding, replay and fallback
 * apply before it; after it bytes pass both ways, half-closed connections too, until one side has gone.
 */
import { ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Answer, HandleRequest } from './gateway-request.ts';
import { allAnswered, clientConnection } from './client-connection.ts';
import { headerLines } from './header-lines.ts';
import { refusalFor } from './http-check.ts';
import { refuseOnSocket, type Refusal } from './http-refusal.ts';
import { HttpRequest } from './http-request.ts';
import { resetOrClose } from './reset-or-close.ts';

/** A side that vanished without a word is found by the kernel. */
const keepAliveAfterMs = 60_000;
/** After one side has ended, the other may still speak, but not for ever. */
const halfClosedMs = 60_000;

export interface UpgradeOptions {
  readonly handle: HandleRequest;
  readonly clientAddressHeader?: string | undefined;
}

/** Node before 24.9 (and 22.21) hands over every offer and has lost the body by now. */
const lostBody: Refusal = { status: 501, why: 'this offer of an upgrade cannot be declined without losing its body' };
const unread: Refusal = { status: 400, why: 'an earlier request of this connection was refused' };
/** What a client may say before it is answered; more of it waits in the kernel, and then its leaving is not seen. */
const earlyLimitBytes = 64 * 1024;

/** Lets a server pass upgrades on. `has`: is this connection one that was, or is to be, upgraded? */
export function passUpgrades(server: Server, options: UpgradeOptions): { has(client: Duplex): boolean } {
  const standing = new Set<Duplex>();
  server.on('upgrade', (raw: IncomingMessage, client: Socket, early: Buffer) => {
    standing.add(client);
    client.once('close', () => standing.delete(client));
    // best effort: a client that resets has gone, which `close` tells
    client.on('error', () => undefined);
    if (!allAnswered(client)) return void client.destroy(); // a 101 would be taken for the answer to another request
    const refusal = clientConnection(client).refused ? unread : (refusalFor(raw) ?? (isRealUpgrade(raw) ? undefined : lostBody));
    if (refusal) return refuseOnSocket(client, refusal);
    if (early.length > 0) client.unshift(early);
    inTurn(client, () => void upgrade(raw, client, options));
  });
  return { has: (client) => standing.has(client) };
}

/**
 * Only a bodyless GET that asks for something else than h2c is passed on as an upgrade. Clients offer h2c with ordinary
 * requests, bodies and all; nobody has to accept an offer.
 */
export function isRealUpgrade({ method, headers }: IncomingMessage): boolean {
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  return method === 'GET' && !hasBody && headers.upgrade !== undefined && headers.upgrade.toLowerCase() !== 'h2c';
}

/** An answer that was written may still wait for its client to read: until it has left, Node gives the connection to no other. */
function inTurn(client: Socket, next: () => void): void {
  const before = clientConnection(client).latest?.response;
  if (before?.socket !== client) return next();
  before.once('finish', () => {
    client.setTimeout(0); // Node takes the connection for one that is kept and idle
    next();
  });
}

async function upgrade(raw: IncomingMessage, client: Socket, options: UpgradeOptions): Promise<void> {
  const early = watch(client);
  const { clientAddressHeader } = options;
  const answer = await options.handle(new HttpRequest(raw, { target: raw.url ?? '/', clientAddressHeader, clientGone: clientConnection(client).gone }));
  early.stop();
  if (!answer || client.destroyed) {
    answer?.tunnel?.destroy();
    answer?.body.destroy();
    client.destroy();
  } else if (answer.tunnel) join(client, answer, answer.tunnel);
  else refuse(raw, client, answer);
}

/** Reads while the request waits, because only a reader sees that the other side has ended. What was read is put back. */
function watch(client: Socket): { stop(): void } {
  const parts: Buffer[] = [];
  let bytes = 0;
  const onData = (part: Buffer): void => {
    parts.push(part);
    bytes += part.length;
    if (bytes >= earlyLimitBytes) client.pause();
  };
  const onEnd = (): void => void client.destroy();
  client.on('data', onData).on('end', onEnd);
  return {
    stop: () => {
      client.off('data', onData).off('end', onEnd).pause();
      if (bytes > 0 && !client.destroyed) client.unshift(Buffer.concat(parts));
    },
  };
}

function join(client: Socket, { head }: Answer, backend: Socket): void {
  const text = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n${headerLines(head.rawHeaders)}`;
  client.setNoDelay(true);
  for (const side of [client, backend]) side.setKeepAlive(true, keepAliveAfterMs).once('end', () => side.setTimeout(halfClosedMs, () => side.destroy()));
  client.write(`${text}\r\n`, 'latin1');
  backend.once('close', () => client.destroySoon());
  backend.on('error', () => client.destroy());
  client.once('close', () => backend.destroy());
  backend.pipe(client);
  client.pipe(backend);
}

/** The backend's own answer to the upgrade, or ours; the connection ends with it. */
function refuse(raw: IncomingMessage, client: Socket, { head, body }: Answer): void {
  const response = new ServerResponse(raw);
  response.shouldKeepAlive = false;
  response.assignSocket(client);
  response.once('finish', () => client.destroySoon());
  // Node's server has let go of the connection: nobody else would say that there is room again, or see the client leave
  client.on('drain', () => response.emit('drain')).resume();
  response.writeHead(head.status, [...head.rawHeaders]);
  // with HTTP/1.0 a clean close would be the answer's normal end
  body.once('error', () => resetOrClose(client));
  client.once('close', () => body.destroy());
  body.pipe(response);
}
