import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { parseAddress } from '../../src/core/failure.ts';
import { askDatastore, type DatastoreKind } from '../../src/healer/ask-datastore.ts';
import { datastores } from '../../src/healer/probes/registry.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import * as services from '../../src/healer/services/registry.ts';
import { systemClock } from '../../src/core/time.ts';
import { serviceTarget } from '../fixtures/healer/case-file.ts';
import { startMariadb, startMemcached, startPostgres, startRedis } from '../support/datastores.ts';
import { freePort } from '../support/ports.ts';
import { processInfo, signal } from '../support/processes.ts';
import { start, succeed } from '../support/program.ts';
import { isRoot, missing } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const never = new AbortController().signal;

const context = { target: serviceTarget(), run: runCommand, clock: systemClock, serviceType: services.external, lastGoodMs: Date.now(), dependencies: [] };

function ask(kind: DatastoreKind, address: string, timeoutMs = 10_000) {
  const parsed = parseAddress(address);
  if (!parsed) throw new Error(`no address: ${address}`);
  return askDatastore(kind, parsed, { timeoutMs, signal: never });
}

/** A guest who was let in and stays. */
function takePlace(address: string, greeting: string | Buffer | undefined, isIn: (word: Buffer) => boolean): Promise<Socket> {
  const comeIn = (): Promise<Socket | undefined> =>
    new Promise((resolve) => {
      const socket = connect({ path: address.slice('unix:'.length) });
      if (greeting !== undefined) socket.write(greeting);
      socket.once('data', (word: Buffer) => {
        if (isIn(word)) return resolve(socket);
        socket.destroy();
        resolve(undefined);
      });
      socket.once('error', () => resolve(undefined));
      socket.once('close', () => resolve(undefined));
    });
  return until(comeIn, { timeoutMs: 15_000, what: 'a place' });
}

t.test('MariaDB: its greeting; "Too many connections" is none; nor is a frozen one', { skip: missing('mariadbd') }, async (t) => {
  const { address, running } = await startMariadb(t, ['--max-connections=10', '--connect-timeout=600']);
  t.match(await ask('mysql', address), { passed: true, text: /^greeted as .*MariaDB/ });
  // a look before it may still be counted: then who comes last is sent away
  const guests: Socket[] = [];
  while (guests.length < 11) guests.push(await takePlace(address, undefined, (word) => word[4] === 10));
  t.match(await ask('mysql', address), { passed: false, text: 'answered with error 1040: Too many connections', meaning: 'full' });
  const needed = { name: 'mariadb', kind: 'database', trouble: undefined, address: parseAddress(address), speaks: 'mysql' } as const;
  const word = await datastores.look({ ...context, dependencies: [needed] }, never);
  t.match(word, [{ kind: 'dependency_word', text: 'mariadb answered with error 1040: Too many connections.', facts: { name: 'mariadb', kind: 'database', meaning: 'full', speaks: 'mysql' } }]);
  const own = await datastores.look({ ...context, target: serviceTarget({ name: 'mariadb', upstreams: ['unix:/x/mysqld.sock'], protocol: undefined }) }, never);
  t.match(own, [{ kind: 'own_word', facts: { meaning: 'unreachable' } }]);
  for (const guest of guests) guest.destroy();
  await until(async () => (await ask('mysql', address)).passed, { timeoutMs: 15_000, what: 'room again' });
  t.same(await datastores.look({ ...context, dependencies: [needed] }, never), [], 'nothing is said of a database that answers');
  signal(running.pid, 'SIGSTOP');
  await until(() => processInfo(running.pid)?.state === 'T', { timeoutMs: 15_000, what: 'it to be frozen' });
  t.match(await ask('mysql', address, 200), { passed: false, text: /took the connection and said nothing within 200 ms/ });
  signal(running.pid, 'SIGCONT');
});

t.test('MariaDB of another host is not asked: it would count the look as an error of ours', async (t) => {
  t.match(await ask('mysql', '192.0.2.1:3306'), { passed: 'skipped', text: /another host/ });
});

t.test('Redis: PONG, and that it wants a password; not while it loads, is full, or cannot save', { skip: missing('redis-server') }, async (t) => {
  t.match(await ask('redis', (await startRedis(t)).address), { passed: true, text: 'answered +PONG' });
  t.match(await ask('redis', (await startRedis(t, ['--requirepass', 'x'])).address), { passed: true, text: /^answered -NOAUTH/ });

  const full = await startRedis(t, ['--maxclients', '1']);
  const guest = await takePlace(full.address, 'PING\r\n', (word) => word.toString().startsWith('+PONG'));
  t.match(await ask('redis', full.address), { passed: false, text: /max number of clients/, meaning: 'full' });
  guest.destroy();

  const folder = tempFolder(t, 'gg-redis');
  const first = await startRedis(t, ['--dbfilename', 'd.rdb', '--enable-debug-command', 'yes', '--enable-protected-configs', 'yes'], folder);
  const cli = (...words: readonly string[]) => succeed(['/usr/bin/redis-cli', '-s', first.address.slice('unix:'.length), ...words]);
  await cli('debug', 'populate', '20000');
  await cli('save');
  await cli('config', 'set', 'save', '3600 1');
  // a folder of that name is in the way of every save
  mkdirSync(join(folder, 'taken'));
  await cli('config', 'set', 'dbfilename', 'taken');
  await cli('bgsave');
  await until(async () => (await ask('redis', first.address)).text.startsWith('answered -MISCONF'), { timeoutMs: 15_000, what: 'a save that failed' });
  t.match(await ask('redis', first.address), { passed: false, meaning: 'cannot_save' });
  await cli('config', 'set', 'save', '');
  await cli('shutdown', 'nosave').catch(() => '');
  await first.running.ended;

  const loading = start([...first.argv, '--key-load-delay', '500', '--loading-process-events-interval-bytes', '1024']);
  t.teardown(() => signal(loading.pid, 'SIGKILL'));
  await until(async () => (await ask('redis', first.address)).text.startsWith('answered -LOADING'), { timeoutMs: 15_000, what: 'a look while it loads' });
  t.match(await ask('redis', first.address), { passed: false, text: /loading the dataset/, meaning: 'starting' });
});

