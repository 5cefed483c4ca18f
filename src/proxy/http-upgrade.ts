/**
 * WebSocket and other upgrades: the client is answered 101 only when the backend was, so holding, replay and fallback
 * apply before it; after it bytes pass both ways, half-closed connections too, until one side has gone.
 */
import { ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Answer, HandleRequest } from './gateway-request.ts';
import { gatewayRequest } from './http-request.ts';

/** A side that vanished without a word is found by the kernel. */
const keepAliveAfterMs = 60_000;
/** After one side has ended, the other may still speak, but not for ever. */
const halfClosedMs = 60_000;

export interface UpgradeOptions {
  readonly handle: HandleRequest;
  readonly clientAddressHeader: string | undefined;
}

/** Lets a server pass upgrades on. `cut` ends those that stand: nothing else would, at a stop. */
export function passUpgrades(server: Server, options: UpgradeOptions): { cut(): void } {
  const standing = new Set<Duplex>();
  server.on('upgrade', (raw: IncomingMessage, client: Socket, early: Buffer) => {
    // Node before 24.9 (and 22.21) hands over every offer and has lost the body by now
    if (!isRealUpgrade(raw)) return void client.end('HTTP/1.1 501 Not Implemented\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    standing.add(client);
    client.once('close', () => standing.delete(client));
    // best effort: a client that resets has gone, which `close` tells
    client.on('error', () => undefined);
    if (early.length > 0) client.unshift(early);
    void upgrade(raw, client, options);
  });
  return { cut: () => standing.forEach((client) => client.destroy()) };
}

/**
 * Only a bodyless GET that asks for something else than h2c is passed on as an upgrade. Clients offer h2c with ordinary
 * requests, bodies and all; nobody has to accept an offer.
 */
export function isRealUpgrade({ method, headers }: IncomingMessage): boolean {
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  return method === 'GET' && !hasBody && headers.upgrade !== undefined && headers.upgrade.toLowerCase() !== 'h2c';
}

async function upgrade(raw: IncomingMessage, client: Socket, { handle, clientAddressHeader }: UpgradeOptions): Promise<void> {
  const gone = new AbortController();
  client.once('close', () => gone.abort());
  const answer = await handle(gatewayRequest(raw, raw.url ?? '/', { clientAddressHeader, clientGone: gone.signal, upgrade: true }));
  if (!answer || client.destroyed) {
    answer?.tunnel?.destroy();
    answer?.body.destroy();
    client.destroy();
  } else if (answer.tunnel) join(client, answer, answer.tunnel);
  else refuse(raw, client, answer);
}

function join(client: Socket, { head }: Answer, backend: Socket): void {
  let text = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n';
  for (let i = 0; i + 1 < head.rawHeaders.length; i += 2) text += `${head.rawHeaders[i]}: ${head.rawHeaders[i + 1]}\r\n`;
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
  body.once('error', () => void (client.remotePort === undefined ? client.destroy() : client.resetAndDestroy()));
  client.once('close', () => body.destroy());
  body.pipe(response);
}
