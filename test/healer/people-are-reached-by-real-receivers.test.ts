/** Each way of telling against a real server of its kind on loopback: what arrives, what is refused, and what is said of it. */
import { createHmac } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { z } from 'zod';
import { notifierSchema } from '../../src/config/notifier-schema.ts';
import { validate } from '../../src/config/validate.ts';
import type { Message } from '../../src/healer/notifier.ts';
import { sendBy } from '../../src/healer/outbox.ts';
import { smtpServer, type TakenMail } from '../fixtures/notifiers/smtp-server.ts';
import { webhookReceiver } from '../fixtures/notifiers/webhook-receiver.ts';
import { makeAuthority } from '../fixtures/tls/certificates.ts';
import { documentedBlocks } from '../support/documented.ts';
import { freePort } from '../support/ports.ts';
import { processInfo } from '../support/processes.ts';
import { missing } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const message: Message = {
  id: '01HZX3Q0000000000000000001',
  at: '2026-11-22T03:00:00.000Z',
  host: 'web1',
  event: 'incident.gave_up',
  severity: 'critical',
  service: 'php-fpm',
  incident: '01HZX3Q00000000000007K3F9Q',
  code: '7K3F9Q',
  lines: ['php-fpm - a person is needed (incident 7K3F9Q): no answer', 'Why: <!channel> @everyone & "Straße" (unknown, possible)'],
  audit: { seq: 4711, head: '9f86d081884c7d65' },
};

const send = (settings: object, more: Partial<Message> = {}, signal = AbortSignal.timeout(20_000)) => sendBy(notifierSchema.parse(settings), { ...message, ...more }, signal);

function secret(t: Test, text: string): string {
  const file = join(tempFolder(t), 'secret');
  writeFileSync(file, `${text}\n`, { mode: 0o600 });
  return file;
}

t.test('a webhook gets fields that a program can use, and a signature that it can check', async (t) => {
  const receiver = await webhookReceiver(t);
  const settings = { type: 'webhook', url: `${receiver.url}hook?a=b`, headers: { 'X-Team': 'shop' }, token_file: secret(t, 'tok-1'), secret_file: secret(t, 'key-1') };
  t.same(await send(settings), { kind: 'sent' });
  const [got] = receiver.received;
  t.match(got, { path: '/hook?a=b', headers: { 'x-team': 'shop', 'content-type': 'application/json', authorization: 'Bearer tok-1' } });
  t.equal(
    got?.headers['x-goodgateway-signature'],
    `sha256=${createHmac('sha256', 'key-1')
      .update(got?.body ?? '')
      .digest('hex')}`,
  );
  const { lines, incident, ...fields } = message;
  t.same(JSON.parse(got?.body ?? ''), { v: 1, ...fields, incident, thread: incident, lines, text: lines.join('\n') });
});

t.test('Slack gets one text that begins with the code, in which nobody else can call everybody', async (t) => {
  const receiver = await webhookReceiver(t);
  t.same(await send({ type: 'webhook', url_file: secret(t, `${receiver.url}services/T0/B0/x`), format: 'slack' }), { kind: 'sent' });
  t.equal(receiver.received[0]?.path, '/services/T0/B0/x');
  t.same(JSON.parse(receiver.received[0]?.body ?? ''), {
    text: '[7K3F9Q] web1: php-fpm - a person is needed (incident 7K3F9Q): no answer\nWhy: &lt;!channel&gt; @\u200beveryone &amp; "Straße" (unknown, possible)\nAudit log: 4711:9f86d081884c7d65',
  });
});