t.test('memcached: its version', { skip: missing('memcached') }, async (t) => {
  t.match(await ask('memcached', (await startMemcached(t)).address), { passed: true, text: /^answered VERSION \d/ });
});

t.test('PostgreSQL: that it asks who we are; not while it is full or not ready', { skip: isRoot ? missing('postgres') : 'needs root, to become postgres' }, async (t) => {
  const options = ['-c', 'max_connections=1', '-c', 'superuser_reserved_connections=0', '-c', 'max_wal_senders=0'];
  const { address, folder, argv, running } = await startPostgres(t, options);
  // each look takes the only place for a moment
  await until(async () => (await ask('postgres', address)).text === 'began a login', { timeoutMs: 15_000, what: 'PostgreSQL to be ready' });
  const guest = await takePlace(address, Buffer.from('\0\0\0\x17\0\x03\0\0user\0postgres\0\0', 'latin1'), (word) => word.toString('latin1', 0, 1) === 'R');
  t.match(await ask('postgres', address), { passed: false, text: 'answered with 53300: sorry, too many clients already', meaning: 'full' });
  guest.destroy();
  signal(running.pid, 'SIGQUIT');
  await running.ended;
  writeFileSync(join(folder, 'data/standby.signal'), '');
  const standby = start([...argv, '-c', 'hot_standby=off']);
  t.teardown(async () => {
    signal(standby.pid, 'SIGQUIT');
    await standby.ended;
  });
  await until(async () => (await ask('postgres', address)).meaning === 'starting', { timeoutMs: 15_000, what: () => `a look while it is not ready: ${standby.output()}` });
  t.match(await ask('postgres', address), { passed: false, text: /^answered with 57P03: the database system is / });
});

t.test('what a server of another host, another version or another kind says', async (t) => {
  const packet = (payload: string) => Buffer.from(`${String.fromCharCode(payload.length)}\0\0\0${payload}`, 'latin1');
  const rows: readonly (readonly [DatastoreKind, Buffer, object])[] = [
    ['mysql', packet(`\xff\x69\x04Host '10.0.0.7' is blocked because of many connection errors`), { passed: false, meaning: 'host_blocked', text: /^answered with error 1129: Host/ }],
    ['mysql', packet(`\xff\x10\x04#08004Too many connections`), { passed: false, meaning: 'full', text: 'answered with error 1040: Too many connections' }],
    ['postgres', Buffer.from('R\0\0\0\x08\0\0\0\0', 'latin1'), { passed: true, text: 'began a login' }],
    ['rabbitmq', Buffer.from('\x01\0\0\0\0\x01\xd1\0\x0a\0\x0a', 'latin1'), { passed: true, text: 'greeted' }],
    ['rabbitmq', Buffer.from('AMQP\x03\x01\0\0', 'latin1'), { passed: true, text: 'greeted with another version' }],
    ['rabbitmq', Buffer.from('HTTP/1.1 400 Bad Request\r\n', 'latin1'), { passed: false, meaning: 'strange' }],
  ];
  for (const [kind, words, expected] of rows) {
    const server = createServer((socket) => socket.on('error', () => undefined).end(words));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    t.match(await ask(kind, `127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`), expected, kind);
    server.close();
  }
});

t.test('who refuses, says nothing, says too much or something else has not answered', async (t) => {
  const port = await freePort();
  t.match(await ask('redis', `127.0.0.1:${port}`), { passed: false, text: /nobody listens/ });
  const words = ['', 'SSH-2.0-OpenSSH_9.2\r\n', 'x'.repeat(10_000), '\u001b[2J\n'];
  for (const said of words) {
    const server = createServer((socket) => socket.on('error', () => undefined).end(said));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const at = `127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
    for (const kind of ['mysql', 'redis', 'memcached'] as const) {
      const heard = await ask(kind, at);
      t.equal(heard.passed, false, `${kind} hears ${JSON.stringify(said.slice(0, 20))}`);
      t.match(heard.text, /^[\x20-\x7e]{1,300}$/, 'fit for a record');
    }
    server.close();
  }
});

t.test('a look that is called off ends at once', async (t) => {
  const server = createServer(() => undefined);
  const socket = `${tempFolder(t)}/silent.sock`;
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const off = new AbortController();
  const asked = askDatastore('redis', { kind: 'unix', path: socket }, { timeoutMs: 60_000, signal: off.signal });
  off.abort();
  t.match(await asked, { passed: false, text: 'the look was called off' });
  server.close();
});
