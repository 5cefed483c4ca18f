/** What PHP said is what the visitor gets, and what the visitor sent is what PHP gets, or nothing at all. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import t from 'tap';
import { formatAddress } from '../../src/core/failure.ts';
import { encodeStreamEnd, recordType } from '../../src/upstream/fastcgi/record.ts';
import { connectClient } from '../fixtures/fastcgi/client.ts';
import { completeAnswer, requestStart, stdin } from '../fixtures/fastcgi/records.ts';
import { startBackend } from '../fixtures/fastcgi/scripted-backend.ts';
import { startFastcgiGateway } from '../support/fastcgi-gateway.ts';
import { preparePhpFpm, startPhpFpm } from '../support/php-fpm.ts';
import { echoesTheRequest } from '../support/php-scripts.ts';
import { start, type Running } from '../support/program.ts';
import { needs, programPath } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const scripts = {
  'echo.php': echoesTheRequest,
  'latin1.php': '<?php header("X-Place: caf\\xe9 \\xfc"); echo "caf\\xe9";',
  'large.php': '<?php for ($i = 0; $i < 40; $i++) header("X-Large-$i: " . str_repeat("h", 1000)); echo "after the head";',
  'nothing.php': '<?php http_response_code((int) $_GET["status"]); header("X-Here: yes"); header("ETag: \\"a\\"");',
  'page.php': '<?php header("Content-Length: 5"); header("X-Here: yes"); echo "hello";',
  'cookies.php': '<?php setcookie("a", "1"); setcookie("b", "2"); header("Content-Type: text/x"); echo "";',
};

/** The bytes of the answer as they come, over HTTP/1.0 so that nothing is chunked. */
function rawly(port: number, method: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => void socket.write(`${method} ${path} HTTP/1.0\r\nHost: x\r\n\r\n`));
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
    socket.on('error', reject).on('close', () => resolve(text));
  });
}

t.test('answers without a body, with large heads, with Latin-1 and with several cookies come as PHP gave them', async (t) => {
  if (!needs(t, 'nginx', 'php-fpm8.2')) return;
  const fpm = await startPhpFpm(t, { maxChildren: 4, scripts });
  for (const concurrency of [4, 'none'] as const) {
    // with a known size connections are kept, else not
    const { nginx } = await startFastcgiGateway(t, {
      upstream: fpm.address,
      docroot: fpm.docroot,
      settings: { concurrency },
      location: 'fastcgi_keep_conn on; fastcgi_buffer_size 128k; fastcgi_buffers 8 128k;',
    });
    const ask = (method: string, path: string): Promise<string> => rawly(nginx.port, method, path);
    t.match(await ask('GET', '/latin1.php'), /X-Place: caf\xe9 \xfc\r\n\r\ncaf\xe9$/);
    t.match(await ask('GET', '/large.php'), /X-Large-39: h{1000}\r\n\r\nafter the head$/);
    t.match(await ask('GET', '/cookies.php'), /Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n/);
    t.match(await ask('HEAD', '/page.php'), /^HTTP\/1.1 200 OK\r\n[^]*X-Here: yes[^]*\r\n\r\n$/);
    for (const status of [204, 304, 404, 418, 500]) t.match(await ask('GET', `/nothing.php?status=${status}`), new RegExp(`^HTTP/1.1 ${status} [^]*X-Here: yes[^]*\r\n\r\n$`));
    t.match(await ask('GET', '/page.php'), /Content-Length: 5\r\n[^]*\r\nhello$/, 'and the connection is in order afterwards');
  }
});

t.test('a head with bare line feeds, as old programs write it, is repaired', async (t) => {
  if (!needs(t, 'nginx')) return;
  const { address } = await startBackend(t, { kind: 'unix', behave: (socket) => void socket.end(completeAnswer('Status: 203 Old\nContent-Type: text/old\nX-A: b\n\nbody\n')) });
  const { nginx } = await startFastcgiGateway(t, { upstream: formatAddress(address) });
  t.match(await rawly(nginx.port, 'GET', '/'), /^HTTP\/1.1 203 [^]*Content-Type: text\/old\r\n[^]*X-A: b\r\n\r\nbody\n$/);
});

