/**
 * An answer that stops short must look so to the visitor. nginx takes a FastCGI connection that just ends for the end of
 * the page, and so it says 200 and sends half of it; goodgateway must not let it. Each cut is made for real by a scripted
 * backend, and goes through the real nginx to a real client.
 */
import t from 'tap';
import { formatAddress } from '../../src/core/failure.ts';
import { end, stdout } from '../fixtures/fastcgi/records.ts';
import { startBackend, type Behaviour } from '../fixtures/fastcgi/scripted-backend.ts';
import { startFastcgiGateway } from '../support/fastcgi-gateway.ts';
import { needs } from '../support/skip.ts';
import { until } from '../support/until.ts';

const head = 'Content-Type: text/plain\r\n\r\n';
/** Little enough to wait in nginx's buffers, and enough to have gone out long before the cut. */
const sizes = [20, 300_000];

function pieces(text: string): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < text.length; at += 60_000) records.push(stdout(text.slice(at, at + 60_000)));
  return records;
}

/** What the backend does after `text`, a head and a part of a body. `later`: in a packet of its own. */
const cuts: Readonly<Record<string, { readonly ends: (text: string, later: boolean) => Behaviour; readonly announces?: true }>> = {
  'a FIN without END_REQUEST': { ends: sendsThen((socket) => void socket.end()) },
  'a reset': { ends: sendsThen((socket) => void socket.resetAndDestroy()) },
  'a record of another version': { ends: sendsThen((socket) => void socket.write(Buffer.alloc(8))) },
  'an END_REQUEST that says overloaded': { ends: sendsThen((socket) => void socket.write(end(0, 2))) },
  'an END_REQUEST before the Content-Length': { ends: sendsThen((socket) => void socket.write(end())), announces: true },
  'a FIN before the Content-Length': { ends: sendsThen((socket) => void socket.end()), announces: true },
};

function sendsThen(cut: Behaviour): (text: string, later: boolean) => Behaviour {
  return (text, later) => (socket, seen) => {
    for (const record of pieces(text)) socket.write(record);
    if (later) setImmediate(() => cut(socket, seen));
    else cut(socket, seen);
  };
}

for (const listen of ['unix', 'tcp'] as const) {
  for (const keep of ['on', 'off']) {
    t.test(`no cut answer is a clean 200 behind nginx (${listen}, fastcgi_keep_conn ${keep})`, async (t) => {
      if (!needs(t, 'nginx')) return;
      let behave: Behaviour = () => undefined;
      const { address } = await startBackend(t, { kind: 'tcp', behave: (socket, seen) => behave(socket, seen) });
      const { nginx, log } = await startFastcgiGateway(t, { upstream: formatAddress(address), listen, location: `fastcgi_keep_conn ${keep};` });
      for (const [name, { ends, announces }] of Object.entries(cuts)) {
        for (const size of sizes) {
          for (const later of [true, false]) {
            behave = ends((announces ? head.replace('\r\n\r\n', '\r\nContent-Length: 9000000\r\n\r\n') : head) + 'x'.repeat(size), later);
            const before = log.length;
            const seen = await visit(nginx.url);
            const what = `${name}, ${later ? 'later' : 'at once'}, after ${size} bytes`;
            t.match(seen, /^(200 cut|no answer|50[23] clean)$/, what);
            await until(() => log.length > before, { timeoutMs: 15_000, what: 'the line of the request' });
            // a reset may take the head with it
            t.match(log.at(-1), { failure: /^(http_|connection_)/, ...(name !== 'a reset' && { outcome: 'cut', phase: 'read_body' }) }, what);
          }
        }
      }
    });
  }
}

async function visit(url: string): Promise<string> {
  const response = await fetch(url).catch(() => undefined);
  if (!response) return 'no answer';
  const body = await response.text().catch(() => undefined);
  return `${response.status} ${body === undefined ? 'cut' : 'clean'}`;
}
