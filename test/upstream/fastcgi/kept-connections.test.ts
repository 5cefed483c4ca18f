/** One connection, several requests: when it may be, and that nothing of one request ever reaches another. */
import { Readable } from 'node:stream';
import t from 'tap';
import type { Address } from '../../../src/core/failure.ts';
import { ConnectionPool } from '../../../src/upstream/connection-pool.ts';
import { UpstreamFailureError, type AttemptResult } from '../../../src/upstream/exchange.ts';
import { fastcgi } from '../../../src/upstream/fastcgi/exchange.ts';
import { encodeParams } from '../../../src/upstream/fastcgi/params.ts';
import { encodeRecord, encodeStreamEnd, recordType } from '../../../src/upstream/fastcgi/record.ts';
import { stdout } from '../../fixtures/fastcgi/records.ts';
import { servesMany, type ServedRequest } from '../../fixtures/fastcgi/serves-many.ts';
import { withoutStandstill } from '../../support/standstill.ts';
import { until } from '../../support/until.ts';

const head = 'Content-Type: text/plain\r\n\r\n';
const ending = (id: number, padding = 0): Buffer => {
  const record = Buffer.concat([encodeRecord(recordType.endRequest, id, Buffer.alloc(8)), Buffer.alloc(padding)]);
  record[6] = padding;
  return record;
};
const answer = (id: number, text: string): Buffer => Buffer.concat([stdout(head + text, id), encodeStreamEnd(recordType.stdout, id), ending(id)]);

interface Sending {
  readonly connections: ConnectionPool;
  readonly fresh?: boolean;
  readonly method?: string;
  readonly body?: Readable;
  readonly length?: number;
}

function attempt(target: Address, { connections, fresh = false, method = 'GET', body, length }: Sending): Promise<AttemptResult> {
  return fastcgi.attempt(
    {
      method,
      target: '/x.php',
      wire: { protocol: 'fastcgi', params: encodeParams([['REQUEST_METHOD', method]]), role: 1 },
      body: { length: body ? length : 0, open: () => body ?? Readable.from([]) },
      clientGone: new AbortController().signal,
    },
    target,
    { connectTimeoutMs: 15_000, responseTimeoutMs: 15_000, idleTimeoutMs: 15_000, connections, fresh },
  );
}

/** The body as text; `cut` is what it was cut by. */
async function read(result: AttemptResult): Promise<{ text: string; cut?: string }> {
  if (result.kind !== 'response') return { text: '', cut: result.kind === 'failure' ? result.failure.detail : result.kind };
  let text = '';
  try {
    for await (const piece of result.body) text += String(piece);
  } catch (error) {
    return { text, cut: error instanceof UpstreamFailureError ? error.failure.detail : String(error) };
  }
  return { text };
}

/** An idle connection is given back after a second: a process that stood still for so long has none to be seen. */
const inOneGo = <T>(run: () => Promise<T>): Promise<T> => withoutStandstill({ shorterThanMs: 200 }, run);

const pool = (kept = 4): ConnectionPool => new ConnectionPool({ kept, served: undefined });

for (const kind of ['unix', 'tcp'] as const) {
  t.test(`requests follow each other on one connection over ${kind}, each with its own number and its own count of bytes`, async (t) => {
    const { backend, connections, texts, written } = await inOneGo(async () => {
      const serving = await servesMany(t, kind, ({ socket, id, nth }) => void socket.write(answer(id, `page ${nth}`)));
      const [kept, pages, bytes] = [pool(), [] as string[], new Set<number>()];
      for (let i = 0; i < 300; i++) {
        const result = await attempt(serving.address, { connections: kept });
        pages.push((await read(result)).text);
        if (result.kind === 'response') bytes.add(result.bytesWritten);
      }
      return { backend: serving, connections: kept, texts: pages, written: bytes };
    });
    t.same(
      texts,
      Array.from({ length: 300 }, (_, i) => `page ${i}`),
    );
    t.same([...new Set(backend.requests.map(({ connection }) => connection))], [0]);
    t.ok(backend.requests.every((request, i) => request.keep && request.id === 1 + (i % 255)));
    t.equal(written.size, 1, 'the bytes of one request, not of the connection');
    connections.close();
    await until(() => backend.open() === 0, { timeoutMs: 15_000, what: 'the end of the kept connection' });
  });

  t.test(`a kept connection that the backend ended is told from an outage over ${kind}`, async (t) => {
    const ends: Record<string, (socket: ServedRequest['socket']) => void> = {
      closes: (socket) => void socket.end(),
      ...(kind === 'tcp' && { resets: (socket: ServedRequest['socket']) => void socket.resetAndDestroy() }),
    };
    for (const [how, end] of Object.entries(ends)) {
      const { backend, connections, lost } = await inOneGo(async () => {
        const serving = await servesMany(t, kind, ({ socket, id, nth }) => (nth === 0 ? void socket.write(answer(id, 'first')) : end(socket)));
        const kept = pool();
        await read(await attempt(serving.address, { connections: kept }));
        return { backend: serving, connections: kept, lost: await attempt(serving.address, { connections: kept }) };
      });
      t.match(lost, { kind: 'failure', failure: { kind: 'connection_terminated', source: 'upstream', staleConnection: true, resend: 'if_idempotent', bytesRead: 0 } }, how);
      t.equal((await read(await attempt(backend.address, { connections }))).text, 'first', 'a new one serves');
    }
    const backend = await servesMany(t, kind, ({ socket }) => void socket.end());
    const first = await attempt(backend.address, { connections: pool() });
    t.ok(first.kind === 'failure' && first.failure.staleConnection === undefined, 'a connection of its own that ends is no race');
  });

  t.test(`what belongs to an earlier request is never taken for an answer over ${kind}`, async (t) => {
    const late: Record<string, (id: number) => Buffer> = {
      'output of it': (id) => stdout(`${head}SECRET`, id),
      'the end of it': (id) => ending(id),
      'a whole answer to it': (id) => answer(id, 'SECRET'),
    };
    for (const [what, bytes] of Object.entries(late)) {
      const { text, cut } = await inOneGo(async () => {
        const backend = await servesMany(t, kind, ({ socket, id, nth }) => {
          if (nth === 0) socket.write(answer(id, 'first'));
          else socket.write(Buffer.concat([bytes(id - 1), answer(id, 'second')]));
        });
        const connections = pool();
        await read(await attempt(backend.address, { connections }));
        return read(await attempt(backend.address, { connections }));
      });
      t.match(cut, /answered request 1 where only request 2 was asked/, `${what} comes first`);
      t.equal(text, '');

      const after = await servesMany(t, kind, ({ socket, id, nth }) => void socket.write(Buffer.concat([answer(id, `page ${nth}`), bytes(id)])));
      const others = pool();
      for (let i = 0; i < 3; i++) t.equal((await read(await attempt(after.address, { connections: others }))).text, 'page 0');
      t.equal(new Set(after.requests.map(({ connection }) => connection)).size, 3, `${what} comes behind its end: the connection is not used again`);
    }
  });

  t.test(`bytes that come while nobody asks end a kept connection over ${kind}`, async (t) => {
    const backend = await servesMany(t, kind, ({ socket, id, nth }) => void socket.write(answer(id, `page ${nth}`)));
    const connections = pool();
    await read(await attempt(backend.address, { connections }));
    backend.requests[0]!.socket.write(answer(2, 'SECRET'));
    await until(() => connections.idle === 0, { timeoutMs: 15_000, what: 'the end of the kept connection' });
    t.equal((await read(await attempt(backend.address, { connections }))).text, 'page 0');
  });
}

