/** The keep-alive race: the backend closes a kept connection at the very moment at which a second request comes on it. */
import { setTimeout as pause } from 'node:timers/promises';
import { keepaliveRace as expected } from '../expected.ts';
import { httpProxies } from '../proxies/registry.ts';
import { send } from '../raw-client.ts';
import type { Behaviour } from '../scripted-http.ts';
import type { Outcome, Section } from '../section.ts';
import { observe, request, startStage } from '../stage.ts';

type Row = keyof typeof expected;

const hello = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
/** The first request of a connection is answered and the connection kept; the second one ends it unanswered. */
const closesAtTheSecond: Behaviour = (socket, { nth }) => void (nth === 1 ? socket.write(hello) : socket.destroy());

/** Long enough for everybody to notice that a kept connection has ended. */
const noticedMs = 100;

const questions: Readonly<Record<Row, string>> = {
  GET: request('GET', '/second'),
  'POST, empty': request('POST', '/second', { body: '' }),
  'POST + body': request('POST', '/second', { body: 'order=1' }),
};

export const keepaliveRace: Section = {
  id: '1.3',
  title: 'The keep-alive race',
  notes: [
    'The backend answers a first request, keeps the connection, and closes it when it has received the second request. `[new connection]`: the proxy had not kept the first one, so that the race did not happen.',
    'Connections are kept where that has to be asked for: nginx `keepalive 8` with HTTP/1.1, haproxy `http-reuse always`.',
  ],
  proxies: httpProxies,
  async run(course) {
    const { backend, proxy } = await startStage(course, { keep: true });
    const outcomes: Outcome[] = [];
    for (const row of Object.keys(expected) as Row[]) {
      await proxy.revive();
      backend.play(closesAtTheSecond);
      await send(proxy.front, request('GET', '/first'));
      const reply = await send(proxy.front, questions[row]);
      const second = backend.seen.filter(({ target }) => target === '/second');
      const notes = course.proxy.isGoodgateway || second[0]?.nth !== 1 ? [] : ['new connection'];
      outcomes.push({ row, part: '', seen: observe(reply, second, notes) });
      backend.dropConnections();
      await pause(noticedMs);
    }
    return outcomes;
  },
  expected: ({ row }) => expected[row as Row],
};
