import { Readable } from 'node:stream';
import t from 'tap';
import { answer, readBody, type Question } from '../fixtures/backends/ask.ts';
import * as does from '../fixtures/backends/behaviours.ts';
import { startBackend } from '../fixtures/backends/start-backend.ts';

t.test("a request reaches the backend as it came, without what belonged to the client's connection", async (t) => {
  const rows: readonly [string, Question, string][] = [
    [
      'order, case and duplicates',
      { rawHeaders: ['hOsT', 'a', 'X-B', '1', 'x-b', '2', 'Cookie', 'a=1', 'COOKIE', 'b=2', 'Accept', ''] },
      'GET / HTTP/1.1\r\nhOsT: a\r\nX-B: 1\r\nx-b: 2\r\nCookie: a=1\r\nCOOKIE: b=2\r\nAccept: \r\n',
    ],
    ['latin-1 in values and target', { target: '/caf\xe9?q=\xff', rawHeaders: ['Host', 'a', 'X-Name', 'Jos\xe9 \xa0'] }, 'GET /caf\xe9?q=\xff HTTP/1.1\r\nHost: a\r\nX-Name: Jos\xe9 \xa0\r\n'],
    ['odd targets', { target: '//a//b/../%2e%2e/./?"<>{}|\\^`%' }, 'GET //a//b/../%2e%2e/./?"<>{}|\\^`% HTTP/1.1\r\nHost: shop.example\r\n'],
    ['absolute form', { target: 'http://other/x?' }, 'GET http://other/x? HTTP/1.1\r\nHost: shop.example\r\n'],
    ['OPTIONS *', { method: 'OPTIONS', target: '*' }, 'OPTIONS * HTTP/1.1\r\nHost: shop.example\r\n'],
    ['any method', { method: 'PROPFIND' }, 'PROPFIND / HTTP/1.1\r\nHost: shop.example\r\n'],
    [
      'hop-by-hop fields',
      {
        rawHeaders: [
          'Host',
          'a',
          'Connection',
          'keep-alive, X-Hop',
          'Keep-Alive',
          'timeout=5',
          'X-Hop',
          '1',
          'TE',
          'trailers',
          'Trailer',
          'X',
          'Upgrade',
          'h2c',
          'HTTP2-Settings',
          'A',
          'Proxy-Connection',
          'close',
          'Expect',
          '100-continue',
          'X-End',
          '1',
        ],
      },
      'GET / HTTP/1.1\r\nHost: a\r\nX-End: 1\r\n',
    ],
    [
      'what Connection may not strip',
      { rawHeaders: ['Host', 'a', 'Connection', 'X-Forwarded-For, Cookie,Content-Length , Host', 'X-Forwarded-For', '1.2.3.4', 'Cookie', 'a=1', 'Content-Length', '2'], body: 'ab' },
      'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\nCookie: a=1\r\nContent-Length: 2\r\n',
    ],
    ['an HTTP/1.0 client without Host', { rawHeaders: ['X-A', '1'] }, 'GET / HTTP/1.1\r\nX-A: 1\r\nHost: localhost\r\n'],
  ];
  for (const [what, question, head] of rows) {
    const backend = await startBackend(t, 'unix', does.answers('HTTP/1.1 204 No Content\r\n\r\n'));
    await readBody(await answer(backend.address, question));
    t.equal(backend.received(), `${head}Connection: close\r\n\r\n${typeof question.body === 'string' ? question.body : ''}`, what);
  }
});

