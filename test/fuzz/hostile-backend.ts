/**
 * The backend that nobody wants: one process, four listeners, every answer a planned mistake. Its own mischief comes
 * on top: connections are dropped as they come, listeners go away, and the whole process freezes for a moment.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { seeded } from '../fixtures/fastcgi/seeded.ts';
import { pause } from './answer-badly.ts';
import { BackendLedger } from './backend-ledger.ts';
import { FastcgiBackendConnection } from './fastcgi-backend.ts';
import { HttpBackendConnection } from './http-backend.ts';
import type { BackendOrder } from './messages.ts';
import { reset } from './reset.ts';

const { values } = parseArgs({ options: { seed: { type: 'string' }, listen: { type: 'string', multiple: true } } });
const random = seeded(Number(values.seed));
const ledger = new BackendLedger(Number(values.seed));
/** Small, so that a frozen backend's queue is full at once. */
const backlog = 16;
let calm = false;

function serve(socket: Socket, isHttp: boolean): void {
  socket.on('error', () => undefined); // what an error means is seen by the other side
  const fate = calm ? 1000 : random(1000);
  if (fate < 12) return dropped('close_at_accept', () => socket.destroy());
  if (fate < 24) return dropped('reset_at_accept', () => reset(socket));
  if (fate < 30) return dropped('stall_at_accept', () => void setTimeout(() => socket.destroy(), 330));
  if (fate < 50) return dropped('close_in_request', () => closeAfter(socket, random(400)));
  if (isHttp) new HttpBackendConnection(socket, ledger);
  else new FastcgiBackendConnection(socket, ledger);
}

function dropped(fault: string, how: () => void): void {
  ledger.fault(fault);
  how();
}

/** What came is not read: nothing of it is executed. */
function closeAfter(socket: Socket, bytes: number): void {
  socket.on('data', () => {
    if (socket.bytesRead >= bytes) socket.destroy();
  });
}

async function listenAndVanish(where: string, isHttp: boolean): Promise<void> {
  const open = new Set<Socket>();
  for (let first = true; ; first = false) {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      serve(socket, isHttp);
    });
    await listen(server, where);
    if (first) process.send?.({ listening: where });
    do await pause(300 + random(1200));
    while (calm);
    ledger.fault('listener_gone');
    server.close();
    // over a unix socket an answer without a length would look whole
    const killsToo = random(2) === 0 && !(isHttp && where.startsWith('unix:'));
    if (killsToo) for (const socket of open) reset(socket);
    await pause(20 + random(130));
  }
}

function listen(server: Server, where: string): Promise<void> {
  const [host, port] = where.split(':');
  if (host === 'unix') rmSync(port!, { force: true });
  const address = host === 'unix' ? { path: port, backlog } : { host, port: Number(port), backlog };
  return new Promise((resolve) => {
    server.once('listening', resolve);
    // another process may have the port as its connection's own for a moment
    server.on('error', () => setTimeout(() => server.listen(address), 20));
    server.listen(address);
  });
}

async function freezeNowAndThen(): Promise<void> {
  for (;;) {
    await pause(2000 + random(4000));
    if (calm) continue;
    ledger.fault('frozen');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30 + random(150));
  }
}

process.on('message', (order: BackendOrder) => {
  calm = order === 'calm';
});
process.on('disconnect', () => process.exit());
setInterval(() => process.send?.(ledger.report()), 100);
for (const [index, where] of (values.listen ?? []).entries()) void listenAndVanish(where, index < 2);
void freezeNowAndThen();
