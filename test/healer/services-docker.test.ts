/** Containers, against a small Engine that follows the published API: no real one can run where these tests do. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { containerInspect } from '../../src/healer/collectors/container-inspect.ts';
import type { ServiceTarget } from '../../src/healer/leaves.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import { containerLogsTail, readFrames } from '../../src/healer/service-parts/container-logs.ts';
import { endByPolicy } from '../../src/healer/service-parts/container-end.ts';
import { parseContainer } from '../../src/healer/service-parts/container-inspect.ts';
import { docker } from '../../src/healer/services/docker.ts';
import { logFrame, startFakeEngine, type FakeEngine } from '../fixtures/services/fake-engine.ts';
import { serviceTarget } from '../fixtures/services/target.ts';
import { isRoot } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const soon = (): AbortSignal => AbortSignal.timeout(20_000);
const stateOf = (target: ServiceTarget) => docker.state(target, runCommand, soon());
const control = (target: ServiceTarget, verb: 'start' | 'stop' | 'reload' | 'restart', signal = soon()) => docker.control(target, verb, runCommand, signal);

function targetOf(t: TestScope, engine: FakeEngine, more: object = {}): ServiceTarget {
  return serviceTarget({ type: 'docker', container: 'shop', api: engine.api, ...more }, { stateFolder: tempFolder(t) });
}

t.test('R21 fence: a container is known by its id and the moment of its start', async (t) => {
  const engine = await startFakeEngine(t);
  const target = targetOf(t, engine);
  t.match(await stateOf(target), { state: 'stopped', text: /never started/ });
  t.match(await control(target, 'start'), { result: 'done', detail: 'start container shop' });
  const first = await stateOf(target);
  t.match(first, { state: 'running', fence: `${engine.id}:${engine.state.StartedAt}`, pids: [], text: /^the Engine says running/ });
  t.equal(first.changing, undefined);
  t.equal((await stateOf(target)).fence, first.fence);
  t.match(await control(target, 'restart'), { result: 'done' });
  t.not((await stateOf(target)).fence, first.fence, 'a restart is another run');
  engine.replace('b'.repeat(64));
  t.match(await stateOf(target), { state: 'running', fence: /^b{64}:/ }, 'so is another container of the same name');
});

t.test('R17 change detection: a container that is paused, removed or newly made is in somebody else’s hands', async (t) => {
  const engine = await startFakeEngine(t);
  const target = targetOf(t, engine);
  engine.start();
  t.equal((await stateOf(target)).changing, undefined);
  engine.state.Paused = true;
  t.match(await stateOf(target), { state: 'frozen', changing: 'the container is paused' });
  engine.state.Paused = false;
  engine.state.Status = 'removing';
  t.match(await stateOf(target), { state: 'stopping', changing: 'the container is being removed' });
  engine.exists = false;
  t.match(await stateOf(target), { state: 'stopped', changing: /gone since less than \d s/, text: /knows no container shop/ });
  engine.exists = true;
  engine.replace('c'.repeat(64));
  t.match(await stateOf(target), { state: 'running', changing: /made \d s ago/ });
  const unknown = serviceTarget({ type: 'docker', container: 'shap', api: engine.api }, { stateFolder: tempFolder(t) });
  const never = await stateOf(unknown);
  t.match(never, { state: 'stopped', text: /knows no container shap: it was removed, or never made/ });
  t.equal(never.changing, undefined, 'one that was never there is nobody’s work');
});

t.test('a deliberate stop is told from a crash by the events of the Engine, whatever the exit code', async (t) => {
  const engine = await startFakeEngine(t);
  const target = targetOf(t, engine);
  const ends: readonly (readonly [string, () => void, object])[] = [
    ['docker stop', () => engine.stop(143), { state: 'stopped', exitCode: 143, text: /asked to stop it/ }],
    ['docker stop of a program that ends with 1', () => engine.stop(1), { state: 'stopped', exitCode: 1 }],
    ['docker kill', () => engine.kill(9, 137), { state: 'stopped', exitCode: 137, text: /asked to send it signal 9/ }],
    ['a crash', () => engine.crash(1), { state: 'failed', exitCode: 1, text: /nobody asked the Engine to stop it/ }],
    ['an end with 0', () => engine.crash(0), { state: 'failed', exitCode: 0 }],
    ['killed by the kernel for want of memory', () => engine.crash(137, { OOMKilled: true }), { state: 'failed', exitCode: 137, oomKilled: true, text: /want of memory/ }],
    ['killed from outside', () => engine.crash(137), { state: 'failed', exitCode: 137 }],
    ['HUP, and then a crash', () => (engine.kill(1), engine.crash(139)), { state: 'failed', exitCode: 139 }],
  ];
  for (const [what, end, expected] of ends) {
    engine.start();
    t.match(await stateOf(target), { state: 'running' });
    end();
    t.match(await stateOf(target), expected, what);
    engine.forgetEvents();
    t.match(await stateOf(target), expected, `${what}: remembered when the Engine has forgotten it`);
  }
  engine.start();
  engine.stop();
  engine.start();
  engine.crash(1);
  t.match(await stateOf(target), { state: 'failed' }, 'a stop of the run before says nothing of this one');
});

t.test('without events the restart policy tells, and what nobody can tell counts as stopped', async (t) => {
  const engine = await startFakeEngine(t);
  const target = targetOf(t, engine);
  engine.start();
  // a little in the future, so that it is new for a while
  engine.crash(1, { FinishedAt: new Date(Date.now() + 1900).toISOString() });
  engine.forgetEvents();
  t.match(await stateOf(target), { state: 'stopping', text: /whether it was stopped is told in a moment/ }, 'the end is newer than its events');
  engine.filtered = /^\/events/;
  t.match(await stateOf(target), { state: 'failed', text: /exit code 1 is no stop's/ });
  engine.start();
  engine.crash(143);
  t.match(await stateOf(target), { state: 'stopped', text: /143 may be a stop/ });

  const ended = (more: object) => parseContainer(Buffer.from(JSON.stringify({ Id: 'a'.repeat(64), State: { Status: 'exited', ...more }, ...more })))!;
  const policy = (Name: string, MaximumRetryCount = 0) => ({ HostConfig: { RestartPolicy: { Name, MaximumRetryCount } } });
  const rows: readonly (readonly [object, 'stopped' | 'by_itself'])[] = [
    [{ ...policy('always'), ExitCode: 1 }, 'stopped'],
    [{ ...policy('unless-stopped'), ExitCode: 1 }, 'stopped'],
    [{ ...policy('unless-stopped'), ExitCode: 128, Error: 'driver failed programming external connectivity' }, 'by_itself'],
    [{ ...policy('on-failure', 3), ExitCode: 1, RestartCount: 3 }, 'by_itself'],
    [{ ...policy('on-failure', 3), ExitCode: 1, RestartCount: 1 }, 'stopped'],
    [{ ...policy('on-failure'), ExitCode: 0 }, 'stopped'],
    [{ ...policy('no'), ExitCode: 137, OOMKilled: true }, 'by_itself'],
    [{ ...policy('no'), ExitCode: 137 }, 'stopped'],
    [{ ExitCode: 139 }, 'by_itself'],
  ];
  for (const [what, how] of rows) t.equal(endByPolicy(ended(what)).how, how, JSON.stringify(what));
});

t.test('states that the Engine has words for', async (t) => {
  const engine = await startFakeEngine(t, { restartPolicy: { Name: 'always', MaximumRetryCount: 0 } });
  const target = targetOf(t, engine);
  engine.start();
  engine.state.Health = { Status: 'unhealthy', FailingStreak: 4 };
  t.match(await stateOf(target), { state: 'running', text: /unhealthy \(4 checks in a row\)/ });
  delete engine.state.Health;
  engine.crash(1);
  engine.state.Status = 'restarting';
  engine.restartCount = 9;
  const restarting = await stateOf(target);
  t.match(restarting, { state: 'failed', exitCode: 1, text: /about to restart it/ });
  t.ok(restarting.supervisorActsInMs! > 26_000 && restarting.supervisorActsInMs! <= 51_200, `${restarting.supervisorActsInMs} ms: 100 ms, doubled nine times`);
  engine.state.Status = 'dead';
  t.match(await stateOf(target), { state: 'failed', text: /cannot start it/ });
  engine.state.Status = 'created';
  engine.state.Error = 'port is already allocated';
  t.match(await stateOf(target), { state: 'failed', text: /could not be started: port is already allocated/ });
  engine.state.Status = 'checkpointed';
  t.match(await stateOf(target), { state: 'unknown', text: /checkpointed: this state is not known/ });
});

t.test('its processes are seen where its main one is really there, in its own cgroup', async (t) => {
  const engine = await startFakeEngine(t);
  engine.id = randomBytes(32).toString('hex');
  const target = targetOf(t, engine);
  engine.start();
  engine.state.Pid = process.pid;
  t.match(await stateOf(target), { state: 'running', pids: [] }, 'a number that is another program here');
  const root = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .find(([, , type]) => type === 'cgroup2')?.[1];
  if (!isRoot || root === undefined) return void t.pass('needs root and a cgroup2 file system', { skip: true });
  const cgroup = `${root}/docker-${engine.id}.scope`;
  mkdirSync(cgroup);
  t.teardown(() => until(() => (rmdirSync(cgroup), true), { timeoutMs: 15_000, what: 'the cgroup to be empty' }));
  const started = await runCommand.startDetached(['/bin/sh', '-c', 'sleep 1000 & wait'], { output: join(target.stateFolder, 'out') });
  if (!('pid' in started)) throw new Error(started.startError);
  const { pid } = started;
  t.teardown(() => process.kill(-pid, 'SIGKILL'));
  writeFileSync(`${cgroup}/cgroup.procs`, String(pid));
  engine.state.Pid = pid;
  const seen = await until(async () => (await stateOf(target)).pids.length === 2 && (await stateOf(target)), { timeoutMs: 15_000, what: 'both processes to be seen' });
  t.match(seen, { state: 'running', mainPid: pid });
  process.kill(-pid, 'SIGSTOP');
  await until(async () => (await stateOf(target)).state === 'frozen', { timeoutMs: 15_000, what: 'all to be stopped' });
});

t.test('R22 unknown outcome: the call waits longer than the container’s own end, and what it cannot know is unknown', async (t) => {
  const engine = await startFakeEngine(t, { stopTimeoutS: 120 });
  const target = targetOf(t, engine, { stop_timeout: '5s' });
  engine.start();
  t.match(await control(target, 'start'), { result: 'done', detail: /it is so already/ }, '304');
  t.match(await control(target, 'restart'), { result: 'done' });
  t.equal(engine.asked.at(-1), 'POST /containers/shop/restart?t=120', 'never less than the container itself wants');
  t.match(await control(target, 'stop'), { result: 'done' });
  t.match(await stateOf(target), { state: 'stopped' }, 'a stop by us is a stop');
  t.match(await control(target, 'stop'), { result: 'done', detail: /so already/ });
  await control(target, 'start');

  engine.state.StartedAt = new Date(Date.now() - 60_000).toISOString();
  engine.hangs = /restart/;
  const before = engine.asked.length;
  const over = new AbortController();
  const slow = control(target, 'restart', over.signal);
  await until(() => engine.asked.slice(before).some((asked) => asked.includes('/restart')), { timeoutMs: 15_000, what: 'the restart to be asked for' });
  t.match(await stateOf(target), { state: 'running' }, 'the old run, seen while it takes its time to end, does not end the restart');
  over.abort();
  t.match(await slow, { result: 'unknown', detail: /did not answer in time; it may go on/ });
  engine.stop();
  t.match(await stateOf(target), { state: 'failed', text: /goodgateway stopped it for a restart/ }, 'half of our restart is no deliberate stop');
  engine.hangs = /./;
  t.match(await docker.state(target, runCommand, AbortSignal.timeout(100)), { state: 'unknown', text: /did not answer in time/ }, 'a hung Engine');
  engine.hangs = /^$/;
  t.match(await control(target, 'start'), { result: 'done' });

  for (const [status, message] of [
    [404, 'No such container: shop'],
    [409, 'cannot start a paused container, try unpause instead'],
    [500, 'driver failed programming external connectivity on endpoint shop'],
  ] as const) {
    engine.broken = { status, message };
    t.match(await control(target, 'restart'), { result: 'failed', detail: `restart container shop: the Engine answered ${status}: ${message}` });
  }
  for (const status of [409, 500]) {
    engine.broken = { status, message: 'no' };
    await control(target, 'restart');
    engine.stop();
    t.match(await stateOf(target), { state: 'stopped' }, 'a restart that has stopped nothing leaves a later stop what it is');
    engine.start();
  }
  engine.broken = undefined;
  t.match(await control(target, 'reload'), { result: 'failed', detail: /cannot be reloaded/ });
  t.notOk(docker.can(target, 'reload'));
  rmSync(engine.api.slice('unix:'.length));
  t.match(await control(target, 'start'), { result: 'failed', detail: /cannot be reached \(ENOENT\)/ }, 'nothing was sent');
  t.match(await stateOf(target), { state: 'unknown', text: /cannot be reached/ });
});

t.test('the version is the one that the Engine speaks, and only the configured name reaches it', async (t) => {
  const newer = await startFakeEngine(t, { versions: ['1.44', '1.52'], name: 'shop.web_1-x' });
  const target = targetOf(t, newer, { container: 'shop.web_1-x' });
  newer.start();
  t.match(await stateOf(target), { state: 'running' });
  t.same(newer.spoken, ['1.41', '1.44']);
  await stateOf(target);
  t.equal(newer.spoken.at(-1), '1.44', 'asked once');
  t.match(newer.asked.at(-1), /^GET \/containers\/shop\.web_1-x\/json$/);
  const older = await startFakeEngine(t, { versions: ['1.12', '1.30'] });
  older.start();
  t.match(await stateOf(targetOf(t, older)), { state: 'running' });
  t.same(older.spoken, ['1.41', '1.30']);
  newer.filtered = /json/;
  t.match(await stateOf(target), { state: 'unknown', text: /answered 403: "403 Forbidden"/ });
  for (const container of ['a/../b', 'a b', '', '-x', 'a?b'])
    t.throws(() => serviceTarget({ type: 'docker', container }, { stateFolder: '/nowhere' }), /name of one container/, JSON.stringify(container));
});

t.test('the last lines of a container’s log, with and without the frames of its streams', async (t) => {
  const engine = await startFakeEngine(t);
  const read = () => containerLogsTail({ api: { kind: 'unix', path: engine.api.slice(5) }, container: 'shop' }, { lines: 50, sinceMs: 12_345 }, soon());
  engine.logs = Buffer.concat([logFrame(1, 'listens on 8080\n'), logFrame(2, 'Error: cannot reach '), logFrame(2, 'the database\n')]);
  t.same(await read(), { lines: ['listens on 8080', 'Error: cannot reach the database'] });
  t.equal(engine.asked.at(-1), 'GET /containers/shop/logs?stdout=1&stderr=1&tail=50&since=12');
  engine.logs = Buffer.from('a terminal writes\r\nbare lines\r\n');
  t.same(await read(), { lines: ['a terminal writes', 'bare lines'] });
  t.same(readFrames(logFrame(1, 'cut off').subarray(0, 11)).toString(), 'cut');
  t.same(readFrames(Buffer.from([1, 0, 0])), Buffer.from([1, 0, 0]));
  engine.exists = false;
  t.same(await read(), { missing: 'the Engine answered 404: No such container: shop' });
});

t.test('R11: the evidence of a container holds neither its environment nor the secrets in its commands', async (t) => {
  const engine = await startFakeEngine(t);
  engine.config = {
    Env: ['DB_PASSWORD=hunter2'],
    Cmd: ['redis-server', '--requirepass', 'hunter2', '--port', '6379'],
    Healthcheck: { Test: ['CMD', 'mysqladmin', 'ping', '-uroot', '-phunter2'] },
  };
  const target = targetOf(t, engine);
  const text = await containerInspect.collect({ target, state: await stateOf(target), run: runCommand, sinceMs: 0, maxBytes: 1024 ** 2, timeoutMs: 5000 }, soon());
  t.notMatch(text, /hunter2/);
  t.match(JSON.parse(text), { Config: { Cmd: ['redis-server', '--requirepass', '[redacted]', '--port', '6379'], Healthcheck: { Test: ['CMD', 'mysqladmin', 'ping', '-uroot', '-p[redacted]'] } } });
});
