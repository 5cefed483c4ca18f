import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import t from 'tap';
import type { Address, UpstreamFailure } from '../../src/core/failure.ts';
import { connectFailure } from '../../src/upstream/classify-failure.ts';
import { connectTo, metItself } from '../../src/upstream/connect.ts';
import { connectProbe, httpProbe } from '../../src/upstream/probe.ts';
import { answer, ask, failure, readBody, type Question } from '../fixtures/backends/ask.ts';
import * as does from '../fixtures/backends/behaviours.ts';
import { fillBacklog, startBackend, startFrozenListener } from '../fixtures/backends/start-backend.ts';
import { freePort } from '../support/ports.ts';
import { isRoot } from '../support/skip.ts';
import { withoutStandstill } from '../support/standstill.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** One limit at a time: the others must not end the attempt first, however slow the machine is. */
const soon = { connect: { connectTimeoutMs: 150 }, response: { responseTimeoutMs: 150 }, idle: { idleTimeoutMs: 150 } };
const patientMs = 15_000;
const post: Question = { method: 'POST', body: 'order=1' };
const bothKinds: readonly Address['kind'][] = ['tcp', 'unix'];

t.test('a connect that fails has sent nothing and may always be repeated', async (t) => {
  const folder = tempFolder(t);
  const deadSocket = `${folder}/dead.sock`;
  const unlistened = spawnSync(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(deadSocket)}, () => process.kill(process.pid, 'SIGKILL'))`]);
  t.equal(unlistened.signal, 'SIGKILL', 'the owner of the stale socket was killed');
  writeFileSync(`${folder}/file`, '');
  const rows: readonly [string, Address, UpstreamFailure['kind'], string, RegExp][] = [
    ['no socket file', { kind: 'unix', path: `${folder}/none.sock` }, 'destination_unavailable', 'ENOENT', /there is no socket at unix:.*none\.sock \(ENOENT\)/],
    ['a stale socket file', { kind: 'unix', path: deadSocket }, 'connection_refused', 'ECONNREFUSED', /nobody listens on unix:/],
    ['a regular file', { kind: 'unix', path: `${folder}/file` }, 'connection_refused', 'ECONNREFUSED', /nobody listens on unix:/],
    ['a file in the place of a folder', { kind: 'unix', path: `${folder}/file/x.sock` }, 'proxy_configuration_error', 'ENOTDIR', /cannot be the path/],
    ['nobody on the port', { kind: 'tcp', host: '127.0.0.1', port: await freePort() }, 'connection_refused', 'ECONNREFUSED', /nobody listens on 127\.0\.0\.1:\d+ \(ECONNREFUSED\)/],
    ['a broadcast address', { kind: 'tcp', host: '255.255.255.255', port: 80 }, 'destination_ip_unroutable', 'ENETUNREACH', /no way leads to 255/],
  ];
  for (const [what, address, kind, errno, detail] of rows) {
    const failed = await failure(address, { ...post, limits: { connectTimeoutMs: patientMs } });
    t.match(failed, { kind, errno, phase: 'connect', source: 'upstream', resend: 'always', bytesWritten: 0, bytesRead: 0, detail }, what);
    t.same({ ...(await connectProbe(address, patientMs)), cause: 0 }, { ...failed, cause: 0 }, `${what}: the probe says the same`);
  }
});

t.test('a connect that met itself has found nobody', async (t) => {
  const port = await freePort();
  // what the kernel does by chance: the same port on both sides
  const itself = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.1', localPort: port });
  t.teardown(() => itself.destroy());
  await once(itself, 'connect');
  t.ok(metItself(itself));
  const { address } = await startBackend(t, 'tcp', does.neverAnswers);
  const found = await connectTo(address, { timeoutMs: patientMs });
  if (found.kind !== 'connected') throw new Error(found.kind);
  t.teardown(() => found.socket.destroy());
  t.notOk(metItself(found.socket));
});

t.test('a socket without permission is a configuration error', { skip: isRoot ? false : 'needs root, to become another user' }, async (t) => {
  const { address } = await startBackend(t, 'unix', does.neverAnswers);
  chmodSync(address.kind === 'unix' ? address.path : '', 0o600);
  process.seteuid!(65534);
  const attempt = failure(address); // connects before it returns: a unix connect does not wait
  process.seteuid!(0);
  t.match(await attempt, { kind: 'proxy_configuration_error', errno: 'EACCES', phase: 'connect', resend: 'always', detail: /no permission to connect to unix:/ });
});

t.test('a full TCP backlog, like a firewall that drops, is a connect timeout after our own timer', async (t) => {
  const address = await startFrozenListener(t, 'tcp');
  await fillBacklog(t, address);
  // timers of one process fire in the order of their times, also after it stood still
  const rounded = AbortSignal.timeout(900);
  const failed = await failure(address, { ...post, limits: soon.connect });
  t.notOk(rounded.aborted, 'the timer is exact, not rounded up to seconds');
  t.match(failed, { kind: 'connection_timeout', phase: 'connect', resend: 'always', bytesWritten: 0, detail: /did not take the connection in time/ });
  t.match(await connectProbe(address, 150), { kind: 'connection_timeout' });
});

t.test('a full unix backlog is overload, said at once', async (t) => {
  const address = await startFrozenListener(t, 'unix');
  await fillBacklog(t, address);
  t.match(await failure(address, post), { kind: 'destination_unavailable', errno: 'EAGAIN', resend: 'always', detail: /backlog full/ });
});

t.test('system errors that this machine cannot produce have their rows', async (t) => {
  const address: Address = { kind: 'tcp', host: 'app.internal', port: 80 };
  const row = (code: string) => connectFailure(Object.assign(new Error(code), { code }), address);
  t.match(row('ENOTFOUND'), { kind: 'dns_error', phase: 'resolve', resend: 'always' });
  t.match(row('EAI_AGAIN'), { kind: 'dns_timeout', phase: 'resolve', resend: 'always' });
  t.match(row('EHOSTUNREACH'), { kind: 'destination_ip_unroutable' });
  t.match(row('EMFILE'), { kind: 'proxy_internal_error', source: 'internal' });
  t.match(row('EADDRNOTAVAIL'), { kind: 'proxy_internal_error', source: 'internal' });
  t.match(row('ESOMETHING'), { kind: 'destination_unavailable', errno: 'ESOMETHING' });
});

t.test('an answer that never becomes one is told apart by what came', async (t) => {
  const rows: readonly [keyof typeof does, Partial<UpstreamFailure> & { detail: string }][] = [
    ['closesAfterRequest', { kind: 'connection_terminated', phase: 'await_head', resend: 'if_idempotent', bytesRead: 0, detail: 'closed the connection before it answered' }],
    ['cutsTheHead', { kind: 'http_response_incomplete', phase: 'read_head', resend: 'if_idempotent', bytesRead: 27, detail: 'only 27 bytes' }],
    ['neverAnswers', { kind: 'http_response_timeout', phase: 'await_head', resend: 'never', bytesRead: 0, detail: 'did not answer within 150 ms' }],
    ['stallsInsideTheHead', { kind: 'http_response_timeout', phase: 'read_head', resend: 'never', bytesRead: 27, detail: 'did not finish the head' }],
    ['greetsLikeSsh', { kind: 'http_protocol_error', phase: 'read_head', resend: 'never', detail: 'an SSH server answers (it began with "SSH-2.0-OpenSSH' }],
    ['greetsLikeMail', { kind: 'http_protocol_error', resend: 'never', detail: 'a mail or FTP server answers' }],
  ];
  for (const kind of bothKinds) {
    for (const [name, expected] of rows) {
      const backend = await startBackend(t, kind, does[name] as does.Behaviour);
      let tries = 0;
      const isSilent = name === 'neverAnswers' || name === 'stallsInsideTheHead';
      // what came while this process stood still is read after the timers
      const failed = await withoutStandstill({ shorterThanMs: 110 }, () => {
        tries += 1;
        return failure(backend.address, { ...post, limits: isSilent ? soon.response : {} });
      });
      t.match(failed, { ...expected, source: 'upstream' }, `${name} (${kind})`);
      t.ok(failed.bytesWritten > 'order=1'.length, `${name} (${kind}): it was sent`);
      t.equal(backend.accepted(), tries, `${name} (${kind}): tried once`);
    }
  }
});

t.test('a reset is told from a close', async (t) => {
  for (const kind of bothKinds) {
    const { address } = await startBackend(t, kind, does.closesWithTheRequestHalfRead);
    const failed = await failure(address, { method: 'POST', body: 'x'.repeat(20_000_000) });
    t.match(failed, { kind: 'connection_terminated', errno: /^(ECONNRESET|EPIPE)$/, phase: 'send', resend: 'if_idempotent', bytesRead: 0 }, kind);
  }
  const early = await startBackend(t, 'tcp', does.resetsAfterRequest);
  t.match(await failure(early.address, post), { kind: 'connection_terminated', errno: 'ECONNRESET', resend: 'if_idempotent', bytesRead: 0 });
  const late = await startBackend(t, 'tcp', does.resetsInsideTheHead);
  t.match(await failure(late.address, post), { kind: 'http_response_incomplete', errno: 'ECONNRESET', resend: 'if_idempotent', phase: 'read_head' });
});

t.test('an answer that breaks the protocol is refused with its own name', async (t) => {
  const ok = 'HTTP/1.1 200 OK\r\n';
  const rows: readonly [string, string, UpstreamFailure['kind'], RegExp][] = [
    ['junk', 'hello world, this is not HTTP', 'http_protocol_error', /sent no HTTP answer: it began with "hello world/],
    ['junk of three bytes', 'hi\n', 'http_protocol_error', /began with "hi\\x0a"/],
    ['a TLS alert', '\x15\x03\x01\x00\x02\x02\x46', 'http_protocol_error', /TLS is spoken there/],
    ['a FastCGI record', '\x01\x06\x00\x01\x00\x04\x00\x00oops', 'http_protocol_error', /FastCGI is spoken there/],
    ['Redis', '-ERR unknown command\r\n', 'http_protocol_error', /Redis answers/],
    ['MariaDB', '\x5b\x00\x00\x00\x0a5.5.5-10.11\x00', 'http_protocol_error', /MySQL or MariaDB/],
    ['nginx on its HTTPS port', 'HTTP/1.1 400 Bad Request\r\nContent-Length: 52\r\n\r\n<title>400 The plain HTTP request was sent to HTTPS port</title>', 'http_protocol_error', /is an HTTPS port/],
    ['two lengths', `${ok}Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc`, 'http_protocol_error', /two different lengths for one answer: 2 and 3/],
    ['a list of two lengths', `${ok}Content-Length: 2, 3\r\n\r\nabc`, 'http_protocol_error', /two different lengths/],
    ['a signed length', `${ok}Content-Length: +2\r\n\r\nab`, 'http_protocol_error', /impossible Content-Length/],
    ['an empty length', `${ok}Content-Length:\r\n\r\nab`, 'http_protocol_error', /impossible Content-Length/],
    ['length and chunks', `${ok}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 'http_response_transfer_coding', /Content-Length and Transfer-Encoding/],
    ['gzip as transfer coding', `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n`, 'http_response_transfer_coding', /other than chunked/],
    ['chunked twice', `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`, 'http_response_transfer_coding', /other than chunked/],
    ['chunks in HTTP/1.0', `HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n`, 'http_response_transfer_coding', /HTTP\/1\.0/],
    ['status 099', 'HTTP/1.1 099 Odd\r\n\r\n', 'http_protocol_error', /broken status line/],
    ['status 600', 'HTTP/1.1 600 Odd\r\n\r\n', 'http_protocol_error', /broken status line/],
    ['HTTP/2 in a status line', 'HTTP/2.0 200 OK\r\n\r\n', 'http_protocol_error', /broken status line/],
    ['a folded line', `${ok}X-A: 1\r\n  2\r\n\r\n`, 'http_protocol_error', /folded/],
    ['NUL in a value', `${ok}X-A: a\0b\r\n\r\n`, 'http_protocol_error', /control character/],
    ['a bare CR in a value', `${ok}X-A: a\rb\r\n\r\n`, 'http_protocol_error', /control character/],
    ['a name with a blank inside', `${ok}X A: 1\r\n\r\n`, 'http_protocol_error', /impossible name/],
    ['a line without a colon', `${ok}nonsense\r\n\r\n`, 'http_protocol_error', /without a colon/],
    ['a header of 70 kB', `${ok}X-Big: ${'x'.repeat(70_000)}\r\n\r\n`, 'http_response_header_size', /longer than 64 KiB/],
    ['140 kB of headers', `${ok}${`X-Some: ${'x'.repeat(990)}\r\n`.repeat(140)}\r\n`, 'http_response_header_section_size', /longer than 128 KiB/],
    ['a header that never ends', `${ok}X-Big: ${'x'.repeat(140_000)}`, 'http_response_header_size', /longer than 64 KiB/],
    ['101 unasked', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n', 'http_protocol_error', /though nobody asked/],
    ['a flood of interim heads', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(101), 'http_protocol_error', /more than 100 interim/],
  ];
  for (const [what, bytes, kind, detail] of rows) {
    const { address } = await startBackend(t, 'unix', does.answers(bytes));
    t.match(await failure(address, post), { kind, detail, phase: 'read_head', source: 'upstream', resend: 'never' }, what);
  }
  const { address } = await startBackend(t, 'unix', does.answers('HTTP/1.1 101 Switching Protocols\r\n\r\n'));
  t.match(await failure(address, { upgrade: true, rawHeaders: ['Upgrade', 'websocket'] }), { kind: 'http_upgrade_failed' }, 'a 101 that does not say to what');
});

