/** terminate_stuck_workers on a real php-fpm, and what it makes of every status page. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parseFpmWorkers } from '../../src/healer/probes/read-fpm-workers.ts';
import * as actions from '../../src/healer/actions/registry.ts';
import { isAlive, readStat } from '../../src/healer/proc.ts';
import { parseTcpPeers } from '../../src/healer/socket-tables.ts';
import { serviceTarget } from '../fixtures/services/target.ts';
import { contextOf } from '../support/action-context.ts';
import { startPhpFpm, type PhpFpm } from '../support/php-fpm.ts';
import { family, processes } from '../support/processes.ts';
import { missing } from '../support/skip.ts';
import { until } from '../support/until.ts';

const skip = missing('php-fpm8.2');
const lives = (pid: number): boolean => isAlive(readStat(pid));

/** Sends one request and leaves it. Its URL would forge a worker, if the page did not escape it. */
function send(fpm: PhpFpm, script: string, method: string): void {
  const socket = connect({ path: fpm.socket ?? '' });
  const pair = (name: string, value: string): Buffer => Buffer.concat([Buffer.from([name.length, value.length]), Buffer.from(name + value)]);
  const record = (type: number, body: Buffer): Buffer => Buffer.concat([Buffer.from([1, type, 0, 1, body.length >> 8, body.length & 255, 0, 0]), body]);
  const params = Buffer.concat([pair('SCRIPT_FILENAME', join(fpm.docroot, script)), pair('REQUEST_METHOD', method), pair('REQUEST_URI', '/x"},{"pid":1,"state":"Running"')]);
  socket.write(Buffer.concat([record(1, Buffer.from([0, 1, 0, 0, 0, 0, 0, 0])), record(4, params), record(4, Buffer.alloc(0)), record(5, Buffer.alloc(0))]));
  socket.on('error', () => undefined).resume();
}

/** Four workers, and a script that writes its pid and method into a file's name before it does `what`. */
async function scene(t: Test, what: string, pool: readonly string[] = ['pm.status_path = /status']) {
  const fpm = await startPhpFpm(t, { maxChildren: 4, pool });
  writeFileSync(join(fpm.docroot, 'hangs.php'), `<?php touch(${JSON.stringify(fpm.data)} . '/' . getmypid() . '-' . $_SERVER['REQUEST_METHOD']); ${what}`);
  const target = serviceTarget({ type: 'process', pidfile: fpm.pidfile, start: fpm.startArgv }, { stateFolder: fpm.folder, upstreams: [fpm.address] });
  const inside = (method: string): number[] =>
    readdirSync(fpm.data)
      .filter((name) => name.endsWith(`-${method}`))
      .map((name) => Number(name.split('-')[0]));
  const hangs = async (...methods: string[]) => {
    for (const method of methods) send(fpm, 'hangs.php', method);
    await until(() => readdirSync(fpm.data).length === methods.length, { timeoutMs: 15_000, what: 'the workers to hang' });
    const began = performance.now();
    await until(() => performance.now() - began > 1050, { timeoutMs: 15_000, what: 'them to hang for a second' });
  };
  const end = (options: object) => actions.terminateStuckWorkers.perform(contextOf(target), actions.terminateStuckWorkers.options.parse({ older_than: '1s', ...options }));
  // a worker that was just forked is not on the page yet, and without all of them the page is not believed
  const isWhole = () => until(async () => fpm.workers().length === 4 && (await end({ older_than: '5m' })).detail.startsWith('no worker of 4 '), { timeoutMs: 15_000, what: 'the pool to be whole' });
  if (pool.length > 0) await isWhole();
  return { fpm, inside, hangs, end, isWhole };
}

t.test('only as many as may be, never one in a POST, and the pool is whole again', { skip }, async (t) => {
  const { fpm, inside, hangs, end, isWhole } = await scene(t, 'sleep(1000);');
  await hangs('GET', 'GET', 'POST');
  const [gets, posts] = [inside('GET'), inside('POST')];
  const master = fpm.masterPid();
  t.match(await end({ older_than: '5m' }), { result: 'failed', detail: /^no worker of 4 has been in a GET, HEAD, OPTIONS request for longer than 5 min$/ });

  const first = await end({});
  t.match(first, {
    result: 'done',
    detail: /^ended 1 of 4 workers \(\d+ in GET for .*: sleeps in \w+\); 1 more are stuck \(at_most 25% of 4 workers\); left alone, because not only reading: \d+ in POST for/,
  });
  t.equal(gets.filter(lives).length, 1);
  t.same(posts.filter(lives), posts);
  await isWhole();

  t.match(await end({ at_most: '100%' }), { result: 'done', detail: /^ended 1 of 4 workers/ });
  t.same(gets.filter(lives), []);
  t.same(posts.filter(lives), posts, 'a POST is left alone, whatever may be ended');
  await isWhole();
  t.match(await end({ at_most: '100%' }), { result: 'failed', detail: /left alone, because not only reading: \d+ in POST/ });
  t.equal(fpm.masterPid(), master);
  t.ok(lives(master));
  t.match(readFileSync(fpm.log, 'utf8'), /exited on signal 15 \(SIGTERM\)/, 'the master saw a TERM');
  t.notMatch(readFileSync(fpm.log, 'utf8'), /failed processes threshold/);
});

