import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { AppendFile } from '../../src/proxy/append-file.ts';
import { drawOf } from '../../src/proxy/draw.ts';
import type { RunningProxy } from '../../src/proxy/run-proxy.ts';
import { observedProxy, readRecord } from '../fixtures/proxy/observed-proxy.ts';
import { isRoot } from '../support/skip.ts';
import { smallDisk } from '../support/small-disk.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';

type Lines = readonly Readonly<Record<string, unknown>>[];

/** What is in the record when the proxy has ended. A stop waits for a slow disk no longer than a second: then the last lines may come later. */
async function recordAtTheEnd(proxy: RunningProxy, record: () => Lines, length: number): Promise<Lines> {
  await proxy.close(AbortSignal.timeout(1000));
  await until(() => record().length >= length, { timeoutMs: 15_000, what: () => `${length} lines, not ${record().length}` });
  return record();
}

t.test('one line a request: what was asked, what came of it, and nothing of the visitor', async (t) => {
  const { ask, proxy, record, log, startBackend, metrics } = await observedProxy(t, { access: {} });
  const gate = proxy.gateways.get('app')!.gate;
  const away = ask({ path: '/checkout?token=secret', method: 'POST', body: 'secret', headers: { 'x-request-id': 'from-nginx-1', 'x-forwarded-for': '203.0.113.9' } });
  await until(() => gate.held === 1, { timeoutMs: 15_000, what: 'a request that waits' });
  const heldSince = performance.now();
  await until(() => performance.now() - heldSince > 100, { timeoutMs: 15_000, what: 'a wait that can be measured' });
  gate.fallBack({ until: 'connect', say: '' });
  t.match(await away, { status: 503 });
  await startBackend((request, response) => {
    if (request.url === '/cut') return void request.socket.destroy();
    response.writeHead(request.url === '/broken' ? 502 : 200).end('x');
  });
  await until(() => gate.state.kind === 'open', { timeoutMs: 15_000, what: 'an open gate' });
  await ask({ path: '/a%20b?q=secret#x', headers: { traceparent: `00-${trace}-00f067aa0ba902b7-01`, cookie: 'secret' } });
  await ask({ path: '/broken' });
  await ask({ path: '/cut', headers: { traceparent: '00-zz-yy-01' } });
  const lines = await recordAtTheEnd(proxy, record, 4);
  t.match(lines, [
    {
      time: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/,
      request: 'from-nginx-1',
      gateway: 'app',
      method: 'POST',
      path: '/checkout',
      outcome: 'upstream_down',
      status: 503,
      upstream: /^127\.0\.0\.1:\d+$/,
      attempts: Number,
      replays: 0,
      failure: 'connection_refused',
    },
    { request: /^[0-9A-Z]{26}$/, method: 'GET', path: '/a%20b', outcome: 'answered', status: 200, upstream_status: 200, held_ms: 0, attempts: 1, trace },
    { path: '/broken', outcome: 'answered', status: 502, upstream_status: 502 },
    { path: '/cut', outcome: 'failed', status: 503, replays: 1, resend: String, failure: 'connection_terminated' },
  ]);
  t.equal(lines.length, 4);
  t.ok(Number(lines[0]?.['held_ms']) >= 100, 'it waited');
  t.notMatch(JSON.stringify(lines), /secret|203\.0|127\.0\.0\.1"|"level"|"pid"|zz/);
  t.same(
    log.filter(({ message }) => message === 'request'),
    [],
    'nothing is written twice',
  );
  await t.rejects(metrics());
});

t.test('a line that its writer could not finish is not mixed with the first one of the next', async (t) => {
  const path = join(tempFolder(t), 'access.log');
  writeFileSync(path, '{"whole":1}\n{"ha');
  const file = new AppendFile(path, () => undefined);
  file.write('{"next":1}\n');
  await file.close();
  t.equal(readFileSync(path, 'utf8'), '{"whole":1}\n{"ha\n{"next":1}\n');
});

t.test('of healthy requests a share, always the same ones; of the others every one', async (t) => {
  const { ask, proxy, record, startBackend } = await observedProxy(t, { access: { sample: '25%', path: false, client_address: true }, gateway: { client_address: 'X-Forwarded-For' } });
  await startBackend((request, response) => void response.writeHead(request.url === '/broken' ? 500 : 200).end());
  const ids = Array.from({ length: 60 }, (_, index) => `request-${index}`);
  for (const id of ids) await ask({ headers: { 'x-request-id': id, 'x-forwarded-for': '203.0.113.9' } });
  for (const id of ['broken-1', 'broken-2', 'broken-3']) await ask({ path: '/broken', headers: { 'x-request-id': id } });
  const chosen = ids.filter((id) => drawOf(id) < 0.25);
  const written = await recordAtTheEnd(proxy, record, chosen.length + 3);
  t.ok(chosen.length > 5 && chosen.length < 30);
  t.same(
    written.map(({ request }) => request),
    [...chosen, 'broken-1', 'broken-2', 'broken-3'],
  );
  t.match(written[0], { client_address: '203.0.113.9' });
  t.notOk('path' in written[0]!);
});

t.test('without an access record the process log tells of what was done to a request, and of no other', async (t) => {
  const { ask, log, folder, proxy, startBackend } = await observedProxy(t, { gateway: { hold: { for: '10ms' } } });
  // a connect that fails may take that long
  proxy.gateways.get('app')!.gate.hold({ until: 'connect', say: '' });
  await ask({ path: '/secret' });
  const { stop } = await startBackend((_request, response) => void response.writeHead(500).end());
  await until(async () => (await ask()).status === 500, { timeoutMs: 15_000, what: 'the backend to answer' });
  await stop();
  const lines = log.filter(({ message }) => message === 'request');
  t.match(lines[0], { outcome: 'hold_expired', status: 503, method: 'GET' });
  t.notMatch(lines, [{ outcome: 'answered', attempts: 1, held_ms: 0 }]);
  t.notMatch(JSON.stringify(lines), /secret/);
  t.same(readRecord(join(folder, 'access.log')), []);
});

t.test('a moved file is followed, and no line is lost under load', async (t) => {
  const { ask, proxy, folder, record, startBackend } = await observedProxy(t, { access: {} });
  await startBackend((_request, response) => void response.end('x'));
  const sent: string[] = [];
  let loading = true;
  const client = async (name: string): Promise<void> => {
    for (let index = 0; loading; index++) {
      const id = `${name}-${index}`;
      await ask({ headers: { 'x-request-id': id } });
      sent.push(id);
    }
  };
  const clients = ['a', 'b', 'c', 'd'].map(client);
  for (const name of ['first', 'second']) {
    await until(() => record().length > 0, { timeoutMs: 10_000, what: 'some lines' });
    renameSync(join(folder, 'access.log'), join(folder, name));
    await proxy.reopenAccessLog();
  }
  loading = false;
  await Promise.all(clients);
  await ask({ headers: { 'x-request-id': 'last' } });
  sent.push('last');
  const read = () => ['first', 'second', 'access.log'].map((file) => record(file));
  await recordAtTheEnd(proxy, () => read().flat(), sent.length);
  const files = read();
  t.ok(files.every((lines) => lines.length > 0));
  t.same(files.flatMap((lines) => lines.map(({ request }) => request)).sort(), [...sent].sort());
  t.equal(statSync(join(folder, 'access.log')).mode & 0o777, 0o640);
});

t.test('traffic flows while the file cannot be made, and the record goes on when it can', async (t) => {
  const { ask, proxy, folder, record, log, startBackend } = await observedProxy(t, { access: {} });
  await startBackend((_request, response) => void response.end('x'));
  const file = join(folder, 'access.log');
  await until(() => statSync(file, { throwIfNoEntry: false }), { timeoutMs: 15_000, what: 'the file' });
  rmSync(file);
  mkdirSync(file);
  await proxy.reopenAccessLog();
  for (let index = 0; index < 5; index++) t.match(await ask(), { status: 200 });
  await proxy.reopenAccessLog();
  const complaints = (): number => log.filter(({ message }) => String(message).startsWith('the access record cannot be written')).length;
  t.equal(complaints(), 1, 'told once');
  t.match(
    log.find(({ reason }) => reason !== undefined),
    { file, reason: /EISDIR/ },
  );
  rmSync(file, { recursive: true });
  await until(() => record().length === 5, { timeoutMs: 15_000, what: 'the lines that waited' });
  // said when the file has taken them: a moment after they can be read there
  await until(() => log.some(({ message, dropped }) => String(message).startsWith('the access record is written again') && dropped === 0), { timeoutMs: 15_000, what: 'the word that it goes on' });
});

t.test('a full disk: traffic flows, lines are dropped whole, counted and told once', { skip: !isRoot && 'needs root, to mount a small disk' }, async (t) => {
  const disk = await smallDisk(t);
  const file = join(disk.path, 'access.log');
  const { ask, proxy, log, metrics, startBackend } = await observedProxy(t, { access: { file } });
  await startBackend((_request, response) => void response.end('x'));
  await until(() => statSync(file, { throwIfNoEntry: false }), { timeoutMs: 15_000, what: 'the file' });
  disk.fill();
  const dropped = async (): Promise<number> => [...((await metrics()).get('goodgateway_access_log_lines_dropped_total')?.series.values() ?? [])][0] ?? NaN;
  t.equal(await dropped(), 0);
  const path = `/${'x'.repeat(8000)}`;
  for (let index = 0; index < 1000; index++) {
    const { status } = await ask({ path, headers: { 'x-request-id': `full-${index}` } });
    if (status !== 200) t.fail(`answered ${status}`);
  }
  const lost = await until(dropped, { timeoutMs: 15_000, what: 'lines to be dropped' });
  t.equal(log.filter(({ reason }) => String(reason).includes('ENOSPC')).length, 1, 'told once');
  disk.empty();
  await until(() => log.some(({ message }) => String(message).startsWith('the access record is written again')), { timeoutMs: 15_000, what: 'the record to go on' });
  await ask({ headers: { 'x-request-id': 'after' } });
  const lines = await recordAtTheEnd(proxy, () => readRecord(file), 1001 - lost);
  t.equal(lines.length, 1001 - lost, 'each line is there or counted');
  t.match(lines.at(-1), { request: 'after' });
});

t.test('a line that was torn by a full disk does not go on in the next file', { skip: !isRoot && 'needs root, to mount a small disk' }, async (t) => {
  const disk = await smallDisk(t);
  const [file, rest] = [join(disk.path, 'lines'), join(tempFolder(t), 'moved')];
  const told: (string | undefined)[] = [];
  const lines = new AppendFile(file, (failure) => told.push(failure));
  await lines.reopen();
  disk.fill();
  // what is left of the last page takes a part of them
  for (let index = 0; index < 10; index++) lines.write(`${JSON.stringify({ index, text: 'x'.repeat(3000) })}\n`);
  await until(() => told.length > 0, { timeoutMs: 15_000, what: 'the disk to be full' });
  disk.empty();
  renameSync(file, join(disk.path, 'old'));
  await lines.reopen();
  lines.write('{"index":10}\n');
  await lines.close();
  await until(() => readRecord(file).at(-1)?.['index'] === 10, { timeoutMs: 15_000, what: 'the last line' });
  const whole = readRecord(file).map(({ index }) => index);
  t.equal(whole.at(-1), 10);
  t.equal(whole.length + lines.dropped, 11);
  t.match(told, [/ENOSPC/, undefined]);
  t.notOk(statSync(rest, { throwIfNoEntry: false }));
  lines.write('late\n');
  t.equal(readRecord(file).length, whole.length, 'after the end nothing is written');
});