t.test('a body is framed as it was announced, whatever the headers said', async (t) => {
  const stream = () => Readable.from([Buffer.from('hello '), Buffer.from('world')]);
  const rows: readonly [string, Question, string][] = [
    ['length given', { rawHeaders: ['Host', 'a', 'content-LENGTH', '11', 'X-A', '1'], body: stream(), length: 11 }, 'content-LENGTH: 11\r\nX-A: 1\r\nConnection: close\r\n\r\nhello world'],
    ['two equal lengths', { rawHeaders: ['Host', 'a', 'Content-Length', '11', 'Content-Length', '11'], body: stream(), length: 11 }, 'Content-Length: 11\r\nConnection: close\r\n\r\nhello world'],
    [
      'chunked',
      { rawHeaders: ['Host', 'a', 'Transfer-Encoding', 'chunked', 'X-A', '1'], body: stream() },
      'Transfer-Encoding: chunked\r\nX-A: 1\r\nConnection: close\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n',
    ],
    [
      'chunked, but kept and counted meanwhile',
      { rawHeaders: ['Host', 'a', 'Transfer-Encoding', 'chunked'], body: stream(), length: 11 },
      'Content-Length: 11\r\nConnection: close\r\n\r\nhello world',
    ],
    ['no framing field at all', { body: stream(), length: 11, rawHeaders: ['Host', 'a'] }, 'Content-Length: 11\r\nConnection: close\r\n\r\nhello world'],
    ['length zero stays said', { rawHeaders: ['Host', 'a', 'Content-Length', '0'] }, 'Content-Length: 0\r\nConnection: close\r\n\r\n'],
    ['an empty chunked body', { rawHeaders: ['Host', 'a', 'Transfer-Encoding', 'chunked'], body: Readable.from([]) }, 'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n'],
  ];
  for (const method of ['POST', 'GET']) {
    for (const [what, question, rest] of rows) {
      const repeatable =
        question.body && typeof question.body === 'object' && question.rawHeaders?.length ? { ...question, body: what.startsWith('an empty') ? Readable.from([]) : stream() } : question;
      const end = rest.slice(-5);
      const backend = await startBackend(t, 'unix', (socket) => {
        let all = '';
        socket
          .on('data', (bytes: Buffer) => {
            all += bytes.toString('latin1');
            if (all.endsWith(end)) socket.end('HTTP/1.1 204 No Content\r\n\r\n');
          })
          .resume();
      });
      await readBody(await answer(backend.address, { ...repeatable, method }));
      t.equal(backend.received(), `${method} / HTTP/1.1\r\nHost: a\r\n${rest}`, `${what} (${method})`);
    }
  }
});

