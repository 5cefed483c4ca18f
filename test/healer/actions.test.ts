import { existsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import * as registered from '../../src/healer/actions/registry.ts';
import type { Action, ServiceTarget } from '../../src/healer/leaves.ts';
import { findOrphans } from '../../src/healer/find-orphans.ts';
import { firstChecks } from '../../src/healer/first-checks.ts';
import { isAlive, isStopped, parseStat, readStat } from '../../src/healer/proc.ts';
import { listenersAt, parseTcpListeners, parseUnixListeners } from '../../src/healer/socket-tables.ts';
import { finishGates } from '../../src/healer/policy/decide.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import * as types from '../../src/healer/services/registry.ts';
import { serviceTarget } from '../fixtures/services/target.ts';
import { contextOf } from '../support/action-context.ts';
import { preparePhpFpm, type PhpFpm } from '../support/php-fpm.ts';
import { signal } from '../support/processes.ts';
import { isRoot, missing } from '../support/skip.ts';
import { start as startProgram, succeed } from '../support/program.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const all: readonly Action[] = Object.values(registered);
const lives = (pid: number): boolean => isAlive(readStat(pid));

function fpmTarget(fpm: PhpFpm): ServiceTarget {
  return serviceTarget({ type: 'process', pidfile: fpm.pidfile, start: fpm.startArgv, stop: { signal: 'QUIT', timeout: '5s' } }, { stateFolder: join(fpm.folder, 'state'), upstreams: [fpm.address] });
}

async function killMaster(fpm: PhpFpm): Promise<number[]> {
  const workers = fpm.workers().map(({ pid }) => pid);
  const master = fpm.masterPid();
  signal(master, 'SIGKILL');
  await until(() => !lives(master), { timeoutMs: 15_000, what: 'the master to be gone' });
  return workers;
}

t.test('every action declares what it needs and costs', async (t) => {
  const table = Object.fromEntries(all.map((action) => [action.name, [action.reach, action.needs, action.counts, action.budget, action.configTest, action.reversible]]));
  t.match(table, {
    start: ['service', 'likely', true, 'start', false, false],
    restart: ['service', 'likely', true, 'disruptive', true, false],
    reload: ['service', 'likely', true, 'disruptive', true, false],
    stop: ['service', 'certain', true, 'disruptive', false, false],
    terminate_stuck_workers: ['worker', 'likely', true, 'disruptive', false, false],
    terminate_orphans: ['service', 'likely', true, 'start', false, false],
    reset_failed_and_start: ['service', 'certain', true, 'start', false, false],
    shed_load: ['none', 'likely', false, 'none', false, true],
    switch_upstream: ['service', 'certain', true, 'none', false, true],
    run: ['service', 'likely', true, 'disruptive', false, false],
    wait: ['none', 'possible', false, 'none', false, true],
    wait_for: ['none', 'possible', false, 'none', false, true],
    page: ['none', 'possible', false, 'none', false, true],
    notify: ['none', 'possible', false, 'none', false, true],
  });
});

/** What each action cannot do without; the others need nothing. */
const least: Readonly<Record<string, object>> = { run: { command: ['/bin/true'] }, wait_for: { services: ['redis'] }, shed_load: { keep: '80%' } };

t.test('what every action has to keep to', async (t) => {
  const daemon = startProgram(['/bin/sleep', '1000']);
  t.teardown(async () => {
    signal(daemon.pid, 'SIGKILL');
    await daemon.ended;
  });
  for (const action of all) {
    await t.test(action.name, async (t) => {
      if (action.budget === 'disruptive') t.ok(action.counts, 'what disturbs is an attempt');
      if (action.reach === 'none')
        t.match(action, { counts: false, budget: 'none', configTest: false, evidence: 'none', ...(action.undo ? {} : { needs: 'possible' }) }, 'what touches nothing costs nothing');
      t.notOk((action.waits || action.tells) && action.reach !== 'none', 'waiting and telling touch nothing');
      if (action.undo) t.ok(action.reversible, 'only what is reversible is taken back');
      const options = { ...least[action.name] };
      t.equal(action.options.safeParse({ ...options, no_such_option: 1 }).success, false, 'an option that it does not have is refused');
      const parsed = action.options.parse(options);
      if (action.timeoutMs) t.ok(action.timeoutMs(parsed) > 0);
      const limits = { reach: action.reach, budget: action.budget, ...action.limitsFor?.(parsed) };
      t.match(limits, { reach: action.reach, budget: action.budget }, 'what it declares is what it does without options');

      const folder = tempFolder(t);
      const began = join(folder, 'began');
      writeFileSync(join(folder, 'pid'), `${daemon.pid}`);
      const service = { type: 'process', pidfile: join(folder, 'pid'), start: ['/usr/bin/touch', began], stop: { signal: 'TERM' }, reload: { signal: 'HUP' } };
      const plain = contextOf(serviceTarget(service, { stateFolder: folder, upstreams: ['127.0.0.1:1', '127.0.0.1:2'] }));
      const context = { ...plain, signal: AbortSignal.abort(), suspect: { ...plain.suspect, facts: { found: '127.0.0.1:2' } } };
      const started = performance.now();
      await action.perform(context, parsed);
      t.ok(performance.now() - started < 20_000, 'an action whose time is over waits for nothing');
      // an order to the proxies takes no time; it is taken back at the end of its incident
      t.same([existsSync(began), lives(daemon.pid), context.used, context.told], [false, true, action.name === 'shed_load' ? [0.8] : [], []], '… and does nothing');
    });
  }
});

t.test('a start fails on orphaned workers; ending them starts the service in the same act', { skip: missing('php-fpm8.2') }, async (t) => {
  for (const listen of ['unix', 'tcp'] as const) {
    const fpm = await preparePhpFpm(t, { listen, maxChildren: 2 });
    const context = contextOf(fpmTarget(fpm));
    await fpm.start();
    const workers = await killMaster(fpm);
    t.match(await registered.start.perform(context, {}), { result: 'failed', outputTail: listen === 'unix' ? /Another FPM instance seems to already listen/ : /Address already in use/ });
    const ended = await registered.terminateOrphans.perform(context, { grace: 5000 });
    t.match(ended, { result: 'done', detail: /^ended orphaned workers .*; started as process/ });
    t.notMatch(ended.detail, /KILL/, 'idle workers hear QUIT');
    t.same(workers.filter(lives), []);
    // it is started before its last worker was forked
    await until(() => fpm.workers().length === 2, { timeoutMs: 15_000, what: 'both workers' });
    const now = fpm.processes().map(({ pid }) => pid);
    t.match(
      await registered.terminateOrphans.perform(context, { grace: 5000 }),
      { result: 'done', detail: /^there were no orphaned workers; .* runs already/ },
      'the workers of a living master are none',
    );
    t.same(
      fpm.processes().map(({ pid }) => pid),
      now,
    );
    t.equal(fpm.processes().length, 3);
  }
});

t.test('a frozen orphan is KILLed at once', { skip: missing('php-fpm8.2') }, async (t) => {
  const fpm = await preparePhpFpm(t, { maxChildren: 2 });
  const context = contextOf(fpmTarget(fpm));
  await fpm.start();
  const frozen = await killMaster(fpm);
  for (const pid of frozen) signal(pid, 'SIGSTOP');
  await until(() => frozen.every((pid) => isStopped(readStat(pid)!)), { timeoutMs: 15_000, what: 'the workers to be stopped' });
  const [began, grace] = [performance.now(), 18_000];
  t.match(await registered.terminateOrphans.perform(context, { grace }), { result: 'done', detail: /by KILL/ });
  t.ok(performance.now() - began < grace, 'nobody waited for those that cannot hear');
  t.same(frozen.filter(lives), []);
});

t.test('QUIT lets an orphan finish the request that it is serving', { skip: missing('php-fpm8.2') }, async (t) => {
  const fpm = await preparePhpFpm(t, { maxChildren: 1 });
  const began = join(fpm.data, 'began');
  writeFileSync(join(fpm.docroot, 'late.php'), `<?php touch(${JSON.stringify(began)}); usleep(400000); echo 'late';`);
  await fpm.start();
  const answer = fastcgiGet(fpm, 'late.php');
  await until(() => existsSync(began), { timeoutMs: 15_000, what: 'the script to begin' });
  await killMaster(fpm);
  t.match(await registered.terminateOrphans.perform(contextOf(fpmTarget(fpm)), { grace: 10_000 }), { result: 'done' });
  t.match(await answer, /late/);
});

t.test('an orphan that does not finish in its grace is KILLed', { skip: missing('php-fpm8.2') }, async (t) => {
  const fpm = await preparePhpFpm(t, { maxChildren: 1 });
  const began = join(fpm.data, 'began');
  writeFileSync(join(fpm.docroot, 'spins.php'), `<?php touch(${JSON.stringify(began)}); while (true) {}`);
  await fpm.start();
  const cut = t.rejects(fastcgiGet(fpm, 'spins.php'), { code: 'ECONNRESET' }, 'its client sees the cut');
  await until(() => existsSync(began), { timeoutMs: 15_000, what: 'the script to begin' });
  const [worker = 0] = await killMaster(fpm);
  t.match(await registered.terminateOrphans.perform(contextOf(fpmTarget(fpm)), { grace: 200 }), {
    result: 'done',
    detail: new RegExp(`^ended orphaned workers ${worker}; ${worker} by KILL; started`),
  });
  t.notOk(lives(worker));
  await cut;
});

t.test('whoever else holds the socket is left alone', async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'taken.sock');
  const stranger = startProgram([process.execPath, '-e', `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`]);
  t.teardown(async () => {
    signal(stranger.pid, 'SIGKILL');
    await stranger.ended;
  });
  await until(() => stranger.output().includes('up'), { timeoutMs: 15_000, what: 'the stranger to listen' });
  const gone = await runCommand.run(['/bin/sh', '-c', 'echo $$'], { timeoutMs: 5000 });
  writeFileSync(join(folder, 'pid'), gone.output);
  const target = serviceTarget({ type: 'process', pidfile: join(folder, 'pid'), start: ['/bin/false'] }, { stateFolder: folder, upstreams: [`unix:${path}`] });
  const state = await types.process.state(target, runCommand, AbortSignal.timeout(5000));
  t.match(await findOrphans(target, state), { orphans: [], strangers: [stranger.pid] });
  t.match(await registered.terminateOrphans.perform(contextOf(target), { grace: 100 }), { result: 'failed', detail: new RegExp(`process ${stranger.pid} holds the socket`) });
  t.ok(lives(stranger.pid));
});

