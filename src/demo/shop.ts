/**
 * A small shop: the backend of the demonstration, an ordinary HTTP program that knows nothing of gateways. It can break
 * in five ways when it is told to. A process of its own, nothing but Node:
 *
 *   node shop.ts --port 8081 --other-port 8082 --workers 4 --admin http://127.0.0.1:9180 --orders FILE --end-with PID
 */
import { createServer, type Server } from 'node:http';
import { parseArgs } from 'node:util';
import { answerShop } from './shop-answers.ts';
import { openOrders } from './shop-orders.ts';
import { workerSlots } from './worker-slots.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8081' },
    'other-port': { type: 'string', default: '8082' },
    workers: { type: 'string', default: '4' },
    admin: { type: 'string' },
    orders: { type: 'string' },
    'end-with': { type: 'string' },
  },
});
const ports = [Number(values.port), Number(values['other-port'])] as const;
const slots = workerSlots(Number(values.workers));
const answer = answerShop({ slots, move, admin: values.admin, orders: openOrders(values.orders) });

const lookEveryMs = 1000;

let current = 0;
let server = listen(ports[0]);

if (values['end-with'] !== undefined) endWith(Number(values['end-with']));

function listen(port: number): Server {
  const listening = createServer(answer);
  listening.listen(port, '127.0.0.1', () => console.log(`the shop listens on 127.0.0.1:${port}`));
  return listening;
}

/** There and back: the button can be pressed again and again. */
function move(): void {
  const old = server;
  current = 1 - current;
  server = listen(ports[current] ?? ports[0]);
  old.close();
  old.closeIdleConnections();
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    // A kept connection in the middle of a request must not keep a shop open that was told to close.
    setTimeout(() => process.exit(0), 1000).unref();
  });
}

/** Nobody would end a shop whose demonstration was killed: it is no child of it, since a healer must be able to die first. */
function endWith(pid: number): void {
  setInterval(() => {
    if (!exists(pid)) process.exit(0);
  }, lookEveryMs).unref();
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: it exists and is somebody else's
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}
