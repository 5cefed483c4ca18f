import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { breakShop, faultOf, fillMs, type FaultName } from './shop-faults.ts';
import { askHealing } from './shop-healing.ts';
import type { Orders } from './shop-orders.ts';
import { shopPage, shopStyle } from './shop-page.ts';
import { shopScript } from './shop-script.ts';
import type { WorkerSlots } from './worker-slots.ts';

/** An order is an id; nobody needs more. */
const mostBodyBytes = 4096;

export interface ShopParts {
  readonly slots: WorkerSlots;
  readonly orders: Orders;
  readonly move: () => void;
  /** goodgateway's admin address, `http://127.0.0.1:9180`. */
  readonly admin: string | undefined;
}

/** Answers every request of the shop, each by one of its workers, until somebody makes it answer junk. */
export function answerShop(shop: ShopParts): RequestListener {
  let junk = false;
  const breakIt = (fault: FaultName): void => breakShop(fault, { slots: shop.slots, move: shop.move, answerJunk: () => (junk = true) });

  return async (request, response) => {
    if (junk) return void request.socket.end('%%% this was meant to be an answer %%%\r\n\r\n');
    const body = await readBody(request);
    const release = await shop.slots.take();
    if (release === undefined) return send(response, 503, { type: 'text/plain', text: 'the shop is crowded' });
    // Who left while waiting leaves a closed response, and its event is over.
    if (response.closed || response.destroyed) return release();
    response.once('close', release);
    if (body === undefined) return send(response, 413, { type: 'text/plain', text: 'an order is smaller than that' });

    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const fault = faultOf(path);
    if (fault !== undefined && request.method === 'POST') return answerThen(response, () => breakIt(fault), { fault, at: Date.now(), pid: process.pid, workers: shop.slots.count, fill_ms: fillMs });
    await answerPath(shop, { request, response, path, body });
  };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly body: string;
}

async function answerPath(shop: ShopParts, { request, response, path, body }: Exchange): Promise<void> {
  const { orders, slots } = shop;
  switch (`${request.method === 'HEAD' ? 'GET' : request.method} ${path}`) {
    case 'GET /':
      return send(response, 200, { type: 'text/html; charset=utf-8', text: shopPage });
    case 'GET /shop.css':
      return send(response, 200, { type: 'text/css; charset=utf-8', text: shopStyle });
    case 'GET /shop.js':
      return send(response, 200, { type: 'text/javascript; charset=utf-8', text: shopScript });
    case 'GET /api/stock':
      return json(response, 200, { stock: orders.stock(), orders: orders.executed(), workers_busy: slots.busy(), pid: process.pid });
    case 'POST /api/order':
      return placeOrder(orders, response, body);
    case 'GET /healing':
      return send(response, 200, { type: 'application/json', text: await askHealing(shop.admin) });
    default:
      return send(response, 404, { type: 'text/plain', text: 'the shop has no such page' });
  }
}

function placeOrder(orders: Orders, response: ServerResponse, body: string): void {
  const id = /^\{"id":"([A-Za-z0-9-]{1,64})"\}$/.exec(body)?.[1];
  if (id === undefined) return json(response, 400, { error: 'expected {"id":"…"}' });
  const result = orders.place(id);
  const statuses = { executed: 201, known_already: 200, full: 507 } as const;
  json(response, statuses[result], { id, result, stock: orders.stock() });
}

/** Does it when the answer has left: the kernel has it then, and not even SIGKILL takes it back. */
function answerThen(response: ServerResponse, act: () => void, answer: object): void {
  // Without the kept connection a gateway finds out by a fresh connect what became of the shop, as a visitor would.
  response.setHeader('Connection', 'close');
  response.once('close', act);
  json(response, 202, answer);
}

/** The body as text, or `undefined` when it is larger than an order can be; it is read to its end all the same. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  let text = '';
  let tooLarge = false;
  // A client that goes away ends the loop with an error; there is nobody left to answer then.
  try {
    for await (const chunk of request.setEncoding('latin1')) {
      tooLarge ||= text.length + String(chunk).length > mostBodyBytes;
      if (!tooLarge) text += String(chunk);
    }
  } catch {
    return undefined;
  }
  return tooLarge ? undefined : text;
}

function json(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, { type: 'application/json', text: JSON.stringify(value) });
}

/** Nothing but our own script and style runs, and nothing of the shop is kept by a cache: the demonstration is about now. */
function send(response: ServerResponse, status: number, { type, text }: Readonly<Record<'type' | 'text', string>>): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  });
  response.end(text);
}
