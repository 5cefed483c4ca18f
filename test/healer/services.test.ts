import { chmodSync, chownSync, existsSync, linkSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { RunCommand } from '../../src/healer/commands.ts';
import { isAlive, isStopped, readStat } from '../../src/healer/proc.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import type { ServiceState, ServiceTarget } from '../../src/healer/leaves.ts';
import { configTestOptions } from '../../src/healer/service-parts/config-tests.ts';
import { startRemembered } from '../../src/healer/services/process.ts';
import * as types from '../../src/healer/services/registry.ts';
import { startFakeEngine } from '../fixtures/services/fake-engine.ts';
import { writeInitScript, writeSlowStopScript } from '../fixtures/services/init-script.ts';
import { serviceTarget } from '../fixtures/services/target.ts';
import { preparePhpFpm, type PhpFpm } from '../support/php-fpm.ts';
import { signal } from '../support/processes.ts';
import { start as startProgram, succeed } from '../support/program.ts';
import { isRoot, missing } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const soon = (): AbortSignal => AbortSignal.timeout(20_000);
const stateOf = (target: ServiceTarget) => types[target.config.type].state(target, runCommand, soon());
const control = (target: ServiceTarget, verb: 'start' | 'stop' | 'reload' | 'restart') => types[target.config.type].control(target, verb, runCommand, soon());
const lives = (pid: number): boolean => isAlive(readStat(pid));

function signalAll(fpm: PhpFpm, name: NodeJS.Signals): number[] {
  const pids = fpm.processes().map(({ pid }) => pid);
  for (const pid of pids) signal(pid, name);
  return pids;
}

async function sleeper(t: TestScope, folder: string, user?: string): Promise<number> {
  const started = await runCommand.startDetached(['/bin/sleep', '1000'], { output: join(folder, 'out'), ...(user === undefined ? {} : { user }) });
  const pid = 'pid' in started ? started.pid : 0;
  t.teardown(() => signal(pid, 'SIGKILL'));
  return pid;
}

/** It listens before it forks. */
async function twoWorkers(fpm: PhpFpm): Promise<void> {
  await until(() => fpm.workers().length === 2, { timeoutMs: 15_000, what: 'the workers to be forked' });
}

async function freeze(fpm: PhpFpm): Promise<number[]> {
  await twoWorkers(fpm);
  const pids = signalAll(fpm, 'SIGSTOP');
  await until(() => pids.every((pid) => isStopped(readStat(pid)!)), { timeoutMs: 15_000, what: 'all to be stopped' });
  return pids;
}

function fpmTarget(fpm: PhpFpm, more: object = {}): ServiceTarget {
  const service = { type: 'process', pidfile: fpm.pidfile, start: fpm.startArgv, stop: { signal: 'QUIT', timeout: '5s' }, reload: { signal: 'USR2' }, ...more };
  return serviceTarget(service, { stateFolder: join(fpm.folder, 'state'), upstreams: [fpm.address] });
}

t.test('php-fpm known by its pidfile', { skip: missing('php-fpm8.2') }, async (t) => {
  const fpm = await preparePhpFpm(t, { maxChildren: 2 });
  const target = fpmTarget(fpm);

  t.match(await stateOf(target), { state: 'stopped', fence: '', pids: [] }, 'no pidfile: stopped on purpose');

  t.match(await control(target, 'start'), { result: 'done', exitCode: 0, argv: fpm.startArgv });
  await twoWorkers(fpm);
  const running = await stateOf(target);
  t.match(running, { state: 'running', mainPid: fpm.masterPid() });
  t.same(
    [...running.pids].sort(),
    fpm
      .processes()
      .map(({ pid }) => pid)
      .sort(),
    'its pids are the master and the workers',
  );
  t.match(running.fence, new RegExp(`^${fpm.masterPid()}:\\d+$`));
  t.match(await control(target, 'start'), { result: 'done', detail: /runs already/ }, 'a second start does nothing');
  t.equal((await stateOf(target)).fence, running.fence);

  signalAll(fpm, 'SIGKILL');
  await until(() => fpm.processes().length === 0, { timeoutMs: 15_000, what: 'all to be gone' });
  t.match(await stateOf(target), { state: 'failed', pids: [], lastMainPid: running.mainPid, text: /which is (gone|a zombie)$/ }, 'a pidfile whose process is dead');
  t.match(await control(target, 'start'), { result: 'done' });
  t.not((await stateOf(target)).fence, running.fence, 'another run has another fence');

  await twoWorkers(fpm);
  t.match(await control(target, 'stop'), { result: 'done', detail: 'ended 3 processes' });
  t.match(await stateOf(target), { state: 'stopped' });
});

t.test('php-fpm whose master was killed: the orphans are seen, and a plain start fails with its own words', { skip: missing('php-fpm8.2') }, async (t) => {
  const fpm = await preparePhpFpm(t, { maxChildren: 2 });
  const target = fpmTarget(fpm);
  await fpm.start();
  await twoWorkers(fpm);
  const workers = fpm.workers().map(({ pid }) => pid);
  const master = fpm.masterPid();
  signal(master, 'SIGKILL');
  await until(() => !lives(master), { timeoutMs: 15_000, what: 'the master to be gone' });
  const state = await stateOf(target);
  t.match(state, { state: 'failed', lastMainPid: master, text: /2 processes of it are left/ });
  t.same([...state.pids].sort(), workers.sort());
  t.match(await control(target, 'start'), { result: 'failed', exitCode: 70, detail: /failed with exit status 70/, outputTail: /Another FPM instance seems to already listen/ });
  t.match(await control(target, 'restart'), { result: 'done', detail: /^ended 2 processes; started as process/ }, 'a restart ends them first');
  t.same(workers.filter(lives), []);
});

t.test('a frozen php-fpm hears no signal, so a restart KILLs it, workers too, before the start', { skip: missing('php-fpm8.2') }, async (t) => {
  const fpm = await preparePhpFpm(t, { maxChildren: 2 });
  // who waited for an answer would wait for longer than there is time for the whole
  const target = fpmTarget(fpm, { stop: { signal: 'QUIT', timeout: '1m' } });
  await fpm.start();
  const old = await freeze(fpm);
  t.match(await stateOf(target), { state: 'frozen', text: /all 3 processes of it are stopped \(state T\)/ });
  const restarted = await control(target, 'restart');
  t.match(restarted, { result: 'done', detail: /3 by KILL.*; started as process/ });
  t.same(old.filter(lives), []);
  t.match(await stateOf(target), { state: 'running' });
  await twoWorkers(fpm);
});

t.test('a frozen master with living workers is KILLed after the stop timeout, with its workers', { skip: missing('php-fpm8.2') }, async (t) => {
  const fpm = await preparePhpFpm(t, { maxChildren: 2 });
  await fpm.start();
  await twoWorkers(fpm);
  const old = fpm.processes().map(({ pid }) => pid);
  signal(fpm.masterPid(), 'SIGSTOP');
  await until(() => isStopped(readStat(fpm.masterPid())!), { timeoutMs: 15_000, what: 'a frozen master' });
  t.match(await control(fpmTarget(fpm, { stop: { signal: 'QUIT', timeout: '300ms' } }), 'restart'), { result: 'done', detail: /^ended 3 processes; [123] by KILL/ });
  t.same(old.filter(lives), []);
});

t.test('a restart whose start fails leaves a failed service, not one that somebody stopped', { skip: missing('php-fpm8.2') }, async (t) => {
  const fpm = await preparePhpFpm(t, { maxChildren: 1 });
  const target = fpmTarget(fpm);
  await fpm.start();
  const good = readFileSync(fpm.config, 'utf8');
  writeFileSync(fpm.config, good.replace('pm = static', 'pm = sideways'));
  t.match(await control(target, 'restart'), { result: 'failed', detail: /exit status 78/ });
  t.notOk(existsSync(fpm.pidfile), 'php-fpm removed its pidfile');
  t.match(await stateOf(target), { state: 'failed', text: /for a restart that did not end in a start/ });
  writeFileSync(fpm.config, good);
  t.match(await control(target, 'start'), { result: 'done' });
  t.match(await control(target, 'stop'), { result: 'done' });
  t.match(await stateOf(target), { state: 'stopped' }, 'a later stop is a stop');
});

t.test('a pid that another program was given is not the service, and is left alone', async (t) => {
  const folder = tempFolder(t);
  const pidfile = join(folder, 'pid');
  const pid = await sleeper(t, folder);
  const target = serviceTarget({ type: 'process', pidfile, start: ['/bin/false'] }, { stateFolder: folder, upstreams: ['127.0.0.1:1'] });
  writeFileSync(pidfile, `${pid}\n`);
  t.match(await stateOf(target), { state: 'running', mainPid: pid });
  const hourAgo = Date.now() / 1000 - 3600;
  utimesSync(pidfile, hourAgo, hourAgo);
  t.match(await stateOf(target), { state: 'failed', pids: [], text: /another program by now/ });
  t.match(await control(target, 'stop'), { result: 'done', detail: 'it was not running' });
  t.ok(lives(pid));
  for (const text of ['1', '0', '-5', 'none', '']) {
    writeFileSync(pidfile, text);
    t.match(await stateOf(target), { state: 'unknown', text: /holds no pid/ }, `a pidfile with "${text}"`);
  }
});

t.test('a pidfile must be a file of its own', async (t) => {
  const folder = tempFolder(t);
  const pidfile = join(folder, 'pid');
  const other = join(folder, 'other');
  const target = serviceTarget({ type: 'process', pidfile, start: ['/bin/false'] }, { stateFolder: folder });
  await succeed(['/usr/bin/mkfifo', pidfile]);
  t.match(await stateOf(target), { state: 'unknown', text: `${pidfile} is not a file` }, 'a FIFO does not hang the healer');
  rmSync(pidfile);
  writeFileSync(other, `${await sleeper(t, folder)}\n`);
  symlinkSync(other, pidfile);
  t.match(await stateOf(target), { state: 'unknown', text: /is a symbolic link/ });
  if (!isRoot) return;
  rmSync(pidfile);
  linkSync(other, pidfile);
  t.match(await stateOf(target), { state: 'unknown', text: /second name/ });
  rmSync(other);
  t.match(await stateOf(target), { state: 'running' });
  chmodSync(pidfile, 0o666);
  t.match(await stateOf(target), { state: 'unknown', text: /can be written by others than uid 0/ });
});

t.test("a plain user's pidfile speaks for that user's processes only", { skip: isRoot ? false : 'needs root' }, async (t) => {
  const folder = tempFolder(t);
  const pidfile = join(folder, 'run', 'pid');
  mkdirSync(join(folder, 'run'));
  chownSync(join(folder, 'run'), 65534, 65534);
  const target = serviceTarget({ type: 'process', pidfile, start: ['/bin/false'] }, { stateFolder: folder });
  const write = (pid: number): void => {
    rmSync(pidfile, { force: true });
    writeFileSync(pidfile, `${pid}\n`);
  };
  const ours = await sleeper(t, folder);
  write(ours);
  t.match(await stateOf(target), { state: 'running', mainPid: ours }, "a file of root's in a folder of another: as Debian has it");
  chownSync(pidfile, 65534, 65534);
  t.match(await stateOf(target), { state: 'unknown', text: new RegExp(`can be written by uid 65534, who does not own process ${ours}`) });
  t.match(await control(target, 'restart'), { result: 'failed' });
  t.ok(lives(ours), 'nobody ends it');
  const hourAgo = Math.round(Date.now() / 1000) - 3600;
  utimesSync(pidfile, hourAgo, hourAgo);
  t.match(await control(target, 'start'), { result: 'failed' });
  t.match(statSync(pidfile), { uid: 65534, mtimeMs: hourAgo * 1000, nlink: 1 }, 'a start that fails gives the very file back');
  t.same(readdirSync(join(folder, 'run')), ['pid']);

  const theirs = await sleeper(t, folder, 'nobody');
  write(theirs);
  chownSync(pidfile, 65534, 65534);
  t.match(await stateOf(target), { state: 'running', mainPid: theirs });

  const [gone = 0, left = 0] = (await runCommand.run(['/bin/sh', '-c', 'sleep 1000 > /dev/null 2>&1 & echo $$ $!'], { timeoutMs: 5000 })).output.split(' ').map(Number);
  t.teardown(() => signal(left, 'SIGKILL'));
  write(gone);
  t.match(await stateOf(target), { state: 'failed', pids: [left] });
  chownSync(pidfile, 65534, 65534);
  t.match(await stateOf(target), { state: 'failed', pids: [], lastMainPid: gone }, "not for what another's dead session left behind either");
});

t.test('a command that goodgateway starts itself is remembered', async (t) => {
  const folder = tempFolder(t);
  const target = serviceTarget({ type: 'process', start: ['/bin/sh', '-c', 'echo begun; sleep 1000 & wait'], environment: { A: '1' } }, { stateFolder: folder });
  t.match(await stateOf(target), { state: 'failed', text: 'goodgateway has not started it yet' });
  t.match(await startRemembered(target, runCommand), { result: 'done', detail: /started as process/ });
  t.teardown(() => control(target, 'stop'));
  const both = () => until(async () => ((state) => (state.pids.length === 2 ? state : undefined))(await stateOf(target)), { timeoutMs: 15_000, what: 'the shell and its child' });
  const first = await both();
  t.equal(first.state, 'running');
  t.equal(readFileSync(join(folder, 'shop.out'), 'utf8'), 'begun\n');
  t.match(JSON.parse(readFileSync(join(folder, 'shop.process.json'), 'utf8')), { pid: first.mainPid, startTime: Number, startedAtMs: Number });
  t.match(await startRemembered(target, runCommand), { result: 'done', detail: /runs already/ });

  signal(first.mainPid!, 'SIGKILL');
  await until(() => !lives(first.mainPid!), { timeoutMs: 15_000, what: 'the command to be gone' });
  const dead = await stateOf(target);
  t.match(dead, { state: 'failed', lastMainPid: first.mainPid, pids: { length: 1 } });
  t.match(await control(target, 'restart'), { result: 'done' });
  t.same(dead.pids.filter(lives), [], 'what it had left behind is gone');
  const second = await both();
  t.equal(second.state, 'running');

  t.match(await control(target, 'stop'), { result: 'done', detail: /ended 2 processes/ });
  t.same(second.pids.filter(lives), []);
  t.match(await stateOf(target), { state: 'stopped', text: /on purpose/ });
  t.match(await control(target, 'start'), { result: 'done' });
  t.match(await stateOf(target), { state: 'running' });
  t.match(await control(target, 'reload'), { result: 'failed', detail: /names no reload/ });
  t.notOk(types.process.can(target, 'reload'));
});

t.test('a command that cannot be remembered is not left running', async (t) => {
  const folder = tempFolder(t);
  const [record, said] = [join(folder, 'shop.process.json'), join(folder, 'said')];
  // its record cannot be written: the place of the new one is a folder
  mkdirSync(`${record}.new`);
  const target = serviceTarget({ type: 'process', start: ['/bin/sh', '-c', `echo $$ > ${said}; exec sleep 1000`] }, { stateFolder: folder });
  t.match(await control(target, 'start'), { result: 'failed', detail: /shop\.process\.json cannot be written \(.*EISDIR.*could not be remembered: ended it again/ });
  t.notOk(existsSync(said) && lives(Number(readFileSync(said, 'utf8'))), 'nobody runs unknown');
  rmSync(`${record}.new`, { recursive: true });
  t.match(await control(target, 'start'), { result: 'done' });
  t.teardown(() => control(target, 'stop'));

  const good = readFileSync(record, 'utf8');
  for (const bad of ['', '{"pid":', '{"pid":"2"}']) {
    writeFileSync(record, bad);
    t.match(await stateOf(target), { state: 'unknown', text: /shop\.process\.json .*: remove it when the service does not run/ });
    t.match(await control(target, 'start'), { result: 'failed', detail: /not started, because it may run/ });
  }
  writeFileSync(record, good);
  t.match(await stateOf(target), { state: 'running' });
  mkdirSync(`${record}.new`);
  t.match(await control(target, 'stop'), { result: 'failed', detail: /^ended 1 processes, but .*cannot be written/ }, 'an end that would read as a crash');
});

t.test('a command that ends right away is a failed start', async (t) => {
  const target = serviceTarget({ type: 'process', start: ['/bin/sh', '-c', 'echo port taken; exit 1'] }, { stateFolder: tempFolder(t) });
  // the moment that it is given is short, and a program may take longer to its end
  const toItsEnd: RunCommand = {
    ...runCommand,
    startDetached: async (argv, options) => {
      const started = await runCommand.startDetached(argv, options);
      if ('pid' in started) await until(() => !lives(started.pid), { timeoutMs: 15_000, what: 'its end' });
      return started;
    },
  };
  t.match(await types.process.control(target, 'start', toItsEnd, soon()), { result: 'failed', detail: /ended right after its start; its output is in/ });
});

t.test('php-fpm with an init script', { skip: missing('php-fpm8.2') }, async (t) => {
  const fpm = await preparePhpFpm(t, { maxChildren: 2 });
  const script = writeInitScript(fpm.folder, { argv: fpm.startArgv, pidfile: fpm.pidfile });
  const target = serviceTarget({ type: 'init', script, pidfile: fpm.pidfile, stop_timeout: '5s' }, { stateFolder: join(fpm.folder, 'state'), upstreams: [fpm.address] });
  t.match(await stateOf(target), { state: 'stopped' });
  t.match(await control(target, 'start'), { result: 'done', argv: [script, 'start'] });
  t.match(await stateOf(target), { state: 'running' });

  const old = await freeze(fpm);
  t.match(await stateOf(target), { state: 'frozen' });
  t.match(await control(target, 'restart'), { result: 'done', detail: /by KILL.*started as process/ });
  t.same(old.filter(lives), []);

  t.match(await control(target, 'stop'), { result: 'done' });
  t.match(await stateOf(target), { state: 'stopped' }, 'the script removes the pidfile');
  t.equal(fpm.processes().length, 0);

  await control(target, 'start');
  await twoWorkers(fpm);
  const master = fpm.masterPid();
  signal(master, 'SIGKILL');
  await until(() => !lives(master), { timeoutMs: 15_000, what: 'the master to be gone' });
  await until(async () => (await stateOf(target)).state === 'failed', { timeoutMs: 15_000, what: 'the end to count as a crash' });
  t.match(await stateOf(target), { state: 'failed', pids: { length: 2 } });
  t.match(await control(target, 'start'), { result: 'failed', exitCode: 0, detail: /reported success, but .* named no living process/ }, 'the script claims success');
  t.match(await control(target, 'restart'), { result: 'done', detail: /ended 2 processes/ }, 'a restart ends the orphans first');
  await twoWorkers(fpm);
});

t.test('a stop command that fails asked nobody, so TERM asks before KILL does', async (t) => {
  const folder = tempFolder(t);
  const [pidfile, said] = [join(folder, 'pid'), join(folder, 'said')];
  const script = join(folder, 'fails');
  writeFileSync(script, '#!/bin/sh\necho no such option; exit 2\n', { mode: 0o755 });
  const services = [
    { type: 'init', script, pidfile, stop_timeout: '5s' },
    { type: 'process', pidfile, start: ['/bin/false'], stop: [script, 'stop'], stop_timeout: '5s' },
  ];
  for (const service of services) {
    const target = serviceTarget(service, { stateFolder: folder });
    const daemon = await runCommand.startDetached(['/bin/sh', '-c', `trap 'echo orderly > ${said}; exit' TERM; echo $$ > ${pidfile}; while :; do sleep 0.02; done`], { output: join(folder, 'out') });
    t.teardown(() => 'pid' in daemon && signal(daemon.pid, 'SIGKILL'));
    await until(async () => (await stateOf(target)).state === 'running', { timeoutMs: 15_000, what: 'the daemon to be there' });
    const stopped = await control(target, 'stop');
    t.match(stopped, { result: 'done', detail: /failed with exit status 2: no such option, so they got TERM; ended \d processes$/ });
    t.equal(readFileSync(said, 'utf8'), 'orderly\n');
    t.match(await stateOf(target), { state: 'stopped' }, 'on purpose, although the daemon left its pidfile: nothing starts it again');
    rmSync(said);
  }
});

t.test('an init script that removes the pidfile long after the end is a stop, not a crash', async (t) => {
  const folder = tempFolder(t);
  const [pidfile, go] = [join(folder, 'pid'), join(folder, 'go')];
  const script = writeSlowStopScript(folder, { pidfile, go });
  const target = serviceTarget({ type: 'init', script, pidfile }, { stateFolder: folder, upstreams: ['127.0.0.1:1'] });
  const pid = await sleeper(t, folder);
  writeFileSync(pidfile, `${pid}\n`);
  t.match(await stateOf(target), { state: 'running', mainPid: pid });
  const stopping = startProgram([script, 'stop']);
  await until(() => !lives(pid), { timeoutMs: 15_000, what: 'the daemon to be gone' });
  const seen = new Set<string>();
  const began = performance.now();
  await until(
    async () => {
      seen.add((await stateOf(target)).state);
      return performance.now() - began > 1200;
    },
    { timeoutMs: 15_000, what: 'the moment of doubt to be over' },
  );
  t.same([...seen], ['stopping'], 'as long as the script runs');
  t.match(await stateOf(target), { state: 'stopping', lastMainPid: pid, text: new RegExp(`process ${stopping.pid} is stopping it`) });
  writeFileSync(go, '');
  await stopping.ended;
  t.match(await stateOf(target), { state: 'stopped', text: /on purpose/ });
});

t.test('who just ended may have been stopped, unless it removes its pidfile itself', async (t) => {
  const folder = tempFolder(t);
  const pidfile = join(folder, 'pid');
  const gone = await runCommand.run(['/bin/sh', '-c', 'echo $$'], { timeoutMs: 5000 });
  const script = join(folder, 'script');
  const target = (service: object): ServiceTarget => serviceTarget({ pidfile, ...service }, { stateFolder: folder });
  const byScript = target({ type: 'init', script });
  const byCommand = target({ type: 'process', start: ['/bin/false'], stop: ['/bin/false', 'stop'] });
  const bySignal = target({ type: 'process', start: ['/bin/false'], stop: { signal: 'QUIT' } });
  for (const one of [byScript, byCommand]) {
    writeFileSync(pidfile, gone.output);
    const began = performance.now();
    t.match(await stateOf(one), { state: 'stopping', text: /just ended; whether it was stopped shows when its pidfile is gone or stays/ });
    await until(async () => (await stateOf(one)).state === 'failed', { timeoutMs: 15_000, what: 'the end to count as a crash' });
    t.ok(performance.now() - began >= 1000, 'not before its pidfile had time to go');
    rmSync(pidfile);
    t.match(await stateOf(one), { state: 'stopped' });
    writeFileSync(pidfile, gone.output);
    t.match(await stateOf(one), { state: 'stopping' }, 'another end is waited for anew');
    rmSync(pidfile);
    await stateOf(one);
  }
  writeFileSync(pidfile, gone.output);
  t.match(await stateOf(bySignal), { state: 'failed' }, 'at once');
});

t.test('a process of a plain user that looks like a stop does not hold up the repair', { skip: isRoot ? false : 'needs root' }, async (t) => {
  const folder = tempFolder(t);
  const [pidfile, script] = [join(folder, 'pid'), join(folder, 'script')];
  const gone = await runCommand.run(['/bin/sh', '-c', 'echo $$'], { timeoutMs: 5000 });
  writeFileSync(pidfile, gone.output);
  const liar = await runCommand.startDetached(['/bin/sh', '-c', 'sleep 1000; :', script, 'stop'], { output: join(folder, 'out'), user: 'nobody' });
  t.teardown(() => 'pid' in liar && process.kill(-liar.pid, 'SIGKILL'));
  const target = serviceTarget({ type: 'init', script, pidfile }, { stateFolder: folder });
  await until(async () => (await stateOf(target)).state === 'failed', { timeoutMs: 15_000, what: 'the end to count as a crash' });
});

/** One service of each kind that can be made here, and how its main process is made to crash. */
const kinds: readonly { readonly kind: string; readonly make: (t: TestScope) => Promise<{ readonly target: ServiceTarget; readonly crash: (state: ServiceState) => unknown }> }[] = [
  {
    kind: 'process',
    async make(t) {
      return { target: serviceTarget({ type: 'process', start: ['/bin/sleep', '1000'] }, { stateFolder: tempFolder(t) }), crash: ({ mainPid }) => signal(mainPid!, 'SIGKILL') };
    },
  },
  {
    kind: 'init',
    async make(t) {
      const folder = tempFolder(t);
      const pidfile = join(folder, 'pid');
      const script = join(folder, 'script');
      const start = `grep -qs 'State:.[RS]' /proc/$(cat ${pidfile} 2> /dev/null)/status && exit 0; sleep 1000 > /dev/null 2>&1 & echo $! > ${pidfile}`;
      writeFileSync(script, `#!/bin/sh\ncase "$1" in\n  start) ${start} ;;\n  stop) kill $(cat ${pidfile}) 2> /dev/null; rm -f ${pidfile} ;;\nesac\n:\n`, { mode: 0o755 });
      return { target: serviceTarget({ type: 'init', script, pidfile, stop_timeout: '5s' }, { stateFolder: folder }), crash: ({ mainPid }) => signal(mainPid!, 'SIGKILL') };
    },
  },
  {
    kind: 'docker',
    async make(t) {
      const engine = await startFakeEngine(t);
      engine.start();
      return { target: serviceTarget({ type: 'docker', container: 'shop', api: engine.api }, { stateFolder: tempFolder(t) }), crash: () => engine.crash(1) };
    },
  },
];

for (const { kind, make } of kinds) {
  t.test(`a service of type ${kind} answers the same questions in the same words`, async (t) => {
    const { target, crash } = await make(t);
    t.teardown(() => control(target, 'stop'));
    t.match(await control(target, 'start'), { result: 'done', durationMs: Number });
    const first = await stateOf(target);
    t.match(first, { state: 'running', fence: /./ });
    t.match(await control(target, 'start'), { result: 'done' }, 'what runs is started already');
    t.equal((await stateOf(target)).fence, first.fence, 'and is the same run');
    t.match(await control(target, 'restart'), { result: 'done' });
    const second = await stateOf(target);
    t.match(second, { state: 'running' });
    t.not(second.fence, first.fence, 'another run has another fence');
    crash(second);
    await until(async () => (await stateOf(target)).state === 'failed', { timeoutMs: 15_000, what: 'the end to count as a crash' });
    const failed = await stateOf(target);
    t.equal(failed.oomKilled, undefined);
    t.equal(failed.supervisorActsInMs, undefined, 'nobody else starts it');
    t.match(await control(target, 'start'), { result: 'done' });
    t.match(await control(target, 'stop'), { result: 'done' });
    t.match(await stateOf(target), { state: 'stopped' }, 'our own stop is on purpose');
    t.match(await control(target, 'stop'), { result: 'done' }, 'what is stopped is stopped already');
    for (const verb of ['start', 'stop', 'restart'] as const) t.ok(types[target.config.type].can(target, verb), verb);
  });
}

t.test('an external service is not controlled', async (t) => {
  const target = serviceTarget({ type: 'external' }, { stateFolder: tempFolder(t) });
  t.match(await stateOf(target), { state: 'unknown', text: 'not controlled by goodgateway' });
  t.match(await control(target, 'restart'), { result: 'failed', detail: 'shop is external: goodgateway cannot restart it' });
  t.notOk(types.external.can(target, 'start'));
});

t.test('each service gets the configuration test of its kind, or the one that its policy names', async (t) => {
  const test = (service: object) => {
    const target = serviceTarget(service, { stateFolder: '/nowhere' });
    return types[target.config.type].configTest(target);
  };
  t.same(test({ type: 'systemd', unit: 'php8.2-fpm.service' }), ['/usr/sbin/php-fpm8.2', '--fpm-config', '/etc/php/8.2/fpm/php-fpm.conf', '-t']);
  t.same(test({ type: 'init', script: '/etc/init.d/apache2', pidfile: '/run/apache2/apache2.pid' }), ['/usr/sbin/apachectl', 'configtest']);
  t.same(test({ type: 'process', start: ['/usr/sbin/php-fpm8.2', '-D', '-y', '/x.conf'] }), ['/usr/sbin/php-fpm8.2', '-y', '/x.conf', '-t']);
  t.equal(test({ type: 'process', start: ['/usr/bin/node', 'shop.js'] }), undefined);
  t.same(test({ type: 'systemd', unit: 'shop.service', config_test: ['/bin/check'] }), ['/bin/check']);
  t.same(test({ type: 'docker', container: 'shop', config_test: ['/bin/check'] }), ['/bin/check'], 'of a container only one that its policy names, run on the host');
  t.equal(test({ type: 'docker', container: 'shop' }), undefined);
  const options = (service: object) => configTestOptions(serviceTarget(service, { stateFolder: '/nowhere' }));
  t.same(
    options({ type: 'process', start: ['/bin/shop'], user: 'nobody', folder: '/srv', environment: { A: '1' } }),
    { user: 'nobody', folder: '/srv', environment: { A: '1' } },
    'it is run as the service is',
  );
  t.same(options({ type: 'process', start: ['/bin/shop'] }), {});
  t.same(options({ type: 'systemd', unit: 'shop.service' }), {});
});