t.test('what the worker waited for is told, and what it started ends with it', { skip }, async (t) => {
  const database = createServer().listen(0, '127.0.0.1');
  await until(() => database.listening, { timeoutMs: 15_000, what: 'the database to listen' });
  const address = database.address();
  const port = typeof address === 'object' ? address?.port : 0;
  t.teardown(() => database.close());
  const taken: { destroy(): unknown }[] = [];
  database.on('connection', (socket) => void taken.push(socket.on('error', () => undefined)));
  t.teardown(() => taken.forEach((socket) => socket.destroy()));
  const { hangs, inside, end, isWhole } = await scene(t, `$db = stream_socket_client('tcp://127.0.0.1:${port}'); shell_exec('exec sleep 1001');`);
  await hangs('GET');
  const [worker = 0] = inside('GET');
  const started = await until(() => family(worker).find(({ command }) => command === 'sleep 1001'), { timeoutMs: 15_000, what: 'its program' });
  t.match(await end({}), { result: 'done', detail: new RegExp(`connected to 127.0.0.1:${port}\\)`) });
  t.same([lives(worker), lives(started.pid)], [false, false]);
  await isWhole();
});

t.test('without its own word nobody is ended', { skip }, async (t) => {
  const { hangs, inside, end } = await scene(t, 'sleep(1000);', []);
  await hangs('GET', 'GET');
  t.match(await end({}), { result: 'failed', detail: /only php-fpm's status page tells: set pm.status_path and pm.status_listen in the pool, or name the page by `status`/ });
  t.equal(inside('GET').filter(lives).length, 2);
});

t.test('a full pool without pm.status_listen cannot tell, and nobody is ended; another pool is not touched', { skip }, async (t) => {
  const full = await scene(t, 'sleep(1000);');
  await full.hangs('GET', 'GET', 'GET', 'GET');
  t.match(await full.end({}), { result: 'failed', detail: /status page could not be read/ });
  t.equal(full.inside('GET').filter(lives).length, 4);
  const other = await scene(t, 'sleep(1000);');
  await other.hangs('GET');
  t.match(await other.end({ pool: 'www' }), { result: 'failed', detail: /the status page is of the pool gg-fpm-\w+, not of www/ });
  t.equal(other.inside('GET').filter(lives).length, 1);
});

t.test('a page that a visitor could have written into is not believed', async (t) => {
  const head = '{"pool":"www","process manager":"static","start time":1,"start since":0,"total processes":2,"max active processes":2, "processes":[';
  const worker = (pid: number, method: string, uri: string): string =>
    `{"pid":${pid},"state":"Running","start time":1,"start since":0,"requests":7,"request duration":400000000,"request method":"${method}","request uri":"${uri}","content length":0}`;
  const page = (...workers: string[]) => parseFpmWorkers(`${head}${workers.join(',')}]}`);
  t.same(page(worker(11, 'GET', '/'), worker(12, 'POST', '/')), {
    pool: 'www',
    workers: [
      { pid: 11, state: 'Running', requests: 7, durationMs: 400_000, method: 'GET', page: '/' },
      { pid: 12, state: 'Running', requests: 7, durationMs: 400_000, method: 'POST', page: '/' },
    ],
  });
  t.match(page(worker(11, 'G\\"T', '/'), worker(12, 'POST', '/'))?.workers[0], { method: 'G\\"T' });
  t.equal(page(worker(11, 'GET', '/'), worker(12, 'POST', `"},${worker(12, 'GET', '/')}`)), undefined, 'one more than there are');
  t.equal(page(worker(11, 'GET', '/'), worker(11, 'GET', '/')), undefined, 'one twice');
  t.match(page(worker(11, 'GET', '/"},"pid":99,"request method":"POST'), worker(12, 'POST', '/","request method":"GET'))?.workers, [
    { pid: 11, method: 'GET' },
    { pid: 12, method: 'POST' },
  ]);
  t.equal(page(worker(11, 'GET', '/')), undefined, 'one too few');
  t.equal(parseFpmWorkers('File not found.'), undefined);
});

t.test('who a process is connected to is read from the tables of the kernel', async (t) => {
  const row = (state: string) => `   0: 0100007F:1F90 0500000A:0CEA ${state} 00000000:00000000 00:00000000 00000000    33        0 4711 1 0000000000000000 20 4 30 10 -1\n`;
  t.same(parseTcpPeers(row('01')), [{ inode: '4711', localPort: 8080, peer: '10.0.0.5:3306' }]);
  t.same(parseTcpPeers(row('02')).length, 1, 'a connection that is being made');
  t.same(parseTcpPeers(row('0A') + row('06')), []);
  t.same(
    processes(({ command }) => command === 'sleep 1001'),
    [],
    'nothing is left of this test',
  );
});
