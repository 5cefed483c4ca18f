/**
 * Probes against real php-fpm pools, known by their pidfiles, and against small servers. Of those a double tells the pid.
 */
import { appendFileSync, existsSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import t from 'tap';
import { systemClock, type Clock } from '../../src/core/time.ts';
import * as registeredCauses from '../../src/healer/causes/registry.ts';
import { diagnose } from '../../src/healer/diagnose.ts';
import { gatherEvidence } from '../../src/healer/gather-evidence.ts';
import type { Probe, ProbeContext, ServiceState, ServiceTarget, ServiceType } from '../../src/healer/leaves.ts';
import { readFpmPool } from '../../src/healer/probes/read-fpm-pool.ts';
import { processesOf, socketsOf, workersOf } from '../../src/healer/probes/read-once.ts';
import * as registeredProbes from '../../src/healer/probes/registry.ts';
import { readListeners, readSocketTables } from '../../src/healer/socket-tables.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import * as services from '../../src/healer/services/registry.ts';
import type { CauseName, Confidence, Evidence } from '../../src/core/diagnosis.ts';
import { fastcgi } from '../../src/upstream/fastcgi/exchange.ts';
import { encodeParams } from '../../src/upstream/fastcgi/params.ts';
import { caseFile, serviceConfig, serviceTarget, type Scene } from '../fixtures/healer/case-file.ts';
import { parseAddress, type Address } from '../../src/core/failure.ts';
import { answersLate } from '../support/php-scripts.ts';
import { startPhpFpm, type PhpFpm, type PhpFpmOptions } from '../support/php-fpm.ts';
import { freePort } from '../support/ports.ts';
import { processInfo, signal } from '../support/processes.ts';
import { start } from '../support/program.ts';
import { missing } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const probes = Object.values(registeredProbes);
const causes = Object.values(registeredCauses);
const skip = missing('php-fpm8.2');

t.test('a killed php-fpm leaves a stale socket: crashed, by the quick probes alone', { skip }, async (t) => {
  const fpm = await startSettled(t, { maxChildren: 2 });
  const [master, ...workers] = pidsOf(fpm);
  for (const pid of [master!, ...workers]) signal(pid, 'SIGKILL');
  await until(() => fpm.processes().length === 0, { timeoutMs: 15_000, what: 'the end of php-fpm' });
  const seen = await look(fpmContext(fpm), 'quick');
  t.match(fact(seen, 'listener'), { state: 'stale_socket', current: true });
  t.match(fact(seen, 'connect'), { result: 'connection_refused' });
  t.equal(find(seen, 'orphans'), undefined);
  t.same(named(seen, fpmTarget(fpm)), ['service.crashed', 'certain']);
  rmSync(fpm.socket!);
  const later = await look(fpmContext(fpm), 'quick');
  t.match(fact(later, 'listener'), { state: 'path_missing' });
});

t.test('a php-fpm whose socket file was removed, or replaced by a stale one, is told to make it again', { skip }, async (t) => {
  const fpm = await startSettled(t, { maxChildren: 2 });
  rmSync(fpm.socket!);
  const removed = await look(fpmContext(fpm), 'quick');
  t.match(fact(removed, 'listener'), { state: 'file_removed', byService: true, program: 'php-fpm8.2' });
  t.match(fact(removed, 'workers'), { idle: 2 });
  t.same(named(removed, fpmTarget(fpm)), ['config.socket_mismatch', 'certain']);
  const linked = join(tempFolder(t), 'run');
  symlinkSync(dirname(fpm.socket!), linked);
  const spelled = await look({ ...fpmContext(fpm), target: serviceTarget({ ...fpmTarget(fpm), upstreams: [`unix:${join(linked, basename(fpm.socket!))}`] }) }, 'quick');
  t.match(fact(spelled, 'listener'), { state: 'file_removed' }, 'in the other spelling, too, as /var/run is of /run');

  const other = start([process.execPath, '-e', 'require("node:net").createServer().listen(process.argv[1])', fpm.socket!]);
  await until(() => existsSync(fpm.socket!), { timeoutMs: 15_000, what: 'another socket in its place' });
  signal(other.pid, 'SIGKILL');
  await other.ended;
  const replaced = await look(fpmContext(fpm), 'quick');
  t.match(fact(replaced, 'connect'), { result: 'connection_refused' });
  t.same(named(replaced, fpmTarget(fpm)), ['config.socket_mismatch', 'certain']);
});

t.test('workers that outlive a killed master are orphans that hold the socket', { skip }, async (t) => {
  const fpm = await startSettled(t, { maxChildren: 2 });
  const [master, ...workers] = pidsOf(fpm);
  signal(master!, 'SIGKILL');
  await until(() => !processInfo(master!), { timeoutMs: 15_000, what: 'the end of the master' });
  const seen = await look(fpmContext(fpm), 'quick');
  t.same(new Set(fact(seen, 'orphans')?.['pids'] as string[]), new Set(workers.map(String)));
  t.match(fact(seen, 'listener'), { state: 'listening', program: 'php-fpm8.2' });
  t.same(named(seen, fpmTarget(fpm)), ['service.orphaned_workers', 'certain']);
});

t.test('a stopped php-fpm is hung, and no probe of ours is left in its queue', { skip }, async (t) => {
  const fpm = await startSettled(t, { maxChildren: 2 });
  await freeze(fpm);
  const seen = await look(fpmContext(fpm), 'quick');
  t.match(fact(seen, 'processes'), { total: 3, stopped: 3 });
  t.match(find(seen, 'connect'), { missing: /no worker is free/ });
  t.match(fact(await look(fpmContext(fpm), 'all'), 'listener'), { queue: 0 });
  t.match(fact(seen, 'workers'), { total: 2, busy: 0, idle: 0, stopped: 2 });
  t.same(named(seen, fpmTarget(fpm)), ['service.hung', 'certain']);
});

t.test('busy and idle workers are counted on a stock pool without a status page', { skip }, async (t) => {
  const fpm = await startSettled(t, { maxChildren: 3, scripts: { 'late.php': answersLate } });
  t.match(fact(await look(fpmContext(fpm), 'quick'), 'workers'), { total: 3, busy: 0, idle: 3 });

  const first = keepBusy(t, fpm);
  await sees(fpm, (counts) => counts['busy'] === 1);
  const one = await look(fpmContext(fpm), 'quick');
  t.equal(find(one, 'workers')?.text, '1 of 3 workers is busy, 2 wait for a connection.');
  t.match(find(one, 'service_state')?.text, /\.$/, 'a whole sentence');
  keepBusy(t, fpm);
  keepBusy(t, fpm);
  await sees(fpm, (counts) => counts['busy'] === 3);
  const full = await look(fpmContext(fpm), 'all');
  t.match(find(full, 'connect'), { missing: /no worker is free/ });
  t.match(fact(await look(fpmContext(fpm), 'quick'), 'listener'), { queue: 0 }, 'nothing of ours waits there');
  // A fourth waits in the queue of the socket, where the kernel shows it.
  keepBusy(t, fpm);
  await until(async () => Number(fact(await look(fpmContext(fpm), 'quick'), 'listener')?.['queue']) >= 1, { timeoutMs: 15_000, what: 'one that waits' });

  const seen = await look(fpmContext(fpm), 'all');
  t.match(fact(seen, 'workers'), { total: 3, busy: 3, idle: 0 });
  t.match(find(seen, 'worker_memory')?.text, /^A worker needs \d+ MiB of memory \(the median of 3\), and .* are available: enough for \d+ more/);
  t.ok(Number(fact(seen, 'worker_memory')?.['medianBytes']) > 1024 ** 2, 'a plausible size');
  t.match(fact(seen, 'fpm_pool'), { maxChildren: 3, file: fpm.config });
  t.match(find(seen, 'fpm_pool')?.text, /^pm\.max_children = 3 .*fpm\.conf:\d+/);
  t.same(named(seen, fpmTarget(fpm), { symptom: { kind: 'no_progress' }, traffic: { inFlight: 4, noProgressMs: 20_000 } }), ['capacity.workers_exhausted', 'certain']);
  first.abort();

  const killing: Clock = {
    ...systemClock,
    sleep: async () => {
      const workers = fpm.workers();
      for (const { pid } of workers) process.kill(pid, 'SIGKILL');
      await until(() => workers.every(({ pid }) => processInfo(pid) === undefined), { timeoutMs: 15_000, what: 'the end of the workers' });
    },
  };
  t.equal(await workersOf({ ...fpmContext(fpm), clock: killing }), undefined, 'who ended while it was looked at is not busy');
});

t.test('a pool that is full is asked on pm.status_listen only', { skip }, async (t) => {
  const folder = tempFolder(t);
  const status = join(folder, 's.sock');
  const own = await startSettled(t, { maxChildren: 1, pool: ['pm.status_path = /status'], scripts: { 'late.php': answersLate } });
  await pageSays(own, { active: 1, total: 1 });
  keepBusy(t, own);
  await sees(own, (counts) => counts['busy'] === 1);
  t.match(find(await look(fpmContext(own), 'all'), 'fpm_status'), { missing: /no worker is free/ });

  const apart = await startSettled(t, { maxChildren: 1, pool: ['pm.status_path = /status', `pm.status_listen = ${status}`], scripts: { 'late.php': answersLate } });
  keepBusy(t, apart);
  await sees(apart, (counts) => counts['busy'] === 1);
  await pageSays(apart, { active: 1, idle: 0, total: 1 });
});

for (const listen of ['unix', 'tcp'] as const) {
  t.test(`a full backlog is seen with its length, and the connect test says why (${listen})`, { skip }, async (t) => {
    const fpm = await startSettled(t, { listen, maxChildren: 1, pool: ['listen.backlog = 1'] });
    await freeze(fpm);
    // A backlog of n lets n + 1 wait.
    for (let count = 0; count < 2; count++) await connected(t, parseAddress(fpm.address)!);
    const seen = await look(fpmContext(fpm), 'quick');
    t.match(fact(seen, 'listener'), { queue: 2, ...(existsSync('/usr/bin/ss') ? { backlog: 1 } : {}) });
    t.match(fact(seen, 'connect'), listen === 'unix' ? { errno: 'EAGAIN' } : { result: 'connection_timeout' });
  });
}

t.test('the log tells of its own last minutes, in known lines with fields', { skip }, async (t) => {
  const fpm = await startSettled(t, { maxChildren: 2 });
  const dynamic = await startPhpFpm(t, {
    maxChildren: 2,
    pool: ['pm = dynamic', 'pm.start_servers = 1', 'pm.min_spare_servers = 1', 'pm.max_spare_servers = 1'],
    scripts: { 'late.php': answersLate },
  });
  keepBusy(t, dynamic);
  keepBusy(t, dynamic);
  const reached = await until(async () => logged(await look(fpmContext(dynamic), 'all'), 'max_children_reached'), { timeoutMs: 15_000, what: 'the warning' });
  t.match(reached, { facts: { limit: 2, count: 1 }, source: dynamic.log });

  signal(fpm.workers()[0]!.pid, 'SIGSEGV');
  const crashed = await until(async () => logged(await look(fpmContext(fpm), 'all'), 'child_signalled'), { timeoutMs: 15_000, what: 'the crash in the log' });
  t.match(crashed.facts, { signal: 11 });
  const wellUntil = Date.now() + 3_600_000;
  t.equal(logged(await look({ ...fpmContext(fpm), lastGoodMs: wellUntil }, 'all'), 'child_signalled'), undefined, 'lines from before it was last well are left out');
});

t.test("a broken configuration is told in the tool's own line", { skip }, async (t) => {
  const fpm = await startSettled(t, { maxChildren: 1 });
  t.match(fact(await look(fpmContext(fpm), 'all'), 'config_test'), { passed: true });
  appendFileSync(fpm.config, 'pm.max_childen = 5\n');
  t.same(named(await look(fpmContext(fpm), 'all'), fpmTarget(fpm)), ['unknown', 'possible'], 'while it runs, that is no cause');
  for (const pid of pidsOf(fpm)) signal(pid, 'SIGKILL');
  await until(() => fpm.processes().length === 0, { timeoutMs: 15_000, what: 'the end of php-fpm' });
  const dead = fpmContext(fpm);
  const seen = await look(dead, 'all');
  t.match(fact(seen, 'config_test'), { passed: false, line: /ERROR: \[.*fpm\.conf:\d+\] unknown entry 'pm\.max_childen'/ });
  const { best } = diagnose(caseFile({ target: dead.target, evidence: seen }), causes);
  t.equal(best.cause, 'config.invalid');
  t.match(best.sentence, /unknown entry 'pm\.max_childen'/);
});

t.test('a php-fpm that was asked to stop was stopped on purpose', { skip }, async (t) => {
  const fpm = await startSettled(t, { maxChildren: 1 });
  signal(fpm.masterPid(), 'SIGQUIT');
  await until(() => fpm.processes().length === 0, { timeoutMs: 15_000, what: 'the end of php-fpm' });
  t.same(named(await look(fpmContext(fpm), 'quick'), fpmTarget(fpm)), ['service.stopped_by_operator', 'certain']);
});

t.test('a configuration test that does not finish is unknown, not failed', async (t) => {
  const target = serviceTarget({ config: serviceConfig({ type: 'external', config_test: ['/bin/sleep', '30'], config_test_timeout: '100ms' }) });
  const seen = await look(context(target, { state: 'failed', text: 'dead', pids: [], fence: '' }), 'all');
  t.match(find(seen, 'config_test'), { missing: /not finished after 100 ms/ });
});

t.test('a configuration test is made once while nothing changes, and again when a file of it did', async (t) => {
  const folder = tempFolder(t);
  const [ran, pool] = [join(folder, 'ran'), join(folder, 'pool.conf')];
  writeFileSync(pool, '[a]\n');
  const target = serviceTarget({ config: serviceConfig({ type: 'external', pool, config_test: ['/bin/sh', '-c', `echo . >> ${ran}; ! grep -q bad ${pool}`] }) });
  let nowMs = 0;
  const clock: Clock = { ...systemClock, sleep: systemClock.sleep.bind(systemClock), wallMs: () => Date.now(), monotonicMs: () => nowMs };
  const times = async (state = running(process.pid)): Promise<[unknown, number]> => {
    const seen = await gatherEvidence({ ...context(target, state), clock }, [registeredProbes.configTest], new AbortController().signal, 'all');
    return [fact(seen, 'config_test')?.['passed'], readFileSync(ran, 'utf8').split('\n').length - 1];
  };
  t.same(await times(), [true, 1]);
  nowMs = 29_000;
  t.same(await times(), [true, 1]);
  nowMs = 30_000;
  t.same(await times(), [true, 2]);
  writeFileSync(pool, '[a]\nbad\n');
  utimesSync(pool, 1, 1);
  t.same(await times(), [false, 3], 'its file changed');
  nowMs += 4900;
  t.same(await times(), [false, 3]);
  nowMs += 100;
  t.same(await times(), [false, 4], 'a failure is asked again sooner');
  t.same(await times({ ...running(process.pid), state: 'failed' }), [false, 5], 'the state changed');
});

t.test('a configuration test may take longer than the look, and its result is there for a later one', async (t) => {
  const go = join(tempFolder(t), 'go');
  const target = serviceTarget({ config: serviceConfig({ type: 'external', config_test: ['/bin/sh', '-c', 'until [ -e "$1" ]; do sleep 0.01; done; echo "ERROR: late"; exit 1', 'sh', go] }) });
  const one = (signal: AbortSignal): Promise<readonly Evidence[]> => gatherEvidence(context(target, running(process.pid)), [registeredProbes.configTest], signal, 'all');
  const stopping = new AbortController();
  setImmediate(() => stopping.abort());
  t.match(find(await one(stopping.signal), 'config_test') ?? { missing: 'the time for evidence was over' }, { missing: /still runs|time for evidence/ });
  writeFileSync(go, '');
  t.match(fact(await one(new AbortController().signal), 'config_test'), { passed: false, line: 'ERROR: late' });
});

t.test('of what a configuration test prints, the line with the reason is quoted', async (t) => {
  const printed = [
    ["AH00526: Syntax error on line 5 of /etc/x.conf:\nInvalid command 'Foo'\nAction 'configtest' failed.", "AH00526: Syntax error on line 5 of /etc/x.conf: Invalid command 'Foo'"],
    ['[warn] odd\nnginx: [emerg] unknown directive "foo"\nnginx: configuration file test failed', 'nginx: [emerg] unknown directive "foo"'],
    ['first\nlast', 'last'],
    ['', 'exit status 3, without a word'],
  ] as const;
  for (const [output, line] of printed) {
    const target = serviceTarget({ config: serviceConfig({ type: 'external', config_test: ['/bin/sh', '-c', 'printf %s "$1"; exit 3', 'sh', output] }) });
    t.match(fact(await look(context(target, running(process.pid)), 'all'), 'config_test'), { passed: false, exitCode: 3, line });
  }
});

t.test('a server that came back on another port is found there', async (t) => {
  const [before, now, strange] = [await freePort(), await freePort(), await freePort()];
  const server = await serve(t, now);
  const both = serviceTarget({ config: serviceConfig({ type: 'process', start: ['/bin/true'] }), protocol: 'http', upstreams: [`127.0.0.1:${before}`, `127.0.0.1:${now}`] });
  const seen = await look(context(both, running(server)), 'quick');
  t.match(
    seen.filter((each) => each.kind === 'listener').map((each) => each.facts),
    [
      { address: `127.0.0.1:${before}`, current: true, state: 'nobody' },
      { address: `127.0.0.1:${now}`, current: false, state: 'listening', byService: true },
    ],
  );
  t.same(named(seen, both), ['net.port_moved', 'certain']);

  const only = serviceTarget({ ...both, upstreams: [`127.0.0.1:${before}`, `127.0.0.1:${strange}`] });
  const elsewhere = await look(context(only, running(server)), 'quick');
  t.match(fact(elsewhere, 'listen_elsewhere'), { addresses: [`127.0.0.1:${now}`] });
  t.same(named(elsewhere, only), ['net.port_moved', 'likely']);
});

t.test('GET / tells junk, silence and a status apart', async (t) => {
  const symptom = { kind: 'http_protocol_error' } as const;
  for (const [manner, result] of [
    ['', 'status'],
    ['junk', 'junk'],
    ['never-answers', 'timeout'],
  ] as const) {
    const port = await freePort();
    const server = await serve(t, port, manner);
    const target = serviceTarget({ config: serviceConfig({ type: 'process', start: ['/bin/true'] }), protocol: 'http', upstreams: [`127.0.0.1:${port}`] });
    const seen = await look(context(target, running(server)), 'all');
    t.match(fact(seen, 'http_answer'), { result });
    // One long request and a slow front page: a person may look, but nothing is restarted for it.
    if (manner === 'never-answers') t.same(named(seen, target, { symptom: { kind: 'no_progress' }, traffic: { inFlight: 1, noProgressMs: 20_000 } }), ['service.hung', 'possible']);
    if (manner === '') {
      const spokenTo = await look(context({ ...target, protocol: 'fastcgi' }, running(server)), 'quick');
      t.equal(find(spokenTo, 'workers'), undefined, 'one process with an event loop is no pool that could be full');
    }
    if (manner === 'junk') t.same(named(seen, target, { symptom }), ['app.bad_response', 'certain']);
  }
});

t.test('no GET / is sent while connections wait to be accepted', async (t) => {
  const port = await freePort();
  const server = await serve(t, port);
  signal(server, 'SIGSTOP');
  await until(() => processInfo(server)?.state === 'T', { timeoutMs: 15_000, what: 'state T' });
  await connected(t, { kind: 'tcp', host: '127.0.0.1', port });
  const target = serviceTarget({ config: serviceConfig({ type: 'process', start: ['/bin/true'] }), protocol: 'http', upstreams: [`127.0.0.1:${port}`] });
  const seen = await look(context(target, running(server)), 'all');
  t.match(find(seen, 'http_answer'), { missing: /already wait/ });
  t.match(fact(await look(context(target, running(server)), 'all'), 'listener'), { queue: 1 });
});

t.test('a listener of another machine is not guessed', async (t) => {
  const target = serviceTarget({ upstreams: ['192.0.2.1:80'], protocol: undefined });
  const seen = await look(context(target, { state: 'unknown', text: 'nobody can tell', pids: [], fence: '' }), 'quick');
  t.match(find(seen, 'listener'), { missing: /listeners of this machine/ });
  t.same(named(seen, target), ['unknown', 'possible']);
});

t.test('a probe that throws or is late is missing evidence and stops nobody else', async (t) => {
  const probe = (name: string, look: Probe['look']): Probe => ({ name, deadlineMs: 50, quick: true, applies: () => true, look });
  let told = false;
  const ill = probe('ill', () => {
    throw new Error('no /proc here');
  });
  const late = probe('late', (_, signal) => new Promise(() => signal.addEventListener('abort', () => (told = true))));
  const well = probe('well', async () => [{ kind: 'fine', source: 'x', text: 'fine', facts: {} }]);
  const slow: Probe = { ...well, name: 'slow', quick: false };
  const elsewhere: Probe = { ...well, applies: () => false };
  const seen = await gatherEvidence(context(serviceTarget(), running(process.pid)), [ill, late, well, slow, elsewhere], new AbortController().signal, 'quick');
  t.match(seen, [{ kind: 'probe', missing: 'ill: no /proc here' }, { kind: 'probe', missing: 'late: not finished after 50 ms' }, { kind: 'fine' }]);
  t.equal(seen.length, 3, 'neither the slow probe nor the one that does not apply was asked');
  t.ok(told, 'the late one was told to end');

  const stopping = new AbortController();
  setImmediate(() => stopping.abort());
  const over = await gatherEvidence(context(serviceTarget(), running(process.pid)), [late, well], stopping.signal, 'all');
  t.match(over, [{ missing: 'the time for evidence was over' }, { kind: 'fine' }]);
});

t.test('the service is asked for its state once, whatever the number of probes', async (t) => {
  let asked = 0;
  const shared = context(serviceTarget(), running(process.pid));
  const counting: ServiceType = { ...shared.serviceType, state: async () => (asked++, running(process.pid)) };
  await gatherEvidence({ ...shared, serviceType: counting }, probes, new AbortController().signal, 'quick');
  t.equal(asked, 1);
});

t.test("of a busy host's TCP table no more is read than the listening sockets", async (t) => {
  const server = createServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  for (let count = 0; count < 200; count++) await connected(t, { kind: 'tcp', host: '127.0.0.1', port });
  const tables = readSocketTables();
  t.ok(tables.tcp.length < readFileSync('/proc/net/tcp').length / 2, `${tables.tcp.length} bytes read`);
  t.match(
    readListeners(tables).filter(({ address }) => address.kind === 'tcp' && address.port === port),
    [{ address: { host: '127.0.0.1' } }],
  );
});

t.test('the kernel is asked once a look, whatever the number of probes, and anew for the next', (t) => {
  const [one, next] = [context(serviceTarget(), running(process.pid)), context(serviceTarget(), running(process.pid))];
  for (const read of [socketsOf, processesOf, workersOf]) {
    t.equal(read(one), read(one));
    t.not(read(one), read(next));
  }
  t.end();
});

t.test('a pool is found in its configuration, through includes, by where it listens', (t) => {
  const folder = tempFolder(t);
  const main = join(folder, 'php-fpm.conf');
  writeFileSync(main, `[global]\nerror_log = /var/log/x.log\ninclude=${folder}/*.pool\n`);
  writeFileSync(join(folder, 'a.pool'), '[a]\nlisten = 9001 ; a comment\npm.max_children = 7\n');
  writeFileSync(join(folder, 'b.pool'), `[b]\n;listen = 1\nlisten = ${folder}/$pool.sock\npm.status_path = /st\npm.max_children=9\n`);
  const target = (upstream: string, config: Record<string, unknown>) => serviceTarget({ upstreams: [upstream], config: serviceConfig(config) });
  const process_ = { type: 'process', start: ['/usr/sbin/php-fpm8.2', '--fpm-config', main] };
  t.match(readFpmPool(target('127.0.0.1:9001', process_)), { name: 'a', maxChildren: 7, file: join(folder, 'a.pool'), line: 3, errorLog: '/var/log/x.log' });
  t.match(readFpmPool(target(`unix:${folder}/b.sock`, process_)), { name: 'b', maxChildren: 9, statusPath: '/st' });
  t.match(readFpmPool(target('127.0.0.1:9001', { type: 'external', pool: join(folder, 'a.pool') })), { maxChildren: 7 });
  t.equal(readFpmPool(target('127.0.0.1:9009', process_)), undefined);
  t.equal(readFpmPool(target('127.0.0.1:9001', { type: 'external' })), undefined);
  t.end();
});

/** The pids of a php-fpm, its master first. */
function pidsOf(fpm: PhpFpm): readonly number[] {
  return [fpm.masterPid(), ...fpm.workers().map((worker) => worker.pid)];
}

async function freeze(fpm: PhpFpm): Promise<void> {
  const pids = pidsOf(fpm);
  for (const pid of pids) signal(pid, 'SIGSTOP');
  await until(() => pids.every((pid) => processInfo(pid)?.state === 'T'), { timeoutMs: 15_000, what: 'state T' });
}

function fpmTarget(fpm: PhpFpm): ServiceTarget {
  const config = serviceConfig({ type: 'process', pidfile: fpm.pidfile, start: fpm.startArgv, config_test: fpm.configTestArgv });
  return serviceTarget({ config, upstreams: [fpm.address] });
}

function fpmContext(fpm: PhpFpm): ProbeContext {
  return { ...context(fpmTarget(fpm), running(0)), serviceType: services.process };
}

function running(pid: number): ServiceState {
  return { state: 'running', text: `Process ${pid} runs.`, mainPid: pid, pids: [pid], fence: String(pid) };
}

function context(target: ServiceTarget, state: ServiceState): ProbeContext {
  const serviceType: ServiceType = {
    name: target.config.type,
    state: async () => state,
    can: () => false,
    control: () => Promise.reject(new Error('a probe must not act')),
    configTest: () => undefined,
  };
  return { target, run: runCommand, clock: systemClock, serviceType, lastGoodMs: Date.now() - 60_000, dependencies: [] };
}

/** The probes are given time here: a machine that runs tests is slow, and their deadline has a test of its own. */
function look(of: ProbeContext, which: 'quick' | 'all'): Promise<readonly Evidence[]> {
  return gatherEvidence(
    of,
    probes.filter((probe) => which === 'all' || probe.quick).map((probe) => ({ ...probe, deadlineMs: 20_000 })),
    new AbortController().signal,
    'all',
  );
}

function find(seen: readonly Evidence[], kind: string): Evidence | undefined {
  return seen.find((each) => each.kind === kind);
}

function fact(seen: readonly Evidence[], kind: string): Evidence['facts'] | undefined {
  return find(seen, kind)?.facts;
}

function logged(seen: readonly Evidence[], signature: string): Evidence | undefined {
  return seen.find((each) => each.kind === 'log' && each.facts['signature'] === signature);
}

function named(seen: readonly Evidence[], target: ServiceTarget, scene: Omit<Scene, 'evidence' | 'target'> = {}): readonly [CauseName, Confidence] {
  const { best } = diagnose(caseFile({ ...scene, target, evidence: seen }), causes);
  return [best.cause, best.confidence];
}

/** Keeps one worker in a sleep until the test is over, however long that takes. */
function keepBusy(t: TestScope, fpm: PhpFpm): AbortController {
  const gone = new AbortController();
  const script = join(fpm.docroot, 'late.php');
  const params = encodeParams([
    ['REQUEST_METHOD', 'GET'],
    ['SCRIPT_FILENAME', script],
    ['SCRIPT_NAME', '/late.php'],
    ['REQUEST_URI', '/late.php?ms=600000'],
    ['QUERY_STRING', 'ms=600000'],
  ]);
  const request = { method: 'GET', target: '/late.php', wire: { protocol: 'fastcgi', params, role: 1 }, body: { length: 0, open: () => Readable.from([]) }, clientGone: gone.signal } as const;
  const limits = { connectTimeoutMs: 20_000, responseTimeoutMs: 600_000, idleTimeoutMs: 600_000 };
  void fastcgi.attempt(request, parseAddress(fpm.address)!, limits);
  t.teardown(() => gone.abort());
  return gone;
}

function sees(fpm: PhpFpm, holds: (counts: Evidence['facts']) => boolean): Promise<unknown> {
  return until(async () => holds(fact(await look(fpmContext(fpm), 'quick'), 'workers') ?? {}), { timeoutMs: 15_000, what: 'the expected count of busy workers' });
}

/** A worker counts itself a moment after it has taken a connection, or come to wait for one. */
async function pageSays(fpm: PhpFpm, counts: Readonly<Record<string, number>>): Promise<void> {
  const says = async () => {
    const page = fact(await look(fpmContext(fpm), 'all'), 'fpm_status');
    return Object.entries(counts).every(([name, count]) => page?.[name] === count);
  };
  await until(says, { timeoutMs: 15_000, what: `a status page that says ${JSON.stringify(counts)}` });
}

function connected(t: TestScope, address: Address): Promise<Socket> {
  const socket = address.kind === 'unix' ? connect(address.path) : connect(address.port, address.host);
  t.teardown(() => socket.destroy());
  return new Promise((resolve, reject) => socket.once('connect', () => resolve(socket)).once('error', reject));
}

/** A pool whose workers have all come to wait for their first request. */
async function startSettled(t: TestScope, options: PhpFpmOptions & { readonly maxChildren: number }): Promise<PhpFpm> {
  const fpm = await startPhpFpm(t, options);
  await sees(fpm, (counts) => counts['idle'] === options.maxChildren);
  return fpm;
}

async function serve(t: TestScope, port: number, manner = ''): Promise<number> {
  const server = start([process.execPath, join(import.meta.dirname, '../fixtures/healer/serves-http.ts'), String(port), manner]);
  t.teardown(async () => {
    signal(server.pid, 'SIGKILL');
    await server.ended;
  });
  await until(() => server.output().includes('listening'), { timeoutMs: 15_000, what: () => `the server: ${server.output()}` });
  return server.pid;
}