t.test("an answer comes back as it was sent, without what belonged to the backend's connection", async (t) => {
  const rows: readonly [string, string, { status: number; rawHeaders: readonly string[]; contentLength: number | undefined }, string, string?][] = [
    [
      'order, case, duplicates, latin-1',
      'HTTP/1.1 200 OK\r\nset-COOKIE: a=1\r\nX-A:  \t1 \r\nSet-Cookie: b=2\r\nX-Name: Jos\xe9\xa0\r\nX-Empty:\r\nContent-Length: 2\r\n\r\nab',
      { status: 200, rawHeaders: ['set-COOKIE', 'a=1', 'X-A', '1', 'Set-Cookie', 'b=2', 'X-Name', 'Jos\xe9\xa0', 'X-Empty', '', 'Content-Length', '2'], contentLength: 2 },
      'ab',
    ],
    ['bare LF line ends', 'HTTP/1.1 200 OK\nX-A: 1\n\nbody', { status: 200, rawHeaders: ['X-A', '1'], contentLength: undefined }, 'body'],
    ['mixed line ends, blank before the colon', 'HTTP/1.0 404\nX-A : 1\r\n\r\nbody\n\n', { status: 404, rawHeaders: ['X-A', '1'], contentLength: undefined }, 'body\n\n'],
    [
      'hop-by-hop fields',
      'HTTP/1.1 200 OK\r\nConnection: close, X-Hop, Set-Cookie\r\nX-Hop: 1\r\nSet-Cookie: a\r\nKeep-Alive: 5\r\nTrailer: X\r\nUpgrade: h2c\r\nProxy-Connection: a\r\nTransfer-Encoding: Chunked\r\n\r\n2;ext="x"\r\nab\r\n1\r\nc\r\n0\r\nX-T: 1\r\n\r\n',
      { status: 200, rawHeaders: ['Set-Cookie', 'a'], contentLength: undefined },
      'abc',
    ],
    ['equal lengths are one', 'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\ncontent-length: 02\r\n\r\nab', { status: 200, rawHeaders: ['Content-Length', '2'], contentLength: 2 }, 'ab'],
    ['no more than the length', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n\r\n', { status: 200, rawHeaders: ['Content-Length', '2'], contentLength: 2 }, 'ab'],
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n', { status: 200, rawHeaders: ['Content-Length', '100'], contentLength: 100 }, '', 'HEAD'],
    ['304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\nETag: "a"\r\n\r\n', { status: 304, rawHeaders: ['Content-Length', '100', 'ETag', '"a"'], contentLength: 100 }, ''],
    ['204 with a length', 'HTTP/1.1 204 No Content\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nab', { status: 204, rawHeaders: ['X-A', '1'], contentLength: undefined }, ''],
    ['100 Continue first', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', { status: 200, rawHeaders: ['Content-Length', '0'], contentLength: 0 }, ''],
    [
      'a header of 40 kB',
      `HTTP/1.1 200 OK\r\nX-Big: ${'x'.repeat(40_000)}\r\nContent-Length: 0\r\n\r\n`,
      { status: 200, rawHeaders: ['X-Big', 'x'.repeat(40_000), 'Content-Length', '0'], contentLength: 0 },
      '',
    ],
    [
      "the application's own 503",
      'HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy',
      { status: 503, rawHeaders: ['Retry-After', '7', 'Content-Length', '4'], contentLength: 4 },
      'busy',
    ],
  ];
  for (const [what, bytes, head, text, method = 'GET'] of rows) {
    const { address } = await startBackend(t, 'tcp', does.answers(bytes));
    const response = await answer(address, { method });
    t.same(response.head, head, what);
    t.same(await readBody(response), { text, cut: undefined }, `${what}: body`);
  }
});

t.test('interim heads are told, and none of them is the answer', async (t) => {
  const { address } = await startBackend(
    t,
    'tcp',
    does.answers('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhi'),
  );
  const told: unknown[] = [];
  const response = await answer(address, { interim: { onInformation: (status, rawHeaders) => told.push([status, ...rawHeaders]) } });
  t.same(told, [
    [103, 'Link', '</a.css>'],
    [103, 'Link', '</b.css>'],
  ]);
  t.match([response.head.status, (await readBody(response)).text], [200, 'hi']);
});

t.test('after 101 the connection is a tunnel, first bytes included, and each side may end alone', async (t) => {
  for (const kind of ['tcp', 'unix'] as const) {
    const backend = await startBackend(
      t,
      kind,
      does.afterRequest((socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nfirst ');
        socket.on('data', (bytes: Buffer) => socket.write(bytes.toString().toUpperCase())).on('end', () => socket.end(' bye'));
      }),
    );
    const question = { upgrade: true, rawHeaders: ['Host', 'a', 'Connection', 'keep-alive, Upgrade', 'Upgrade', 'websocket', 'Origin', 'b'] };
    const { head, tunnel, body } = await answer(backend.address, question);
    t.equal(backend.received(), 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nOrigin: b\r\nConnection: Upgrade\r\n\r\n');
    t.same(head, { status: 101, rawHeaders: ['Upgrade', 'websocket', 'Sec-WebSocket-Accept', 'x'], contentLength: undefined });
    t.same(await body.toArray(), [], 'there is no body');
    tunnel!.end('ping');
    t.equal(Buffer.concat(await tunnel!.toArray()).toString(), 'first PING bye');
  }
  const refuses = await startBackend(t, 'tcp', does.answers('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno'));
  const refused = await answer(refuses.address, { upgrade: true, rawHeaders: ['Upgrade', 'websocket'] });
  t.equal(refused.tunnel, undefined);
  t.match([refused.head.status, (await readBody(refused)).text], [403, 'no'], 'a refusal is an answer like any other');
});