t.test('what a webhook answers says whether another try may help', async (t) => {
  const receiver = await webhookReceiver(t);
  const settings = { type: 'webhook', url: receiver.url };
  const table: readonly (readonly [answer: typeof receiver.answer, outcome: object])[] = [
    [
      { status: 500, body: 'out of\norder' },
      { kind: 'failed', retry: true, detail: `127.0.0.1:${receiver.port} answered 500: out of order` },
    ],
    [
      { status: 429, headers: { 'retry-after': '30' } },
      { kind: 'failed', retry: true, retryAfterMs: 30_000 },
    ],
    [
      { status: 503, headers: { 'retry-after': new Date(Date.now() + 60_000).toUTCString() } },
      { kind: 'failed', retry: true, retryAfterMs: (ms: number) => ms > 50_000 && ms <= 60_000 },
    ],
    [{ status: 403 }, { kind: 'failed', retry: true }],
    [{ status: 404 }, { kind: 'failed', retry: true }],
    [
      { status: 422, body: 'x'.repeat(10_000) },
      { kind: 'failed', retry: false, detail: /^.{1,260}$/ },
    ],
    [
      { status: 302, headers: { location: '/elsewhere' } },
      { kind: 'failed', retry: true, detail: /answered 302, a redirect, which is not followed/ },
    ],
    ['close', { kind: 'failed', retry: true, detail: /cannot be reached \(UND_ERR_SOCKET\)/ }],
  ];
  for (const [answer, outcome] of table) {
    receiver.answer = answer;
    const got = await send(settings);
    if ('retryAfterMs' in outcome && typeof outcome.retryAfterMs === 'function') t.ok(got.kind === 'failed' && outcome.retryAfterMs(got.retryAfterMs ?? 0), JSON.stringify(got));
    else t.match(got, outcome, JSON.stringify(answer).slice(0, 80));
  }
  t.equal(receiver.received.length, table.length, 'the redirect was not followed');
  receiver.answer = 'hang';
  t.match(await send(settings, {}, AbortSignal.timeout(200)), { kind: 'failed', retry: true, detail: /did not answer in time/ });
  await receiver.away();
  t.match(await send(settings), { kind: 'failed', retry: true, detail: /cannot be reached \(ECONNREFUSED\)/ });
});

t.test('a webhook whose certificate is not right gets nothing', { skip: missing('openssl') }, async (t) => {
  const authority = makeAuthority(tempFolder(t));
  const right = await webhookReceiver(t, { tls: authority.issue('right', 'IP:127.0.0.1') });
  t.same(await send({ type: 'webhook', url: right.url, ca: authority.caFile }), { kind: 'sent' });
  const cases = {
    unknown: [right, undefined],
    name: [await webhookReceiver(t, { tls: authority.issue('name', 'DNS:other.example') }), authority.caFile],
    old: [await webhookReceiver(t, { tls: authority.issue('old', 'IP:127.0.0.1', -1) }), authority.caFile],
  } as const;
  const codes = { unknown: /UNABLE_TO|SELF_SIGNED/, name: /ERR_TLS_CERT_ALTNAME_INVALID/, old: /CERT_HAS_EXPIRED/ };
  for (const [name, [receiver, ca]] of Object.entries(cases)) {
    const before = receiver.received.length;
    const settings = { type: 'webhook', url: receiver.url, token_file: secret(t, 'tok-1'), ...(ca === undefined ? {} : { ca }) };
    t.match(await send(settings), { kind: 'failed', retry: true, detail: codes[name as keyof typeof codes] }, name);
    t.equal(receiver.received.length, before, name);
  }
});

t.test('a secret is in nothing that is said of a failure, also where the receiver says it back', async (t) => {
  const receiver = await webhookReceiver(t);
  const planted = ['planted-token-4711', 'planted-path-4712', 'planted-key-4713'] as const;
  receiver.answer = {
    status: 401,
    body: ({ path, headers }) => `no ${headers.authorization} at ${path} (${encodeURIComponent(planted[0])}, ${Buffer.from(planted[0]).toString('base64')}, ${planted[2]})`,
  };
  const settings = { type: 'webhook', url_file: secret(t, `${receiver.url}${planted[1]}`), token_file: secret(t, planted[0]), secret_file: secret(t, planted[2]) };
  const answered = await send(settings);
  await receiver.away();
  const unreachable = await send(settings);
  const said = JSON.stringify([answered, unreachable]);
  t.match(said, /answered 401: no Bearer \[redacted\] at \[redacted\]/);
  for (const word of [...planted, Buffer.from(planted[0]).toString('base64').slice(0, -2)]) t.notOk(said.includes(word), word);
});

t.test('what gives an address away is not said either, in whatever form the receiver says it back', async (t) => {
  const receiver = await webhookReceiver(t);
  const path = '/services/T0LONGENOUGH/planted-path-4716';
  const settings = { type: 'webhook', url_file: secret(t, `${receiver.url.slice(0, -1)}${path}`) };
  for (const body of [`{"path":"${path.replaceAll('/', String.raw`\/`)}"}`, 'no hook planted-path-4716', `no hook ${encodeURIComponent(path)}`]) {
    receiver.answer = { status: 404, body };
    const said = JSON.stringify(await send(settings));
    t.match(said, /answered 404: .*\[redacted\]/, body);
    t.notOk(said.includes('planted-path-4716'), said);
  }
});