t.test('an upload of unknown length reaches PHP whole, which nginx alone would lose', async (t) => {
  if (!needs(t, 'nginx', 'php-fpm8.2')) return;
  const fpm = await startPhpFpm(t, { maxChildren: 2, scripts });
  const { nginx, log } = await startFastcgiGateway(t, { upstream: fpm.address, docroot: fpm.docroot, location: 'fastcgi_request_buffering off; client_max_body_size 0;' });
  // in pieces that are longer than nginx's buffer of 16 KiB: it would know the length of what fits into it
  function* drips(pieces: number, bytes: number): Generator<Buffer> {
    for (let i = 0; i < pieces; i++) yield Buffer.alloc(bytes, 'abcdefg');
  }
  const send = async (pieces: number, bytes: number): Promise<{ status: number; text: string }> => {
    const outgoing = request(`${nginx.url}/echo.php`, { method: 'POST' });
    // nginx answers too much before it has read all of it
    const sending = pipeline(drips(pieces, bytes), outgoing).catch(() => undefined);
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    const body = await text(answer);
    await sending;
    return { status: answer.statusCode ?? 0, text: body };
  };
  const sent = Buffer.concat(Array.from({ length: 10 }, () => Buffer.alloc(50_000, 'abcdefg')));
  t.match(JSON.parse((await send(10, 50_000)).text), { method: 'POST', length: 500_000, sha1: createHash('sha1').update(sent).digest('hex') });

  const tooMuch = await send(30, 50_000).catch(() => undefined);
  t.not(tooMuch?.status, 200, 'PHP never runs with a part of it');
  await until(() => log.some(({ failure, detail }) => failure === 'http_request_error' && /fastcgi_request_buffering on/.test(String(detail))), { timeoutMs: 15_000, what: 'the reason in the log' });
});

t.test('a body of another length than announced is never passed on as a whole one', async (t) => {
  if (!needs(t, 'nginx')) return;
  const backend = await startBackend(t, { kind: 'unix', behave: (socket) => void socket.end(completeAnswer('Content-Type: text/plain\r\n\r\nexecuted')) });
  const { address, log, gateway } = await startFastcgiGateway(t, { upstream: formatAddress(backend.address), settings: { concurrency: 5 } });
  for (const [announced, body] of [
    ['9', 'short'],
    ['200000', 'x'.repeat(60_000)],
    ['3', 'too long'],
  ] as const) {
    const before = log.length;
    const client = await connectClient(t, address);
    client.socket.write(requestStart({ REQUEST_METHOD: 'POST', CONTENT_LENGTH: announced }, { hasBody: true }));
    client.socket.write(Buffer.concat([stdin(body), encodeStreamEnd(recordType.stdin, 1)]));
    await client.answered();
    const answer = client.seen.text(recordType.stdout);
    t.match(answer, /^Status: 4\d\d [^]*http_request_error/, `${body.length} bytes instead of ${announced}`);
    t.notMatch(answer, /executed/);
    await until(() => log.length > before, { timeoutMs: 15_000, what: 'the line of the request' });
    t.match(log.at(-1), { failure: 'http_request_error', detail: /bytes that CONTENT_LENGTH announced came/ });
  }
  t.notOk(
    backend.seen.some((seen) => seen.records.some(({ type, content }) => type === recordType.stdin && content.length === 0)),
    'no backend was told that the body is complete',
  );
  t.equal(gateway.connections.idle, 0, 'and no such connection is used again');
});

t.test('a body that is too long to be kept was not processed, and its client is told so', async (t) => {
  if (!needs(t, 'nginx')) return;
  const backend = await startBackend(t, { kind: 'unix', behave: (socket) => void socket.end(completeAnswer('Status: 200 OK\r\n\r\nexecuted')) });
  const { address } = await startFastcgiGateway(t, { upstream: formatAddress(backend.address) });
  const client = await connectClient(t, address);
  client.socket.write(requestStart({ REQUEST_METHOD: 'POST' }, { hasBody: true }));
  for (let n = 0; n < 20; n++) client.socket.write(stdin('x'.repeat(60_000)));
  await client.answered();
  t.match(client.seen.text(recordType.stdout), /^Status: 408 [^]*"may_have_been_processed": ?false/);
  t.same(backend.seen, []);
});

t.test('a held upload comes whole, and one whose visitor has left is not kept waiting', async (t) => {
  if (!needs(t, 'nginx', 'php-fpm8.2', 'curl')) return;
  const fpm = await preparePhpFpm(t, { maxChildren: 2, scripts, pool: ['php_admin_value[post_max_size] = 100M', 'php_admin_value[memory_limit] = 256M'] });
  const { nginx, gateway, log } = await startFastcgiGateway(t, { upstream: fpm.address, docroot: fpm.docroot, settings: { hold: { for: '60s' } } });
  const bytes = Buffer.alloc(20 * 2 ** 20, 'upload');
  const file = join(tempFolder(t), 'upload');
  writeFileSync(file, bytes);
  const upload = (): Running => start([programPath('curl'), '-sS', '-X', 'POST', '-H', 'Expect:', '-T', file, `${nginx.url}/echo.php`]);
  // one after the other: the first closes the gate by its connect, the second finds it closed
  const leaves = upload();
  await until(() => gateway.gate.held === 1, { timeoutMs: 10_000, what: 'the first upload to be held' });
  const stays = upload();
  await until(() => gateway.gate.held === 2, { timeoutMs: 10_000, what: 'both uploads to be held' });
  process.kill(leaves.pid, 'SIGKILL');
  await until(() => gateway.gate.held === 1, { timeoutMs: 10_000, what: 'the end of the one whose visitor left' });
  t.match(log, [{ outcome: 'client_gone', attempts: 1 }]);
  await fpm.start();
  const { output } = await stays.ended;
  t.match(JSON.parse(output), { length: bytes.length, sha1: createHash('sha1').update(bytes).digest('hex') });
});
