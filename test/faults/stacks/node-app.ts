/**
 * An application that is a small HTTP server: `node node-app.ts FOLDER PORT [ADDRESS]`. How it answers stands in
 * FOLDER/manner, which is read with each request, so that a fault comes and goes while it runs.
 */
import { existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';

const [folder = '', port = '', address = '127.0.0.1'] = process.argv.slice(2);
const kept: unknown[] = [];

const manners: Readonly<Record<string, (answer: ServerResponse, request: IncomingMessage) => unknown>> = {
  well: (answer) => answer.setHeader('content-type', 'text/plain').end('hello'),
  'answers-500': (answer) => {
    process.stderr.write(`${new TypeError("Cannot read properties of undefined (reading 'price')").stack}\n`);
    answer.writeHead(500, { 'content-type': 'text/plain' }).end('Internal Server Error');
  },
  'throws-where-nobody-catches': () =>
    setImmediate(() => {
      throw new TypeError('orders is not iterable');
    }),
  'waits-for-ever-once': () => {
    // whoever is started in its place is well
    writeFileSync(join(folder, 'manner'), 'well');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
  'computes-for-ever': () => {
    for (;;);
  },
  'eats-memory-once': (answer) => {
    writeFileSync(join(folder, 'manner'), 'well');
    // touched page by page, so that the kernel has to give it
    for (let mebibytes = 0; mebibytes < 512; mebibytes++) kept.push(Buffer.alloc(1024 ** 2, 1));
    answer.end('fat');
  },
  'leaks-files': (answer) => {
    try {
      for (let index = 0; index < 20; index++) kept.push(openSync('/dev/null', 'r'));
      answer.end('hello');
    } catch (error) {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      answer.writeHead(500, { 'content-type': 'text/plain' }).end('Internal Server Error');
    }
  },
  'says-two-lengths': (_answer, { socket }) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nhello'),
  'speaks-something-else': (_answer, { socket }) => socket.end('220 mail.example ESMTP\r\n'),
  'breaks-off-in-the-header': (_answer, { socket }) => socket.end('HTTP/1.1 200 OK\r\nContent-Ty'),
  'sends-a-huge-header': (_answer, { socket }) => socket.end(`HTTP/1.1 200 OK\r\nX-Debug: ${'x'.repeat(200 * 1024)}\r\nContent-Length: 5\r\n\r\nhello`),
  'takes-seconds': (answer) => setTimeout(() => answer.end('late'), 3000),
};

let lastManner = 'well';

function manner(): string {
  const file = join(folder, 'manner');
  try {
    lastManner = existsSync(file) ? readFileSync(file, 'utf8') : 'well';
  } catch {
    // best effort: without a descriptor left it goes on as before
  }
  return lastManner;
}

const server = createServer((request, answer) => {
  request.resume();
  request.once('end', () => (manners[manner()] ?? manners['well']!)(answer, request));
});
server.keepAliveTimeout = 60_000;
server.listen(Number(port), address, () => {
  if (manner() === 'ends-after-its-start') setTimeout(() => process.exit(1), 300);
});
