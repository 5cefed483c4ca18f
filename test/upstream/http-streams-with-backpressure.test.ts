import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import t from 'tap';
import { answer, ask, readBody } from '../fixtures/backends/ask.ts';
import * as does from '../fixtures/backends/behaviours.ts';
import { startBackend } from '../fixtures/backends/start-backend.ts';

const megabyte = 1024 ** 2;
const block = Buffer.alloc(65_536, 'x');

t.test('200 MB pass down, however slow the reader is, with flat memory', async (t) => {
  for (const head of [`HTTP/1.1 200 OK\r\nContent-Length: ${200 * megabyte}\r\n\r\n`, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n']) {
    const chunked = head.includes('chunked');
    const { address } = await startBackend(t, 'tcp', does.afterRequest((socket) => void Readable.from(download(head, chunked)).pipe(socket)));
    const memory = watchMemory();
    const { body } = await answer(address);
    let bytes = 0;
    const slowReader = new Writable({
      highWaterMark: 1,
      write(part: Buffer, _encoding, done) {
        bytes += part.length;
        setImmediate(done); // always behind: every write is refused for a turn
      },
    });
    await pipeline(body, slowReader);
    t.equal(bytes, 200 * megabyte, chunked ? 'chunked' : 'with a length');
    t.ok(memory.growth() < 60 * megabyte, `${chunked ? 'chunked' : 'with a length'}: memory is flat`);
  }
});

t.test('a reader that stops for longer than the idle limit is no silence of the backend', async (t) => {
  const { address } = await startBackend(t, 'tcp', does.afterRequest((socket) => void Readable.from(download(`HTTP/1.1 200 OK\r\nContent-Length: ${20 * megabyte}\r\n\r\n`, false, 20)).pipe(socket)));
  const { body } = await answer(address, { limits: { idleTimeoutMs: 60 } });
  body.once('readable', () => {});
  const wakeUp = AbortSignal.timeout(250); // the length of the pause is the thing tested
  await once(wakeUp, 'abort');
  let bytes = 0;
  for await (const part of body) bytes += part.length;
  t.equal(bytes, 20 * megabyte);
});

t.test('200 MB pass up, however slow the backend is, with flat memory', async (t) => {
  for (const length of [200 * megabyte, undefined]) {
    const { address } = await startBackend(t, 'unix', slowCounter);
    const memory = watchMemory();
    const response = await answer(address, { method: 'PUT', body: Readable.from(blocks(200)), ...(length !== undefined && { length }) });
    const { text } = await readBody(response);
    t.ok(Number(text) >= 200 * megabyte, `the backend got ${text} bytes`);
    t.ok(response.bytesWritten >= 200 * megabyte, 'and they were counted');
    t.ok(memory.growth() < 60 * megabyte, 'memory is flat');
  }
});

t.test('a refusal that comes while the body is being sent is delivered, and the upload stops', async (t) => {
  const page = 'x'.repeat(200_000);
  for (const kind of ['tcp', 'unix'] as const) {
    for (let round = 0; round < 25; round++) {
      const { address, close } = await startBackend(t, kind, (socket) => void socket.once('data', () => {
        socket.pause(); // the rest of the upload stays unread, so that closing becomes a reset behind the answer
        socket.end(`HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: ${page.length}\r\n\r\n${page}`);
      }).resume());
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

t.test('a refusal survives a close with the upload unread', async (t) => {
  const { address } = await startBackend(t, 'unix', (socket) => void socket.once('data', () => {
    socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno', () => socket.destroy());
  }).resume());
  const body = Readable.from(blocks(200));
  const response = await answer(address, { method: 'POST', body });
  t.match([response.head.status, (await readBody(response)).text], [413, 'no']);
  body.destroy();
});

t.test('an early 200 keeps the upload going: the backend answers while it reads', async (t) => {
  const { address } = await startBackend(t, 'tcp', does.afterRequest((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    socket.on('data', (bytes: Buffer) => {
      socket.write(bytes);
      if (bytes.includes('!')) socket.end();
    });
  }));
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
  await ask(address, { limits: { responseTimeoutMs: 1 } });
  await Promise.all(connections);
  t.ok(connections.length >= 2, 'each was closed');
});

t.test('each part of an answer is passed on when it comes', async (t) => {
  let backendSocket: Socket | undefined;
  const { address } = await startBackend(t, 'tcp', does.afterRequest((socket) => {
    backendSocket = socket;
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n');
  }));
  const { body } = await answer(address);
  const parts = body[Symbol.asyncIterator]();
  t.equal(String((await parts.next()).value), 'data: 1\n\n');
  backendSocket!.write('data: 2\n\n');
  t.equal(String((await parts.next()).value), 'data: 2\n\n');
  backendSocket!.end();
  t.equal((await parts.next()).done, true);
});

/** Reads in small steps; says how many bytes came when the body is over. */
function slowCounter(socket: Socket): void {
  let bytes = 0;
  socket.on('data', (part: Buffer) => {
    bytes += part.length;
    socket.pause();
    setImmediate(() => socket.resume());
    const last = part.subarray(-5).toString('latin1') === '0\r\n\r\n';
    if (last || bytes >= 200 * megabyte + headBytes) socket.end(`HTTP/1.1 200 OK\r\n\r\n${bytes}`);
  }).resume();
}
/** At least what the head of the upload takes. */
const headBytes = 50;

function* blocks(megabytes: number): Generator<Buffer> {
  for (let i = 0; i < megabytes * 16; i++) yield block;
}

function* download(head: string, chunked: boolean, megabytes = 200): Generator<Buffer> {
  yield Buffer.from(head);
  for (const part of blocks(megabytes)) yield chunked ? Buffer.concat([Buffer.from('10000\r\n'), part, Buffer.from('\r\n')]) : part;
  if (chunked) yield Buffer.from('0\r\n\r\n');
}

/** The most that the process grew since the beginning, buffers outside the heap included. */
function watchMemory(): { growth: () => number } {
  const start = process.memoryUsage().rss;
  let most = start;
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 5).unref();
  return {
    growth: () => {
      clearInterval(timer);
      return Math.max(most, process.memoryUsage().rss) - start;
    },
  };
}