t.test('the gateways are switched only to a configured place, and only where it was found', async (t) => {
  const target = serviceTarget({ type: 'external' }, { stateFolder: '/nowhere', upstreams: ['127.0.0.1:1001', '127.0.0.1:1002', '127.0.0.1:1003'] });
  const to = async (found: string | undefined, onlyTo?: readonly string[], current = 0) => {
    const plain = contextOf({ ...target, current });
    const context = found === undefined ? plain : { ...plain, suspect: { ...plain.suspect, facts: { found } } };
    const options = registered.switchUpstream.options.parse(onlyTo ? { only_to: onlyTo } : {});
    return { ...(await registered.switchUpstream.perform(context, options)), used: context.used };
  };
  t.match(await to('127.0.0.1:1003'), { result: 'done', detail: 'the gateways use 127.0.0.1:1003 now', used: [2] });
  t.match(await to('127.0.0.1:1003', ['127.0.0.1:1002']), { result: 'failed', detail: /not in only_to/, used: [] });
  t.match(await to('127.0.0.1:1002', ['127.0.0.1:1002']), { result: 'done', used: [1] });
  t.match(await to('127.0.0.1:4444'), { result: 'failed', detail: /not among the configured upstreams/, used: [] });
  t.match(await to(undefined), { result: 'failed', detail: /names no place/, used: [] });
  t.match(await to('127.0.0.1:1001'), { result: 'done', detail: /already/, used: [] });
});

