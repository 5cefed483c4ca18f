/** Kept connections: who gets one, who never does, and what is made of the backend's closing at the moment of reuse. */
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import t from 'tap';
import { ConnectionPool } from '../../src/upstream/connection-pool.ts';
import { answer, failure, readBody, type Question } from '../fixtures/backends/ask.ts';
import { startBackend, type Backend } from '../fixtures/backends/start-backend.ts';
import { withoutStandstill } from '../support/standstill.ts';
import type { TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const bothKinds = ['tcp', 'unix'] as const;
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

type Serve = (socket: Socket, nth: number, head: string) => void;

/** Calls `serve` at each complete head of each connection; `nth` counts on one connection from 1. */
function serves(serve: Serve) {
  return (socket: Socket): void => {
    let text = '';
    let nth = 0;
    socket.setEncoding('latin1').on('data', (part: string) => {
      text += part;
      const end = text.indexOf('\r\n\r\n');
      if (end === -1) return;
      const head = text.slice(0, end);
      text = '';
      serve(socket, ++nth, head);
    });
    socket.resume();
  };
}

function pool(t: TestScope, kept = 4): ConnectionPool {
  const connections = new ConnectionPool({ kept, served: undefined });
  t.teardown(() => connections.close());
  return connections;
}

/** An idle connection is given back after a second: a process that stood still for so long has none to be seen. */
const inOneGo = <T>(run: () => Promise<T>): Promise<T> => withoutStandstill({ shorterThanMs: 200 }, run);

async function whole(backend: Backend, connections: ConnectionPool, question: Question & { fresh?: boolean } = {}): Promise<string> {
  const { fresh = false } = question;
  const { text } = await readBody(await answer(backend.address, { ...question, limits: { connections, fresh, ...question.limits } }));
  return text;
}

t.test('a connection serves again after a whole answer of known end', async (t) => {
  const rows: readonly [what: string, bytes: string, question?: Question][] = [
    ['a length', ok],
    ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'],
    ['chunks with a trailer', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-A: 1\r\n\r\n'],
    ['no body: 204', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['no body: 304', 'HTTP/1.1 304 Not Modified\r\n\r\n'],
    ['no body: HEAD', 'HTTP/1.1 200 OK\r\n\r\n', { method: 'HEAD' }],
    ['no body: length 0', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['an interim answer before it', `HTTP/1.1 103 Early Hints\r\n\r\n${ok}`],
    ['Keep-Alive: timeout=5', `HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5, max=100\r\nContent-Length: 2\r\n\r\nok`],
  ];
  for (const kind of bothKinds) {
    for (const [what, bytes, question] of rows) {
      const backend = await inOneGo(async () => {
        const serving = await startBackend(
          t,
          kind,
          serves((socket) => socket.write(bytes, 'latin1')),
        );
        const connections = pool(t);
        for (let n = 0; n < 3; n++) await whole(serving, connections, question);
        return serving;
      });
      t.equal(backend.accepted(), 1, `${what} (${kind})`);
      t.notMatch(backend.received(), /^Connection:/im, 'nothing asks the backend to close');
    }
  }
});

t.test('it is closed whenever the next answer could be mistaken', async (t) => {
  const rows: readonly [what: string, bytes: string, question?: Question][] = [
    ['Connection: close', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok'],
    ['Keep-Alive: timeout=1', 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok'],
    ['a byte behind the length', `${ok}!`],
    ['a second answer behind the first', `${ok}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`],
    ['bytes behind the last chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n!'],
    ['a body after HEAD', ok, { method: 'HEAD' }],
    ['HEAD, and a body that may follow', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n', { method: 'HEAD' }],
    ['HEAD, and chunks that may follow', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', { method: 'HEAD' }],
    ['304, and a body that may follow', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n'],
    ['a body after 204', 'HTTP/1.1 204 No Content\r\n\r\nok'],
    ['an early refusal of an upload', 'HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nok', { method: 'PUT', body: new Readable({ read() {} }) }],
  ];
  for (const kind of bothKinds) {
    for (const [what, bytes, question] of rows) {
      const backend = await startBackend(
        t,
        kind,
        serves((socket) => socket.write(bytes, 'latin1')),
      );
      const connections = pool(t);
      const first = await whole(backend, connections, question);
      t.equal(first, question?.method === 'HEAD' || /204|304/.test(what) ? '' : 'ok', `${what} (${kind})`);
      t.equal(connections.idle, 0, `${what} (${kind}): it is not kept`);
    }
  }
});

t.test('an answer that nobody asked for closes the idle connection, and is never the answer to the next request', async (t) => {
  for (const kind of bothKinds) {
    const seen = await inOneGo(async () => {
      const backend = await startBackend(
        t,
        kind,
        serves((socket, nth, head) => {
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${head.includes('/a') ? 'aa' : 'bb'}`);
          if (nth === 1 && head.includes('/a')) setImmediate(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'));
        }),
      );
      const connections = pool(t);
      const first = await whole(backend, connections, { target: '/a' });
      await until(() => connections.idle === 0, { timeoutMs: 900, what: 'the poisoned connection to be closed' });
      return { texts: [first, await whole(backend, connections, { target: '/b' })], accepted: backend.accepted() };
    });
    t.same(seen, { texts: ['aa', 'bb'], accepted: 2 }, kind);
  }
});

t.test('the backend closes when it gets the second request: a race, told from an outage', async (t) => {
  const ways: readonly [string, (socket: Socket) => void][] = [
    ['closes', (socket) => socket.end()],
    ['resets', (socket) => socket.resetAndDestroy()],
  ];
  for (const kind of bothKinds) {
    for (const [way, ends] of ways) {
      if (kind === 'unix' && way === 'resets') continue; // unix sockets have no reset
      const { backend, connections, failed } = await inOneGo(async () => {
        const serving = await startBackend(
          t,
          kind,
          serves((socket, nth) => (nth === 1 ? socket.write(ok) : ends(socket))),
        );
        const kept = pool(t);
        await whole(serving, kept);
        return { backend: serving, connections: kept, failed: await failure(serving.address, { limits: { connections: kept } }) };
      });
      t.match(failed, { kind: 'connection_terminated', resend: 'if_idempotent', staleConnection: true, bytesRead: 0, phase: 'await_head' }, `${way} (${kind})`);
      t.ok(failed.bytesWritten > 20 && failed.bytesWritten < 200, `the bytes of this request alone: ${failed.bytesWritten}`);
      t.equal(await whole(backend, connections, { fresh: true }), 'ok', 'a new connection works');
      t.equal(backend.accepted(), 2);
    }
    const dead = await startBackend(
      t,
      kind,
      serves((socket) => socket.end()),
    );
    t.equal((await failure(dead.address, { limits: { connections: pool(t) } })).staleConnection, undefined, `a new connection that ends unanswered is an outage (${kind})`);
  }
});

t.test('what came of the second answer is no race any more', async (t) => {
  const failed = await inOneGo(async () => {
    const backend = await startBackend(
      t,
      'tcp',
      serves((socket, nth) => (nth === 1 ? socket.write(ok) : socket.end('HTTP/1.1 2'))),
    );
    const connections = pool(t);
    await whole(backend, connections);
    return failure(backend.address, { limits: { connections } });
  });
  t.match(failed, { kind: 'http_response_incomplete', bytesRead: 10 });
  t.equal(failed.staleConnection, undefined);
});

t.test('a backend that was started again is found by a new connection', async (t) => {
  const found = await inOneGo(async () => {
    const backend = await startBackend(
      t,
      'tcp',
      serves((socket, nth) => (socket.write(ok), nth === 2 && socket.end())),
    );
    const connections = pool(t);
    await whole(backend, connections);
    await whole(backend, connections);
    await until(() => connections.idle === 0, { timeoutMs: 900, what: 'the ended connection to be forgotten' });
    return { text: await whole(backend, connections), accepted: backend.accepted() };
  });
  t.same(found, { text: 'ok', accepted: 2 });
});

t.test('an idle connection is given back after a second', async (t) => {
  const closed: Promise<unknown>[] = [];
  const backend = await startBackend(
    t,
    'unix',
    serves((socket) => {
      closed.push(new Promise((resolve) => socket.once('close', resolve)));
      socket.write(ok);
    }),
  );
  const connections = pool(t);
  const idle = await inOneGo(async () => {
    await whole(backend, connections);
    return connections.idle;
  });
  t.equal(idle, 1);
  await Promise.all(closed);
  t.equal(connections.idle, 0);
});

t.test('a fresh connection is made for who asks for one, and for every upgrade', async (t) => {
  const backend = await startBackend(
    t,
    'tcp',
    serves((socket) => socket.write(ok)),
  );
  const connections = pool(t);
  await whole(backend, connections);
  await whole(backend, connections, { fresh: true });
  t.equal(backend.accepted(), 2);
  await whole(backend, connections, { upgrade: true, rawHeaders: ['Host', 'a', 'Upgrade', 'websocket'] });
  t.equal(backend.accepted(), 3);
});

t.test('who leaves, or reads slowly, does no harm to the next', async (t) => {
  const backend = await startBackend(
    t,
    'tcp',
    serves((socket, _nth, head) => void (head.includes('/slow') || socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(200_000)}`))),
  );
  const connections = pool(t);
  const leaving = new AbortController();
  const slow = answer(backend.address, { target: '/slow', clientGone: leaving.signal, limits: { connections } }).catch(() => undefined);
  await until(() => backend.received().includes('/slow'), { timeoutMs: 15_000, what: 'the slow request' });
  leaving.abort();
  await slow;
  t.equal(connections.idle, 0, 'a connection with an answer to come is closed');
  const unread = await answer(backend.address, { limits: { connections } });
  unread.body.destroy();
  t.equal((await whole(backend, connections)).length, 200_000, 'an answer that was not read to its end is not given to the next');
});

t.test('while no request will come, nothing is kept: a worker that was told to end waits for nobody', async (t) => {
  const backend = await startBackend(
    t,
    'unix',
    serves((socket) => socket.write(ok, 'latin1')),
  );
  let isOpen = true;
  const connections = new ConnectionPool({ kept: 4, served: undefined }, () => isOpen);
  t.teardown(() => connections.close());
  const idleAfterOne = (): Promise<number> =>
    inOneGo(async () => {
      await whole(backend, connections);
      return connections.idle;
    });
  t.equal(await idleAfterOne(), 1);
  connections.closeIdle();
  t.equal(connections.idle, 0);
  isOpen = false;
  t.equal(await idleAfterOne(), 0, 'nor is one whose answer ends meanwhile');
  isOpen = true;
  t.equal(await idleAfterOne(), 1, 'and then they are again');
});
