import { randomInt } from 'node:crypto';
import { connect, createServer, type ListenOptions, type NetConnectOpts, type Server } from 'node:net';

/** Below the ports that Linux gives to connections: one of these could take a port while its server is away. */
const [lowest, howMany] = [20_000, 12_000];

/**
 * A TCP port of 127.0.0.1 on which nobody listens, and which no other test is given: until this process ends it keeps an
 * abstract socket of that name, of which there can be one.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowest + randomInt(howMany);
    const claim = await listening({ path: `\0goodgateway-test-port-${port}` });
    const server = claim && (await listening({ host: '127.0.0.1', port }));
    claim?.unref();
    if (!server) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** `undefined` where somebody else listens. */
function listening(where: ListenOptions): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
    server.listen(where, () => resolve(server));
  });
}

/** Does somebody accept a connection there? A full backlog counts as no, after one second. */
export function accepts(where: NetConnectOpts): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(where);
    const answer = (value: boolean): void => {
      socket.destroy();
      resolve(value);
    };
    socket.setTimeout(1000, () => answer(false));
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}
