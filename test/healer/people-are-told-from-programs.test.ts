import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ServiceState } from '../../src/healer/leaves.ts';
import { bySupervisor, changeBetween } from '../../src/healer/notice-change.ts';
import { noticeHumans } from '../../src/healer/notice-humans.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import { process as processService } from '../../src/healer/services/registry.ts';
import type { ActorPlaces } from '../../src/healer/surroundings/other-actors.ts';
import { smallHealer } from '../fixtures/healer/small-healer.ts';
import { noDpkg, startDpkg } from '../fixtures/services/real-dpkg.ts';
import { serviceTarget } from '../fixtures/services/target.ts';
import { startPhpFpm } from '../support/php-fpm.ts';
import { processInfo, signal } from '../support/processes.ts';
import { missing } from '../support/skip.ts';
import { bootSystemd, cannotBootSystemd } from '../support/systemd.ts';
import { until } from '../support/until.ts';

const run = (fence: string, more: Partial<ServiceState> = {}): ServiceState => ({ state: 'running', text: `${fence} runs`, pids: [1], fence, ...more });
const failed: ServiceState = { state: 'failed', text: 'its process is gone', pids: [], fence: '' };
const stopped: ServiceState = { state: 'stopped', text: 'there is no pidfile', pids: [], fence: '' };
const starting: ServiceState = { state: 'starting', text: 'a start is under way', pids: [], fence: '' };

/** A host that was booted long ago, on which nothing else has worked lately; and a service that is looked at once a second. */
async function scene(t: Test, places: Partial<ActorPlaces> = {}) {
  const small = await smallHealer(t, { policies: { shop: { depends_on: ['mariadb'] }, mariadb: {} } });
  const uptime = join(small.folder, 'uptime');
  writeFileSync(uptime, '864000.00 1.00\n');
  const look = async (...states: readonly ServiceState[]): Promise<void> => {
    for (const state of states) {
      await noticeHumans(small.ward('shop'), state, small.healer, { uptime, packageLocks: [], traces: [], ...places });
      small.clock.pass(1000);
    }
  };
  const acted = () => small.audit('human.acted').map(({ text }) => String(text));
  return { ...small, uptime, look, acted };
}