t.test('a mail server that says the login back does not give the password away', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined).write('220 mail\r\n');
    socket.on('data', (bytes) => {
      const said = bytes.toString().trim();
      socket.write(said.startsWith('EHLO') ? '250-mail\r\n250 AUTH PLAIN\r\n' : `535 5.7.8 not understood: ${said}\r\n`);
    });
  });
  const port = await new Promise<number>((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));
  t.teardown(() => server.close());
  const settings = { type: 'email', host: '127.0.0.1', port, tls: 'none', user: 'gateway', password_file: secret(t, 'planted-pass-4717'), from: 'gw@web1.example', to: ['ops@example.com'] };
  const said = JSON.stringify(await send(settings));
  t.match(said, /535 5\.7\.8 not understood: AUTH PLAIN \[redacted\]/);
  for (const word of said.match(/[\w+/]{16,}={0,2}/g) ?? []) t.notOk(Buffer.from(word, 'base64').toString().includes('planted'), word);
});

t.test('a secret that is missing, open to others or no secret is a failure that says what to do', async (t) => {
  const receiver = await webhookReceiver(t);
  const folder = tempFolder(t);
  const open = secret(t, 'tok-1');
  chmodSync(open, 0o644);
  writeFileSync(join(folder, 'lines'), 'tok-1\ntok-2\n', { mode: 0o600 });
  writeFileSync(join(folder, 'empty'), '\n', { mode: 0o600 });
  const table: readonly (readonly [settings: object, detail: RegExp])[] = [
    [{ token_file: join(folder, 'none') }, /none cannot be read \(ENOENT\)/],
    [{ token_file: folder }, /is no file|EISDIR|everybody on this host can read/],
    [{ token_file: open }, /everybody on this host can read .*: chmod 600 /],
    [{ token_file: join(folder, 'lines') }, /holds more than one line/],
    [{ token_file: join(folder, 'empty') }, /is empty/],
    [{ token_env: 'GOODGATEWAY_NOT_SET' }, /the environment variable GOODGATEWAY_NOT_SET is not set/],
    [{ url: undefined, url_file: secret(t, 'javascript:alert(1)') }, /: expected an address that begins with https:/],
    [{ ca: join(folder, 'none.pem') }, /the authorities of .* cannot be read/],
  ];
  for (const [more, detail] of table) t.match(await send({ type: 'webhook', url: receiver.url, ...more }), { kind: 'failed', retry: true, detail }, String(detail));
  t.same(receiver.received, []);
});

const mailSkip = missing('aiosmtpd', 'python3', 'openssl');
const headersOf = (mail: TakenMail | undefined): Readonly<Record<string, string>> =>
  Object.fromEntries(
    (mail?.content.split('\r\n\r\n')[0] ?? '')
      .replaceAll(/\r\n[ \t]+/g, ' ')
      .split('\r\n')
      .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );

t.test('mails of one incident are one thread, over an encrypted connection and with a login', { skip: mailSkip }, async (t) => {
  const authority = makeAuthority(tempFolder(t));
  const identity = authority.issue('mail', 'IP:127.0.0.1');
  for (const tls of ['starttls', 'tls'] as const) {
    const server = await smtpServer(t, { tls, identity, user: 'gateway', password: 'planted-pass-4714' });
    const settings = {
      type: 'email',
      host: '127.0.0.1',
      port: server.port,
      tls,
      ca: authority.caFile,
      user: 'gateway',
      password_file: secret(t, 'planted-pass-4714'),
      from: 'goodgateway <gw@web1.example>',
      to: ['ops@example.com', 'Night <night@example.com>'],
    };
    t.same(await send(settings), { kind: 'sent' }, tls);
    t.same(await send(settings, { id: '01HZX3Q0000000000000000002', event: 'incident.recovered', lines: ['php-fpm is well again'] }), { kind: 'sent' });
    const [first, second] = server.mails();
    t.match(first, { from: 'gw@web1.example', to: ['ops@example.com', 'night@example.com'], tls: true, user: 'gateway' }, tls);
    const [one, two] = [headersOf(first), headersOf(second)];
    t.equal(one['subject'], 'php-fpm on web1: incident 7K3F9Q');
    t.equal(two['subject'], one['subject']);
    t.match(one['message-id'], /^<01HZX3Q0000000000000000001@web1\.goodgateway\.invalid>$/);
    t.not(two['message-id'], one['message-id']);
    t.match(
      [one['references'], two['references'], two['in-reply-to']],
      Array.from({ length: 3 }, () => '<01HZX3Q00000000000007K3F9Q@web1.goodgateway.invalid>'),
    );
    t.match(one, { 'auto-submitted': 'auto-generated', 'x-goodgateway-event': 'incident.gave_up', date: /^Sun, 22 Nov 2026 03:00:00 \+0000$/ });
    t.match(first?.content, /php-fpm - a person is needed/);
    t.match(await send({ ...settings, password_file: secret(t, 'wrong-pass-4715') }), { kind: 'failed', retry: true, detail: /did not take the mail \(EAUTH at AUTH PLAIN\): 535/ });
    t.match(await send({ ...settings, ca: undefined }), { kind: 'failed', retry: true, detail: /did not take the mail \((ETLS|ESOCKET|ECONNECTION)/ }, 'a certificate that nobody vouches for');
    t.equal(server.mails().length, 2);
    await server.away();
  }
});

t.test('a mail server that cannot encrypt gets neither mail nor password', { skip: mailSkip }, async (t) => {
  const server = await smtpServer(t, { tls: 'none', refuse: 'gone' });
  const settings = { type: 'email', host: '127.0.0.1', port: server.port, from: 'gw@web1.example', to: ['ops@example.com'] };
  t.match(await send(settings), { kind: 'failed', retry: true, detail: /ETLS at STARTTLS/ });
  t.same(server.mails(), []);
  t.same(await send({ ...settings, tls: 'none' }), { kind: 'sent' }, 'unless the configuration says so');
  t.match(await send({ ...settings, tls: 'none', to: ['gone@example.com', 'ops@example.com'] }), { kind: 'sent', detail: /^1 of 2 recipients were refused: 550 5\.1\.1 there is no such mailbox$/ });
  t.equal(server.mails().length, 2);
  await server.away();
  t.match(await send(settings), { kind: 'failed', retry: true, detail: /did not take the mail \(ECONNREFUSED|ESOCKET/ });
});

t.test('a program finds the message on its standard input, and nothing in its arguments; its whole family ends with its time', async (t) => {
  const folder = tempFolder(t);
  const program = (name: string, ...lines: readonly string[]): string => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${lines.join('\n')}\n`, { mode: 0o755 });
    return join(folder, name);
  };
  const runs = (path: string, timeout = '10s') => ({ type: 'run', command: [path, 'as it stands'], timeout });
  t.same(await send(runs(program('takes', `cat > ${folder}/in`, `echo "$#: $*" > ${folder}/args`))), { kind: 'sent' });
  t.match(JSON.parse(readFileSync(join(folder, 'in'), 'utf8')), { v: 1, ...message, thread: message.incident }, 'the fields that a webhook gets');
  t.equal(readFileSync(join(folder, 'args'), 'utf8'), '1: as it stands\n');
  t.same(await send(runs(program('does-not-read', 'exit 0')), { lines: ['x'.repeat(500)] }), { kind: 'sent' });
  t.match(await send(runs(program('fails', 'echo "no network" >&2', 'exit 3'))), { kind: 'failed', retry: true, detail: /fails ended with 3: no network$/ });
  t.match(await send(runs(join(folder, 'none'))), { kind: 'failed', retry: true, detail: /none is not there any more/ });
  const open = program('open', 'exit 0');
  chmodSync(open, 0o777);
  t.match(await send(runs(open)), { kind: 'failed', retry: true, detail: /is not run, because others may change the file/ });
  t.match(await send(runs(program('sleeps', 'exec sleep 600'), '300ms')), { kind: 'failed', retry: true, detail: /sleeps was ended, because its time was over/ });
  const over = new AbortController();
  const hanging = send(runs(program('hangs', `sleep 600 & echo $! > ${folder}/child.new`, `mv ${folder}/child.new ${folder}/child`, 'wait')), {}, over.signal);
  await until(() => existsSync(join(folder, 'child')), { timeoutMs: 15_000, what: 'its child' });
  over.abort();
  t.match(await hanging, { kind: 'failed', retry: true, detail: /hangs was ended, because its time was over/ });
  await until(() => processInfo(Number(readFileSync(join(folder, 'child'), 'utf8'))) === undefined, { timeoutMs: 15_000, what: 'the end of its child' });
});

t.test('nobody listens: each says so at once, and none throws', async (t) => {
  const port = await freePort();
  t.match(await send({ type: 'webhook', url: `http://127.0.0.1:${port}/` }), { kind: 'failed', retry: true });
  t.match(await send({ type: 'email', host: '127.0.0.1', port, from: 'a@example.com', to: ['b@example.com'] }), { kind: 'failed', retry: true });
  t.same(await send({ type: 'log' }), { kind: 'sent' });
});

t.test('what docs/notifications.md shows is understood as it stands', async (t) => {
  const blocks = documentedBlocks('docs/notifications.md', 'yaml');
  t.ok(blocks.length >= 5);
  for (const block of blocks) {
    const { notifiers } = z.object({ notifiers: z.record(z.string(), z.unknown()) }).parse(parse(block));
    for (const [name, settings] of Object.entries(notifiers)) t.match(validate(notifierSchema, settings), { ok: true }, name);
  }
});
