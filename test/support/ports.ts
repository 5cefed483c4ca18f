import { connect, createServer, type ListenOptions, type NetConnectOpts, type Server } from 'node:net';

/** Below what Linux gives to connections (32768 and more), and without a port that browsers refuse. */
const [first, count] = [20_000, 10_000];
let next = (process.pid * 61) % count;

/**
 * A TCP port of 127.0.0.1 on which nobody listens, for whoever will, soon or never. As long as this process lives no
 * other process of the tests gets it, and no connection: each port has a name of its own, which one process can hold.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < count; tries++) {
    const port = first + (next++ % count);
    const claim = await listening({ path: `\0goodgateway-test-port-${port}` });
    if (claim === undefined) continue;
    const probe = await listening({ host: '127.0.0.1', port });
    if (probe !== undefined) {
      claim.unref();
      await new Promise((resolve) => probe.close(resolve));
      return port;
    }
    await new Promise((resolve) => claim.close(resolve));
  }
  throw new Error('every port for tests is taken');
}

/** `undefined` where somebody else listens. */
function listening(where: ListenOptions): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
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
    // where this process stood still, the answer may be there, and is read after the timers
    socket.setTimeout(1000, () => setImmediate(answer, false));
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}