t.test('R29 step aside for people: what a person does to a service is recorded, with the facts that it was judged by', async (t) => {
  const cases: readonly (readonly [what: string, states: readonly ServiceState[], expected: RegExp])[] = [
    ['restarted between two looks', [run('a'), run('b')], /^shop: it was restarted \(a, then b; b runs\), and not by goodgateway, its supervisor, the boot, a package manager, logrotate or certbot/],
    ['a restart that passes through a stop', [run('a'), stopped, starting, run('b')], /it was restarted \(a, then b/],
    ['stopped', [run('a'), stopped, stopped], /it was stopped \(a, then nothing running/],
    ['started after a stop', [stopped, run('a')], /it was started/],
    ['started by hand after a crash', [run('a'), failed, run('b')], /it was started/],
    ['a crashed one, stopped for good', [failed, stopped, stopped], /it was stopped/],
    ['a start that failed', [stopped, { ...failed, fence: 'c' }], /a start of it failed/],
    ['a reload, where it leaves a trace', [run('a', { changeMark: '1' }), { ...starting, fence: 'a' }, run('a', { changeMark: '2' })], /it read its configuration anew/],
    ['systemd counts anew: somebody started it', [run('a', { supervisorRestarts: 3 }), run('b', { supervisorRestarts: 0 })], /it was restarted/],
  ];
  for (const [what, states, expected] of cases) {
    const { look, acted, healer, clock } = await scene(t);
    await look(...states);
    t.match(acted(), [expected], what);
    t.match(acted(), [/taken for the work of a person; it is left alone for 3 min, unless it crashes$/], what);
    t.match(healer.state.state().services.get('shop')?.humanActed, { atMs: clock.monotonicMs() - 1000, text: /taken for the work of a person/ }, what);
  }
});

t.test('R29 step aside for people: a crash, and whatever programs do, is no work of a person', async (t) => {
  const cases: readonly (readonly [what: string, states: readonly ServiceState[]])[] = [
    ['the first look: nobody knows what was before', [run('a')]],
    ['nothing happens', [run('a'), run('a'), run('a')]],
    ['a crash', [run('a'), failed]],
    ['a freeze and its end', [run('a', { changeMark: '1' }), { ...run('a', { changeMark: '2' }), state: 'frozen' }, run('a', { changeMark: '3' })]],
    ["systemd's own restart", [run('a', { supervisorRestarts: 0 }), { ...failed, fence: 'a', supervisorActsInMs: 100 }, run('b', { supervisorRestarts: 1 })]],
    ["systemd's own restart between two looks", [run('a', { supervisorRestarts: 4 }), run('b', { supervisorRestarts: 5 })]],
    ['stopped by the package manager', [run('a'), { ...stopped, stoppedByPackage: true }, { ...stopped, stoppedByPackage: true }]],
    ['what cannot be found out for a while', [run('a'), { ...stopped, state: 'unknown' }, run('a')]],
  ];
  for (const [what, states] of cases) {
    const { look, acted } = await scene(t);
    await look(...states);
    t.same(acted(), [], what);
  }
});

t.test('R29 step aside for people: our own acts are not theirs', async (t) => {
  const own = await scene(t);
  await own.look(run('a'), failed);
  own.ward('shop').lastAct = { action: 'start', startedMs: own.clock.monotonicMs() };
  await own.look(stopped, starting, run('b'));
  t.same(own.acted(), [], 'a start that is under way');
  own.ward('shop').lastAct = { action: 'start', startedMs: own.clock.monotonicMs() - 1000, endedMs: own.clock.monotonicMs() };
  await own.look(run('c'));
  t.same(own.acted(), [], 'that has just ended');
  t.match(own.log, [/it was started, and not by a person: goodgateway did start on shop/, /it was restarted, and not by a person/]);
  own.clock.pass(3000);
  await own.look(run('c'), run('d'));
  t.match(own.acted(), [/it was restarted \(c, then d/], 'one that ended before is no excuse');

  const dependency = await scene(t);
  await dependency.look(run('a'));
  dependency.ward('mariadb').lastAct = { action: 'restart', startedMs: dependency.clock.monotonicMs() };
  await dependency.look(run('b'));
  t.same(dependency.acted(), [], 'systemd hands the restart of a dependency on');

  const before = await scene(t);
  const incident = { id: '01JDDDDDDDDDDDDDDDDDDDDDDD', service: 'shop', openedAtMs: 0, symptom: { seenBy: 'watch', kind: 'service_down', count: 1, text: 'down' } } as const;
  await before.healer.state.startStep({ incident, rule: 'r', step: { action: 'start', options: {}, timeoutMs: 1000, attempt: 1, rung: 0 }, counts: true });
  await before.look(failed, run('a'));
  t.same(before.acted(), [], 'what the healer before us began');
});

t.test('R29 step aside for people: package managers, logrotate, certbot and the boot leave traces', { skip: noDpkg() }, async (t) => {
  const folder = (await scene(t)).folder;
  const dpkg = await startDpkg(t, folder);
  const locked = await scene(t, { packageLocks: [dpkg.lockFrontend] });
  await locked.look(run('a'), run('b'));
  t.same(locked.acted(), []);
  t.match(locked.log, [new RegExp(`not by a person: a package manager is at work: process ${dpkg.pid} \\(dpkg\\)`)]);
  await dpkg.finish();

  const trace = join(folder, 'trace');
  for (const [agoS, isPerson] of [
    [59, false],
    [61, true],
  ] as const) {
    const { look, acted, log, clock } = await scene(t, { traces: [{ who: 'logrotate', path: trace }] });
    writeFileSync(trace, '');
    utimesSync(trace, clock.wallMs() / 1000 + 1 - agoS, clock.wallMs() / 1000 + 1 - agoS);
    await look(run('a', { changeMark: '1' }), run('a', { changeMark: '2' }));
    t.equal(acted().length, isPerson ? 1 : 0, `a trace of ${agoS} s ago`);
    if (!isPerson) t.match(log, [/it read its configuration anew, and not by a person: logrotate was at work 59 s ago/]);
  }

  const boot = await scene(t);
  writeFileSync(boot.uptime, '60.00 1.00\n');
  await boot.look(stopped, run('a'));
  t.same(boot.acted(), []);
  t.match(boot.log, [/the host was booted 1 min ago/]);
});

t.test('R29 step aside for people: a service that somebody restarts all the time fills no log', async (t) => {
  const { look, acted } = await scene(t);
  await look(...Array.from({ length: 60 }, (_, index) => run(String(index))));
  t.equal(acted().length, 6, 'one in ten seconds');
});

t.test('R29 step aside for people: a real php-fpm without systemd, crashed and restarted by hand', { skip: missing('php-fpm8.2') }, async (t) => {
  const fpm = await startPhpFpm(t, { maxChildren: 1 });
  const target = serviceTarget({ type: 'process', pidfile: fpm.pidfile, start: fpm.startArgv, stop: { signal: 'QUIT', timeout: '2s' } }, { stateFolder: fpm.folder });
  const { look, acted } = await scene(t);
  const see = async () => look(await processService.state(target, runCommand, AbortSignal.timeout(5000)));
  await see();
  const first = fpm.masterPid();
  for (const { pid } of fpm.processes()) signal(pid, 'SIGKILL');
  await until(() => processInfo(first) === undefined, { timeoutMs: 15_000, what: 'its end' });
  await see();
  t.same(acted(), [], 'a crash');
  await fpm.start();
  await see();
  t.match(acted(), [new RegExp(`it was started \\(nothing running, then ${fpm.masterPid()}:`)]);
});

t.test('R29 step aside for people: what systemd tells of restarts and reloads', { skip: cannotBootSystemd() }, async (t) => {
  const unit = '[Service]\nExecStart=/bin/sleep 1000\nExecReload=/bin/true\nRestart=always\nRestartSec=100ms\n';
  const systemd = await bootSystemd(t, { units: { 'shop.service': unit }, wanted: ['shop.service'] });
  const node = process.execPath.replace(join(import.meta.dirname, '../..'), systemd.project);
  const ask = async (): Promise<ServiceState> =>
    JSON.parse(await systemd.inside([node, `${systemd.project}/test/fixtures/services/ask-service.ts`, '{"type":"systemd","unit":"shop.service"}'])) as ServiceState;
  const systemctl = (...words: string[]) => systemd.inside(['/usr/bin/systemctl', ...words]);
  const comesBack = (before: ServiceState) =>
    until(async () => ((state) => (state.state === 'running' && state.fence !== before.fence ? state : undefined))(await ask()), { timeoutMs: 15_000, what: 'its next run' });

  const first = await ask();
  await systemctl('kill', '--signal=KILL', 'shop.service');
  const second = await comesBack(first);
  t.equal(changeBetween(first, second), 'restarted');
  t.ok(bySupervisor(first, second), "systemd's own");
  await systemctl('restart', 'shop.service');
  const third = await ask();
  t.equal(changeBetween(second, third), 'restarted');
  t.notOk(bySupervisor(second, third), 'by hand, which systemd does not count');
  t.equal(changeBetween(third, await ask()), undefined);
  await systemctl('daemon-reload');
  t.equal(changeBetween(third, await ask()), undefined, 'that systemd read its units is no change of the service');
  await systemctl('reload', 'shop.service');
  t.equal(changeBetween(third, await ask()), 'reloaded');
});
