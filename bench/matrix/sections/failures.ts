/** Each way in which an HTTP backend answers badly, asked with a GET and with a POST. */
import type { Socket } from 'node:net';
import { fillBacklog, startFrozenAt } from '../frozen.ts';
import { failures as expected, type ExpectedRow } from '../expected.ts';
import { httpProxies } from '../proxies/registry.ts';
import { send } from '../raw-client.ts';
import { reset, type Behaviour } from '../scripted-http.ts';
import type { Course, Outcome, Section } from '../section.ts';
import { observe, request, startStage, type Stage } from '../stage.ts';

type Row = keyof typeof expected;
const cells: Readonly<Record<Row, ExpectedRow>> = expected;
const close = 'Connection: close\r\n';
const ok = `HTTP/1.1 200 OK\r\n${close}`;

/** What the backend does with a whole request, where it is there to get one. */
const behaviours: Readonly<Record<Exclude<Row, 'port closed' | 'connect never answered'>, Behaviour>> = {
  'FIN, 0 bytes': (socket) => socket.end(),
  'RST, 0 bytes': reset,
  'junk text': says('hello, this is no HTTP\r\n'),
  'half header, FIN': says('HTTP/1.1 200 OK\r\nContent-Le'),
  '40 kB header': says(`${ok}X-Big: ${'x'.repeat(40_000)}\r\nContent-Length: 5\r\n\r\nhello`),
  'Content-Length 2 and 3': says(`${ok}Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc`),
  'Content-Length + chunked': says(`${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`),
  'LF-only header lines': says('HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close\n\nhello'),
  'never answers': () => undefined,
  'body cut (length known)': says(`${ok}Content-Length: 100\r\n\r\nseven b`),
  'chunked body cut': says(`${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`),
  'RST mid-body': (socket) => resetAfter(socket, `${ok}Content-Length: 100\r\n\r\nseven b`),
  'stall mid-body': (socket) => void socket.write(`${ok}Content-Length: 100\r\n\r\nseven b`),
  'RST, length by close': (socket) => resetAfter(socket, `${ok}\r\nseven b`),
  '503 + Retry-After: 7': says(`HTTP/1.1 503 Service Unavailable\r\n${close}Retry-After: 7\r\nContent-Length: 5\r\n\r\nlater`),
};

export const failures: Section = {
  id: '1.1',
  title: 'An HTTP backend answers badly',
  notes: ['Connect and read timeouts are 1 s where they can be set; goodgateway also holds for 1 s here (its default is 15 s). One cell stands for GET and POST where they are the same.'],
  proxies: httpProxies,
  async run(course) {
    const stage = await startStage(course);
    const outcomes: Outcome[] = [];
    for (const row of Object.keys(expected) as Row[]) {
      if (course.unix && row === 'RST, length by close') continue; // a unix socket has no reset
      outcomes.push(...(await play(row, stage, course)));
    }
    return outcomes;
  },
  expected: ({ row, part }, { unix }) => {
    const right = cells[row as Row];
    if (unix && right.unix !== undefined) return right.unix;
    return part === 'GET' ? right.get : right.post;
  },
};

async function play(row: Row, stage: Stage, course: Course): Promise<Outcome[]> {
  const { backend } = stage;
  const away = row === 'port closed' || row === 'connect never answered';
  if (away) await backend.close();
  const frozen = row === 'connect never answered' ? await startFrozenAt(course.scope, backend.address) : undefined;
  if (frozen) await fillBacklog(course.scope, backend.address);
  const outcomes: Outcome[] = [];
  for (const method of ['GET', 'POST'] as const) {
    await stage.proxy.revive();
    backend.play(away ? (socket) => socket.destroy() : behaviours[row]);
    const reply = await send(stage.proxy.front, request(method, '/page', method === 'POST' ? { body: 'order=1' } : {}));
    outcomes.push({ row, part: method, seen: observe(reply, backend.seen) });
  }
  await frozen?.end();
  if (away) await comeBack(stage);
  return outcomes;
}

/** The next row begins with a proxy that knows its backend to be well. */
async function comeBack({ backend, proxy }: Stage): Promise<void> {
  await backend.listen();
  backend.play(says(`${ok}Content-Length: 5\r\n\r\nhello`));
  await send(proxy.front, request('GET', '/again'));
}

function says(bytes: string): Behaviour {
  return (socket) => void socket.end(bytes, 'latin1');
}

/** Later than the bytes: a reset at once would overtake them. */
function resetAfter(socket: Socket, bytes: string): void {
  socket.write(bytes, 'latin1', () => setTimeout(() => reset(socket), 50));
}