t.test('a cut after the head shows as the end of the body, and is never repeated', async (t) => {
  const chunked = (rest: string) => does.answers(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${rest}`);
  const rows: readonly [string, does.Behaviour, UpstreamFailure['kind'], RegExp][] = [
    ['length known', does.cutsTheBody, 'http_response_incomplete', /closed the connection before the answer was complete/],
    ['inside a chunk', does.cutsTheChunkedBody, 'http_response_incomplete', /before the answer was complete/],
    ['before the last chunk', does.leavesOutTheLastChunk, 'http_response_incomplete', /before the answer was complete/],
    ['inside the last chunk', chunked('0\r\n'), 'http_response_incomplete', /before the answer was complete/],
    ['silence', does.stallsInsideTheBody, 'connection_read_timeout', /sent nothing more of its answer for 150 ms/],
    ['a chunk size 0x2', chunked('0x2\r\nab\r\n0\r\n\r\n'), 'http_protocol_error', /hexadecimal/],
    ['a chunk size +2', chunked('+2\r\nab\r\n0\r\n\r\n'), 'http_protocol_error', /without a size/],
    ['a chunk size of nine digits', chunked('000000002\r\nab\r\n0\r\n\r\n'), 'http_protocol_error', /8 digits/],
    ['a chunk line ended by LF', chunked('2\nab\r\n0\r\n\r\n'), 'http_protocol_error', /hexadecimal/],
    ['a chunk longer than its size', chunked('2\r\nabc\r\n0\r\n\r\n'), 'http_protocol_error', /longer than its size/],
    ['an extension ended by LF', chunked('2;a=b\nab\r\n0\r\n\r\n'), 'http_protocol_error', /without CR/],
    ['a trailer ended by LF', chunked('0\r\nX-A: 1\n\r\n'), 'http_protocol_error', /without CR/],
    ['20 kB of trailers', chunked(`0\r\n${`X-A: ${'x'.repeat(1000)}\r\n`.repeat(20)}\r\n`), 'http_response_trailer_section_size', /trailers of more than 16 KiB/],
    ['a trailer of 9 kB', chunked(`0\r\nX-A: ${'x'.repeat(9000)}\r\n\r\n`), 'http_response_trailer_size', /a trailer field longer than 8 KiB/],
    ['a trailer that is none', chunked('0\r\nnonsense\r\n\r\n'), 'http_protocol_error', /a trailer that is no header field/],
    ['a trailer with NUL', chunked('0\r\nX-A: a\0b\r\n\r\n'), 'http_protocol_error', /a trailer that is no header field/],
    ['20 kB of extensions', chunked(`2;${'x'.repeat(20_000)}\r\nab\r\n`), 'http_protocol_error', /chunk extensions of more than 16 KiB/],
  ];
  for (const kind of bothKinds) {
    for (const [what, behaviour, expected, detail] of rows) {
      const { address } = await startBackend(t, kind, behaviour);
      const { cut } = await readBody(await answer(address, { limits: { idleTimeoutMs: what === 'silence' ? 150 : 5000 } }));
      t.match(cut, { kind: expected, phase: 'read_body', resend: 'never', source: 'upstream', detail }, `${what} (${kind})`);
    }
  }
  const { address } = await startBackend(t, 'tcp', does.resetsAnAnswerThatLastsUntilClose);
  const { cut } = await readBody(await answer(address));
  t.match(cut, { kind: 'http_response_incomplete', errno: 'ECONNRESET' }, 'a reset is no proper end of a body without length');
});

t.test('a backend that stops reading is a write timeout, a client that stops sending is not its fault', async (t) => {
  const endless = () => Readable.from(zeros(Infinity));
  for (const kind of bothKinds) {
    const { address } = await startBackend(t, kind, does.neverReads);
    const body = endless();
    const blocked = await failure(address, { method: 'PUT', body, limits: soon.idle });
    t.match(blocked, { kind: 'connection_write_timeout', phase: 'send', source: 'upstream', resend: 'if_idempotent' }, kind);
    t.notOk(body.destroyed, 'the body is left as it is');
    body.destroy();
  }
  const { address } = await startBackend(t, 'tcp', does.neverAnswers);
  const stalled = await failure(address, { method: 'PUT', body: new Readable({ read() {} }), length: 10, limits: soon.response });
  t.match(stalled, { kind: 'http_request_error', source: 'downstream', phase: 'send', resend: 'never', detail: /client sent no more/ });
  const short = await failure(address, { method: 'PUT', body: Readable.from([Buffer.from('abc')]), length: 10 });
  t.match(short, { kind: 'http_request_error', source: 'downstream', detail: /announced 10 bytes of body and sent only 3/ });
  const long = await startBackend(
    t,
    'tcp',
    does.afterRequest(() => {}),
  );
  t.match(await failure(long.address, { method: 'PUT', body: Readable.from([Buffer.from('abcdef')]), length: 3 }), { kind: 'http_request_error', source: 'downstream', detail: /sent more/ });
  t.notMatch(long.received(), /abc/, 'not one byte more than announced reaches the backend');
  const unreadable = new Readable({
    read() {
      this.destroy(new Error('disk gone'));
    },
  });
  t.match(await failure(address, { method: 'PUT', body: unreadable, length: 3 }), { kind: 'proxy_internal_error', source: 'internal', detail: /disk gone/ });
});

t.test('a client that leaves is no failure, whenever it leaves', async (t) => {
  const { address } = await startBackend(t, 'tcp', does.neverAnswers);
  const frozen = await startFrozenListener(t, 'tcp');
  await fillBacklog(t, frozen);
  t.same(await ask(address, { clientGone: AbortSignal.abort() }), { kind: 'client_gone' }, 'before the connect');
  for (const [what, where] of [
    ['while connecting', frozen],
    ['while waiting', address],
  ] as const) {
    const leaving = new AbortController();
    const attempt = ask(where, { clientGone: leaving.signal });
    setImmediate(() => leaving.abort());
    t.same(await attempt, { kind: 'client_gone' }, what);
  }
  const upload = new Readable({ read() {} });
  const receiving = await startBackend(
    t,
    'tcp',
    does.afterRequest(() => upload.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }))),
  );
  t.same(await ask(receiving.address, { method: 'PUT', body: upload, length: 10 }), { kind: 'client_gone' }, 'inside its upload');
  t.same(await ask(receiving.address, { method: 'PUT', body: upload, length: 10 }), { kind: 'client_gone' }, 'before its upload is read');
  const stalls = await startBackend(t, 'tcp', does.stallsInsideTheBody);
  const leaving = new AbortController();
  const { body } = await answer(stalls.address, { clientGone: leaving.signal });
  leaving.abort();
  t.ok(body.destroyed, 'inside the answer: the body is destroyed');
});

t.test('the HTTP probe gives the status or the failure', async (t) => {
  const up = await startBackend(t, 'tcp', does.answers('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n'));
  t.same(await httpProbe(up.address, { path: '/ping', host: 'shop', timeoutMs: patientMs }), { kind: 'answered', status: 503 });
  t.match(up.received(), /^GET \/ping HTTP\/1\.1\r\nHost: shop\r\n/);
  t.equal(await connectProbe(up.address, patientMs), undefined);
  const silent = await startBackend(t, 'unix', does.neverAnswers);
  // the time is that for the connect, too
  t.match(await withoutStandstill({ shorterThanMs: 150 }, () => httpProbe(silent.address, { path: '/', host: 'shop', timeoutMs: 200 })), {
    kind: 'failure',
    failure: { kind: 'http_response_timeout' },
  });
  t.match(await connectProbe(silent.address, patientMs, { signal: AbortSignal.abort() }), { source: 'internal' }, 'called off is not "up"');
});

function* zeros(bytes: number): Generator<Buffer> {
  const block = Buffer.alloc(65_536);
  for (let sent = 0; sent < bytes; sent += block.length) yield block;
}
