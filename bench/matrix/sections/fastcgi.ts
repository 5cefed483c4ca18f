/** Each way in which a FastCGI backend answers badly. goodgateway twice: behind nginx, and its own records as nginx reads them. */
import type { Socket } from 'node:net';
import type { Address } from '../../../src/core/failure.ts';
import { encodeRecord, recordType } from '../../../src/upstream/fastcgi/record.ts';
import { end, stderr, stdout } from '../../../test/fixtures/fastcgi/records.ts';
import { startBackend } from '../../../test/fixtures/fastcgi/scripted-backend.ts';
import { fastcgi as expected, type Cells, type ExpectedRow } from '../expected.ts';
import { fastcgiProxies } from '../proxies/registry.ts';
import { askFastcgi } from '../records-client.ts';
import { send } from '../raw-client.ts';
import { reset } from '../scripted-http.ts';
import type { Outcome, Section } from '../section.ts';
import { newAddress, observe, request } from '../stage.ts';

type Row = keyof typeof expected;
type Behaviour = (socket: Socket) => void;
const cells: Readonly<Record<Row, ExpectedRow & { readonly own?: Cells }>> = expected;

const overloaded = 2;
const head = 'Content-Type: text/plain\r\n\r\n';
const partial = stdout(`${head}seven b`);
const wrongVersion = Buffer.from([9, 6, 0, 1, 0, 2, 0, 0, 0x61, 0x62]);

const behaviours: Readonly<Record<Row, Behaviour>> = {
  'FIN at once': says(),
  'RST at once': reset,
  'END_REQUEST only': says(end()),
  'END_REQUEST, OVERLOADED': says(end(0, overloaded)),
  'END_REQUEST, CANT_MPX_CONN': says(end(0, 1)),
  'END_REQUEST, UNKNOWN_ROLE': says(end(0, 3)),
  'STDERR only, appStatus 0': says(stderr('PHP Fatal error'), end()),
  'STDERR only, appStatus 255': says(stderr('PHP Fatal error'), end(255)),
  'partial, FIN': says(partial),
  'partial, RST': (socket) => socket.write(partial, () => setTimeout(() => reset(socket), 50)),
  'partial, wrong version': says(partial, wrongVersion),
  'partial, appStatus 255': says(partial, end(255)),
  'partial, OVERLOADED': says(partial, end(0, overloaded)),
  'Content-Length 100, 7 bytes, FIN': says(stdout(`Content-Length: 100\r\n${head}seven b`)),
  'Content-Length 100, 7 bytes, END_REQUEST': says(stdout(`Content-Length: 100\r\n${head}seven b`), end()),
  'full body, appStatus 255': says(stdout(`Content-Length: 7\r\n${head}seven b`), end(255)),
  'head cut, FIN': says(stdout('Status: 200 O')),
  'head without blank line, END_REQUEST': says(stdout('Content-Type: text/plain\r\n'), end()),
  'HTTP text': says(Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')),
  'wrong version': says(wrongVersion),
  'unknown record type': says(encodeRecord(42, 1, Buffer.from('what')), stdout(`${head}seven b`), end()),
  'wrong request id': says(stdout(`${head}seven b`, 7), end()),
  '40 kB header': says(stdout(`X-Big: ${'x'.repeat(40_000)}\r\n${head}seven b`), end()),
  'stall mid-body': (socket) => void socket.write(partial),
};

export const fastcgi: Section = {
  id: '1.7',
  title: 'A FastCGI backend answers badly',
  notes: [
    'goodgateway stands behind nginx’s `fastcgi_pass`; `its records` are what it sends to nginx, read strictly: an end without END_REQUEST is no visible cut there, because nginx takes it for a complete answer. The others stand alone in front of the backend.',
  ],
  proxies: fastcgiProxies,
  async run({ scope, proxy, unix }) {
    let behave: Behaviour = (socket) => socket.destroy();
    const backend = await startBackend(scope, { kind: unix ? 'unix' : 'tcp', behave: (socket) => behave(socket) });
    const running = await proxy.start(scope, { protocol: 'fastcgi', backend: backend.address, front: await newAddress(scope, unix && proxy.speaksFastcgi === true) });
    const outcomes: Outcome[] = [];
    for (const row of Object.keys(expected) as Row[]) {
      for (const method of ['GET', 'POST'] as const) {
        await running.revive();
        behave = behaviours[row];
        const before = backend.seen.length;
        const reply = await ask(proxy.speaksFastcgi === true, running.front, method);
        const seen = backend.seen.slice(before).filter((one) => one.records.some(({ type, content }) => type === recordType.stdin && content.length === 0));
        outcomes.push({ row, part: method, seen: { ...observe(reply, []), hits: seen.length } });
      }
    }
    return outcomes;
  },
  expected: ({ row, part }, { proxy }) => {
    const { get, post, own } = cells[row as Row];
    if (proxy.speaksFastcgi === true && own !== undefined) return own;
    return part === 'GET' ? get : post;
  },
};

function ask(speaksFastcgi: boolean, front: Address, method: 'GET' | 'POST') {
  const body = method === 'POST' ? { body: 'order=1' } : {};
  return speaksFastcgi ? askFastcgi(front, method, body.body) : send(front, request(method, '/page.php', body));
}

/** Sends the records and closes. */
function says(...records: readonly Buffer[]): Behaviour {
  return (socket) => void socket.end(Buffer.concat(records));
}