t.test('a page says what was found and what would help', async (t) => {
  const context = contextOf(serviceTarget({ type: 'external' }, { stateFolder: '/nowhere' }));
  t.match(await registered.page.perform(context, {}), { result: 'done' });
  t.same(context.told, ['shop: php-fpm was killed. Start it.']);
});

t.test('a notice goes to those that it names, in the words of the policy', async (t) => {
  const context = contextOf(serviceTarget({ type: 'external' }, { stateFolder: '/nowhere' }));
  const notify = (options: object) => registered.notify.perform(context, registered.notify.options.parse(options));
  t.match(await notify({}), { result: 'done', detail: 'told: shop: php-fpm was killed. Start it.' });
  t.match(await notify({ to: ['developers', 'ops'], text: 'Busy is not broken.' }), { result: 'done', detail: 'told developers, ops: shop: Busy is not broken.' });
  t.same(context.told, ['shop: php-fpm was killed. Start it.', 'developers, ops: shop: Busy is not broken.']);
});

t.test('a service that goodgateway stops is stopped on purpose, and says who may start it', async (t) => {
  const folder = tempFolder(t);
  const target = serviceTarget({ type: 'process', start: ['/bin/sleep', '1000'] }, { stateFolder: folder });
  const context = contextOf(target);
  t.match(await registered.start.perform(context, {}), { result: 'done' });
  t.match(await registered.stop.perform(context, {}), { result: 'done', detail: /shop stays stopped until a person starts it$/ });
  t.match(await types.process.state(target, runCommand, AbortSignal.timeout(5000)), { state: 'stopped' });
  t.match(await registered.stop.perform(contextOf(serviceTarget({ type: 'external' }, { stateFolder: folder })), {}), { result: 'failed', detail: /cannot stop shop, which is external/ });
});

