/** The restart gap: the backend is away for three seconds. A: the request was never sent. B: it was received, and then the backend died. */
import { setTimeout as pause } from 'node:timers/promises';
import { cellText } from '../cell.ts';
import { restartGap as expected } from '../expected.ts';
import { httpProxies } from '../proxies/registry.ts';
import { send } from '../raw-client.ts';
import type { Behaviour, SeenRequest } from '../scripted-http.ts';
import type { Outcome, Section } from '../section.ts';
import { observe, request, startStage, type Stage } from '../stage.ts';

type Row = keyof typeof expected;

/** Answers may come so long after the backend is ready. */
const promptMs = 100;
const gapMs = 3000;
const diesAfterMs = 500;

const hello: Behaviour = (socket) => void socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello');

interface Asked {
  readonly row: Row;
  readonly bytes: string;
  readonly target: string;
}

const neverSent: readonly Asked[] = [asked('A GET', 'GET', '/a-get'), asked('A POST + body', 'POST', '/a-post')];
const received: readonly Asked[] = [
  asked('B GET', 'GET', '/b-get'),
  asked('B POST + body', 'POST', '/b-post'),
  asked('B POST + body + Idempotency-Key', 'POST', '/b-key', 'Idempotency-Key: "8e03978e"\r\n'),
];

export const restartGap: Section = {
  id: '1.2',
  title: 'The restart gap',
  notes: [
    'A: the backend is down when the request comes and back 3 s later. B: it has received the request, dies by a reset 0.5 s later and is back at 3 s. `ready +` is the time from the moment at which the backend accepts connections, the median of three rounds.',
    'Settings: goodgateway `hold.for: 15s`, `replay.idempotency_key: true`; haproxy (retry) `retries 15` and `retry-on all-retryable-errors`; caddy (retry) `lb_try_duration 15s`.',
  ],
  proxies: httpProxies,
  oneByOne: true,
  async run(course) {
    const stage = await startStage(course, { patient: true });
    const outcomes: Outcome[] = [];
    for (let round = 0; round < course.rounds; round++) {
      outcomes.push(...(await gap(stage, neverSent, false)), ...(await gap(stage, received, true)));
      // who does not wait needs no median
      if (outcomes.every(({ seen }) => seen.readyPlusMs === undefined)) break;
    }
    return medians(outcomes);
  },
  expected: ({ row }) => expected[row as Row],
  late: ({ seen }) => (seen.readyPlusMs !== undefined && seen.readyPlusMs > promptMs ? `answered ${seen.readyPlusMs} ms after the backend was ready, expected at most ${promptMs} ms` : undefined),
};

async function gap(stage: Stage, all: readonly Asked[], wasReceived: boolean): Promise<Outcome[]> {
  const { backend, proxy } = stage;
  await proxy.revive();
  backend.play(wasReceived ? () => undefined : hello);
  if (!wasReceived) await backend.close();
  let readyAt = Infinity;
  const answers = all.map(async ({ row, bytes, target }): Promise<Outcome> => {
    const reply = await send(proxy.front, bytes);
    const afterReady = Math.round(performance.now() - readyAt);
    const notes = /may (already )?have been processed/.test(reply.body) ? ['may have been processed'] : [];
    // a moment for what a proxy sends behind the client's back
    await pause(200);
    const seen = observe(reply, seenAt(backend.seen, target), notes);
    return { row, part: '', seen: afterReady >= 0 ? { ...seen, readyPlusMs: afterReady } : seen };
  });
  const resetting = wasReceived ? pause(diesAfterMs).then(() => backend.dieByReset()) : undefined;
  await pause(gapMs);
  await resetting;
  backend.answerBy(hello);
  await backend.listen();
  readyAt = performance.now();
  return Promise.all(answers);
}

/** One outcome for each different cell of a row, so that a round that went otherwise is not lost. */
function medians(outcomes: readonly Outcome[]): Outcome[] {
  const groups = Map.groupBy(outcomes, ({ row, seen }) => `${row} ${cellText(seen)}`);
  return [...groups.values()].map((group) => group.toSorted((one, other) => (one.seen.readyPlusMs ?? 0) - (other.seen.readyPlusMs ?? 0))[Math.floor(group.length / 2)]!);
}

function seenAt(seen: readonly SeenRequest[], target: string): readonly SeenRequest[] {
  return seen.filter((one) => one.target === target);
}

function asked(row: Row, method: 'GET' | 'POST', target: string, headers = ''): Asked {
  return { row, target, bytes: request(method, target, { headers, ...(method === 'POST' ? { body: 'order=1' } : {}) }) };
}
