import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { answer, readBody } from '../fixtures/backends/ask.ts';
import * as does from '../fixtures/backends/behaviours.ts';
import { startBackend } from '../fixtures/backends/start-backend.ts';
import { withoutStandstill } from '../support/standstill.ts';
import { tempFolder } from '../support/temp-folder.ts';

const megabyte = 1024 ** 2;
const block = Buffer.alloc(65_536, 'x');
/** What Linux keeps for one loopback connection at most (4 MiB to send, 6 to receive, 32 in new kernels), and streams at both ends. */
const kernelBuffers = mostOf('tcp_wmem', 4 * megabyte) + mostOf('tcp_rmem', 6 * megabyte) + 6 * megabyte;

function mostOf(name: string, usual: number): number {
  const file = `/proc/sys/net/ipv4/${name}`;
  return existsSync(file) ? Number(readFileSync(file, 'utf8').trim().split(/\s+/).at(-1)) : usual;
}

t.test('200 MB pass down, however slow the reader is, with flat memory', async (t) => {
  for (const head of [`HTTP/1.1 200 OK\r\nContent-Length: ${200 * megabyte}\r\n\r\n`, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n']) {
    const chunked = head.includes('chunked');
    const sent = { bytes: 0 };
    const { address } = await startBackend(
      t,
      'tcp',
      does.afterRequest((socket) => void Readable.from(download(head, chunked, sent)).pipe(socket)),
    );
    const { body } = await answer(address);
    let bytes = 0;
    let mostUnread = 0;
    const slowReader = new Writable({
      highWaterMark: 1,
      write(part: Buffer, _encoding, done) {
        bytes += part.length;
        mostUnread = Math.max(mostUnread, sent.bytes - bytes);
        setImmediate(done); // always behind: every write is refused for a turn
      },
    });
    await pipeline(body, slowReader);
    t.equal(bytes, 200 * megabyte, chunked ? 'chunked' : 'with a length');
    t.ok(mostUnread < kernelBuffers, `${chunked ? 'chunked' : 'with a length'}: at most ${mostUnread} bytes were on their way`);
  }
});

t.test('a reader that stops for longer than the idle limit is no silence of the backend', async (t) => {
  const { address } = await startBackend(
    t,
    'tcp',
    does.afterRequest((socket) => void Readable.from([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${20 * megabyte}\r\n\r\n`), ...blocks(20)]).pipe(socket)),
  );
  // before the pause and behind it silence is the backend's: what came while this process stood still is read after the timers
  const bytes = await withoutStandstill({ shorterThanMs: 150 }, async () => {
    const { body } = await answer(address, { limits: { idleTimeoutMs: 200 } });
    body.once('readable', () => {});
    const wakeUp = AbortSignal.timeout(450); // the length of the pause is the thing tested
    await once(wakeUp, 'abort');
    let read = 0;
    for await (const part of body) read += part.length;
    return read;
  });
  t.equal(bytes, 20 * megabyte);
});

t.test('200 MB pass up, however slow the backend is, with flat memory', async (t) => {
  for (const length of [200 * megabyte, undefined]) {
    const sent = { bytes: 0 };
    let headLength = 0;
    let received = 0;
    let mostUnread = 0;
    const { address } = await startBackend(
      t,
      'unix',
      (socket) =>
        void socket
          .on('data', (part: Buffer) => {
            headLength ||= part.indexOf('\r\n\r\n') + 4;
            received += part.length;
            mostUnread = Math.max(mostUnread, sent.bytes - received);
            socket.pause();
            setImmediate(() => socket.resume()); // always behind
            const over = length === undefined ? part.subarray(-5).toString('latin1') === '0\r\n\r\n' : received === headLength + length;
            if (over) socket.end('HTTP/1.1 200 OK\r\n\r\nthanks');
          })
          .resume(),
    );
    const response = await answer(address, { method: 'PUT', body: Readable.from(blocks(200, sent)), ...(length !== undefined && { length }) });
    t.equal((await readBody(response)).text, 'thanks');
    t.equal(response.bytesWritten, received, 'every byte was counted');
    t.ok(mostUnread < kernelBuffers, `at most ${mostUnread} bytes were on their way`);
  }
});

t.test('a refusal that comes while the body is being sent is delivered, and the upload stops', async (t) => {
  const page = 'x'.repeat(200_000);
  for (const kind of ['tcp', 'unix'] as const) {
    for (let round = 0; round < 25; round++) {
      const { address, close } = await startBackend(
        t,
        kind,
        (socket) =>
          void socket
            .once('data', () => {
              socket.pause(); // the rest of the upload stays unread, so that closing becomes a reset behind the answer
              socket.end(`HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: ${page.length}\r\n\r\n${page}`);
            })
            .resume(),
      );
      const body = Readable.from(blocks(200));
      const response = await answer(address, { method: 'POST', body });
      const { text, cut } = await readBody(response);
      if (response.head.status !== 413 || text.length !== page.length || cut) t.fail(`${kind}, round ${round}: ${response.head.status}, ${text.length} bytes, ${cut?.detail}`);
      if (body.destroyed || !body.isPaused()) t.fail('the rest of the body is left alone');
      body.destroy();
      await close();
    }
    t.pass(`${kind}: 25 times`);
  }
});

t.test('a refusal survives a write into the closed connection', async (t) => {
  const flag = new SharedArrayBuffer(4);
  const path = `${tempFolder(t)}/refuses.sock`;
  const backend = new Worker(new URL('../fixtures/backends/refuses-and-closes.ts', import.meta.url), { workerData: { flag, path } });
  t.teardown(() => backend.terminate());
  await once(backend, 'message');
  const upload = new Readable({ read() {} });
  const attempt = answer({ kind: 'unix', path }, { method: 'POST', body: upload });
  await once(upload, 'resume');
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve))); // the head has left
  t.not(Atomics.wait(new Int32Array(flag), 0, 0, 12_000), 'timed-out', 'the backend answered and closed while this thread stood still');
  upload.push('this write fails before the answer is read');
  const response = await attempt;
  t.match([response.head.status, (await readBody(response)).text], [413, 'no']);
});

t.test('an early 200 keeps the upload going: the backend answers while it reads', async (t) => {
  const { address } = await startBackend(
    t,
    'tcp',
    does.afterRequest((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.on('data', (bytes: Buffer) => {
        socket.write(bytes);
        if (bytes.includes('!')) socket.end();
      });
    }),
  );
  const upload = new Readable({ read() {} });
  const response = await answer(address, { method: 'POST', body: upload, length: 6 });
  upload.push('hello!');
  upload.push(null);
  t.equal((await readBody(response)).text, 'hello!');
});

t.test('whoever gives up an answer closes the connection to the backend', async (t) => {
  const connections: Promise<unknown>[] = [];
  const { address } = await startBackend(t, 'tcp', (socket) => {
    connections.push(new Promise((resolve) => socket.once('close', resolve)));
    does.stallsInsideTheBody(socket);
  });
  const { body } = await answer(address);
  body.destroy();
  const leaving = new AbortController();
  await answer(address, { clientGone: leaving.signal });
  leaving.abort();
  await Promise.all(connections);
  t.equal(connections.length, 2, 'each was closed');
});

t.test('each part of an answer is passed on when it comes', async (t) => {
  let backendSocket: Socket | undefined;
  const { address } = await startBackend(
    t,
    'tcp',
    does.afterRequest((socket) => {
      backendSocket = socket;
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n');
    }),
  );
  const { body } = await answer(address);
  const parts = body[Symbol.asyncIterator]();
  t.equal(String((await parts.next()).value), 'data: 1\n\n');
  backendSocket!.write('data: 2\n\n');
  t.equal(String((await parts.next()).value), 'data: 2\n\n');
  backendSocket!.end();
  t.equal((await parts.next()).done, true);
});

function* blocks(megabytes: number, sent = { bytes: 0 }): Generator<Buffer> {
  for (let i = 0; i < megabytes * 16; i++) {
    sent.bytes += block.length;
    yield block;
  }
}

function* download(head: string, chunked: boolean, sent: { bytes: number }): Generator<Buffer> {
  yield Buffer.from(head);
  for (const part of blocks(200, sent)) yield chunked ? Buffer.concat([Buffer.from('10000\r\n'), part, Buffer.from('\r\n')]) : part;
  if (chunked) yield Buffer.from('0\r\n\r\n');
}