t.test('only systemd counts starts', async (t) => {
  const target = serviceTarget({ type: 'process', start: ['/bin/true'] }, { stateFolder: tempFolder(t) });
  t.match(await registered.resetFailedAndStart.perform(contextOf(target), {}), { result: 'failed', detail: 'only systemd counts starts, and shop is of type process: use start' });
});

t.test('a reload that the policy does not offer fails with that sentence', async (t) => {
  const target = serviceTarget({ type: 'process', start: ['/bin/true'] }, { stateFolder: tempFolder(t) });
  t.match(await registered.reload.perform(contextOf(target), {}), { result: 'failed', detail: 'the policy of shop names no reload' });
});

t.test('R10 config test: reload and restart are never done while it fails or gives no result; a start of a dead service is', async (t) => {
  const table = new Map(all.map((action) => [action.name, action]));
  const finish = (action: Action, configTest: 'fail' | 'unknown') => {
    const step = { action: action.name, options: {}, timeoutMs: 1000, attempt: 1, rung: 0 };
    const gates = [{ gate: 'config_test' as const, verdict: 'not_evaluated' as const, reason: '' }];
    return finishGates({ kind: 'recover', rule: 'r', step, gates }, { configTest, detail: 'line 7', fence: { expected: '', now: '' } }, table);
  };
  const tested = all.filter((action) => action.configTest);
  t.same(tested.map(({ name }) => name).toSorted(), ['reload', 'restart']);
  for (const action of tested) {
    t.match(finish(action, 'fail'), { kind: 'stand_down', why: 'refused', reason: /the configuration test failed: line 7/ });
    t.match(finish(action, 'unknown'), { kind: 'stand_down', why: 'refused' });
  }
  t.match(finish(registered.start, 'unknown'), { kind: 'recover' });
});

t.test('before a step that asks for it there must be room on the disks, and memory', async (t) => {
  const folder = tempFolder(t);
  const target = serviceTarget({ type: 'external', log: [join(folder, 'deep', 'not', 'there', 'log')] }, { stateFolder: folder });
  t.same(await firstChecks(['config_test'], target), []);
  const [disk, memory] = await firstChecks(['disk_free', 'memory_free'], target);
  t.match(disk, { name: 'disk_free', passed: true, text: / MiB of \d+ MiB free on the disk of / });
  t.match(memory, { name: 'memory_free', passed: true, text: /^\d+ MiB of \d+ MiB available \(needed: \d+ MiB\)$/ });

  const step = { action: 'start' as const, options: {}, timeoutMs: 1000, attempt: 1, rung: 0 };
  const gates = [{ gate: 'config_test' as const, verdict: 'not_evaluated' as const, reason: '' }];
  const look = { configTest: 'none' as const, detail: '', fence: { expected: '', now: '' }, firsts: [{ name: 'disk_free', passed: false, text: '0 MiB of 2 MiB free' }] };
  t.match(finishGates({ kind: 'recover', rule: 'r', step, gates }, look, new Map([['start', registered.start]])), {
    kind: 'stand_down',
    why: 'refused',
    reason: /disk_free failed: 0 MiB of 2 MiB free/,
  });
});

