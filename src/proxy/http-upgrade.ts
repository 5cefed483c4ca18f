/**
 * WebSocket and other upgrades: the client is answered 101 only when the backend was, so holding, replay and fallback
 * apply before it; after it bytes pass both ways, half-closed connections too, until one side has gone.
 */
import { ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Answer, HandleRequest } from './gateway-request.ts';
import { gatewayRequest } from './http-request.ts';

export interface UpgradeOptions {
  readonly handle: HandleRequest;
  readonly clientAddressHeader: string | undefined;
}

/** Lets a server pass upgrades on. `cut` ends those that stand: nothing else would, at a stop. */
export function passUpgrades(server: Server, options: UpgradeOptions): { cut(): void } {
  const standing = new Set<Duplex>();
  server.on('upgrade', (raw: IncomingMessage, client: Socket, early: Buffer) => {
    standing.add(client);
    client.once('close', () => standing.delete(client));
    // best effort: a client that resets has gone, which `close` tells
    client.on('error', () => undefined);
    if (early.length > 0) client.unshift(early);
    void upgrade(raw, client, options);
  });
  return { cut: () => standing.forEach((client) => client.destroy()) };
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
  response.writeHead(head.status, [...head.rawHeaders]);
  body.once('error', () => client.destroy());
  client.once('close', () => body.destroy());
  body.pipe(response);
}