t.test('a request that must not meet the end of a kept connection gets a new one, which may be kept', async (t) => {
  const seen = await inOneGo(async () => {
    const backend = await servesMany(t, 'unix', ({ socket, id, connection }) => void socket.write(answer(id, String(connection))));
    const connections = pool();
    const ask = async (fresh: boolean): Promise<string> => (await read(await attempt(backend.address, { connections, fresh }))).text;
    return { texts: [await ask(false), await ask(true), await ask(true), await ask(false)], idle: connections.idle };
  });
  t.same(seen, { texts: ['0', '1', '2', '2'], idle: 3 });
});

t.test('only what ended cleanly and wholly sent is kept', async (t) => {
  const never: Record<string, (request: ServedRequest) => Buffer> = {
    'without the end of its output, but that is no rule': ({ id }) => Buffer.concat([stdout(`${head}x`, id), ending(id)]),
    'with padding behind END_REQUEST': ({ id }) => Buffer.concat([stdout(`${head}x`, id), ending(id, 5)]),
    'shorter than announced': ({ id }) => Buffer.concat([stdout('Content-Length: 9\r\n\r\nx', id), ending(id)]),
    'without a head': ({ id }) => ending(id),
  };
  const kept = [];
  for (const make of Object.values(never)) {
    const backend = await servesMany(t, 'unix', (request) => void request.socket.write(make(request)));
    const idle = await inOneGo(async () => {
      const connections = pool();
      await read(await attempt(backend.address, { connections }));
      return connections.idle;
    });
    kept.push(idle);
  }
  t.same(kept, [1, 1, 0, 0]);

  const early = await servesMany(t, 'unix', () => undefined);
  const connections = pool();
  const body = new Readable({ read: () => undefined });
  body.push('some');
  const answered = attempt(early.address, { connections, method: 'POST', body, length: 9 });
  await until(() => early.open() === 1, { timeoutMs: 15_000, what: 'the connection' });
  body.destroy(new Error('the client left'));
  t.match(await answered, { kind: 'failure', failure: { source: 'downstream' } });
  t.equal(connections.idle, 0);
  await until(() => early.open() === 0, { timeoutMs: 15_000, what: 'the end of the connection' });
  t.equal(early.requests.length, 0, 'a body that broke off is never closed as if it were whole');
});

t.test('without room in the pool the backend is not asked to leave the connection open', async (t) => {
  const backend = await servesMany(t, 'unix', ({ socket, id }) => void socket.write(answer(id, 'x')));
  const connections = pool(0);
  await read(await attempt(backend.address, { connections }));
  await read(await attempt(backend.address, { connections }));
  t.same(
    backend.requests.map(({ keep, connection, id }) => [keep, connection, id]),
    [
      [false, 0, 1],
      [false, 1, 1],
    ],
  );
});

t.test('a visitor who reads slowly does not keep the connection from serving others', async (t) => {
  const backend = await servesMany(t, 'unix', ({ socket, id }) => {
    socket.write(stdout(head, id));
    setImmediate(() => socket.write(Buffer.concat([stdout('x'.repeat(60_000), id), ending(id)])));
  });
  const [other, slow] = await inOneGo(async () => {
    const connections = pool();
    const unread = await attempt(backend.address, { connections });
    await until(() => connections.idle === 1, { timeoutMs: 900, what: 'the connection to be given back' });
    return [await read(await attempt(backend.address, { connections })), await read(unread)];
  });
  t.equal(other.text.length, 60_000);
  t.equal(slow.text.length, 60_000);
});