t.test('a full disk is seen, a small one with room is none', { skip: isRoot ? false : 'needs root' }, async (t) => {
  const folder = tempFolder(t);
  const module = (path: string) => JSON.stringify(new URL(`../../${path}`, import.meta.url).href);
  const ask = `const { firstChecks } = await import(${module('src/healer/first-checks.ts')});
    const { serviceTarget } = await import(${module('test/fixtures/services/target.ts')});
    console.log(JSON.stringify(await firstChecks(['disk_free'], serviceTarget({ type: 'external', log: '${folder}/log' }, { stateFolder: '/run' }))));`;
  const look = `"$2" --disable-warning=ExperimentalWarning --input-type=module -e "$3"`;
  const inside = `mount -t tmpfs -o size=8m tmpfs "$1" && ${look} && head -c 7800k /dev/zero > "$1/full" && ${look}`;
  const output = await succeed(['/usr/bin/unshare', '--mount', '/bin/sh', '-c', inside, 'sh', folder, process.execPath, ask]);
  const [roomy, full] = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line)[0]);
  t.match(roomy, { name: 'disk_free', passed: true });
  t.match(full, { name: 'disk_free', passed: false, text: new RegExp(`^0 MiB of 8 MiB free on the disk of ${folder} \\(needed: 0 MiB\\)$`) });
});

t.test("the kernel's tables are read as they are", async (t) => {
  t.match(parseStat('42 (a b) c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2'), { pid: 42, comm: 'a b) c', state: 'S', parent: 1, group: 42, session: 42, startTicks: 987654 });
  t.equal(parseStat('nonsense'), undefined);
  const unix = parseUnixListeners(
    'Num       RefCount Protocol Flags    Type St Inode Path\n00000000862bbde9: 00000002 00000000 00010000 0001 01 40334 /run/a b.sock\n00000000862bbdea: 00000003 00000000 00000000 0001 03 40335 /run/a b.sock\n00000000862bbdeb: 00000002 00000000 00010000 0001 01 40336 @abstract\n',
  );
  t.same(unix, [{ address: { kind: 'unix', path: '/run/a b.sock' }, inode: '40334' }]);
  const row = (local: string, state: string) => `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 5555 1 0000000000000000 100 0 0 10 0\n`;
  t.same(parseTcpListeners(row('0100007F:1B90', '0A') + row('0100007F:1B90', '01')), [{ address: { kind: 'tcp', host: '127.0.0.1', port: 7056 }, inode: '5555' }]);
  const [loopback] = parseTcpListeners(row('00000000000000000000000001000000:0050', '0A'));
  t.same(loopback?.address, { kind: 'tcp', host: '::1', port: 80 });
  const any = parseTcpListeners(row('00000000000000000000000000000000:0050', '0A'));
  t.equal(listenersAt([{ kind: 'tcp', host: '127.0.0.1', port: 80 }], any).length, 1, 'a listener on all addresses answers at each');
  t.equal(listenersAt([{ kind: 'tcp', host: '127.0.0.1', port: 81 }], any).length, 0);
});

/** What is answered to one FastCGI GET. */
function fastcgiGet(fpm: PhpFpm, script: string): Promise<string> {
  const socket = connect({ path: fpm.socket ?? '' });
  const pair = (name: string, value: string): Buffer => Buffer.concat([Buffer.from([name.length, value.length]), Buffer.from(name + value)]);
  const record = (type: number, body: Buffer): Buffer => Buffer.concat([Buffer.from([1, type, 0, 1, body.length >> 8, body.length & 255, 0, 0]), body]);
  const params = Buffer.concat([pair('SCRIPT_FILENAME', join(fpm.docroot, script)), pair('REQUEST_METHOD', 'GET')]);
  socket.write(Buffer.concat([record(1, Buffer.from([0, 1, 0, 0, 0, 0, 0, 0])), record(4, params), record(4, Buffer.alloc(0)), record(5, Buffer.alloc(0))]));
  return new Promise<string>((resolve, reject) => {
    let text = '';
    socket
      .on('data', (chunk) => (text += chunk.toString('latin1')))
      .on('end', () => resolve(text))
      .on('error', reject);
  });
}
