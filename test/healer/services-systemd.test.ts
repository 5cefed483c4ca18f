import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { stoppingPackage } from '../../src/healer/service-parts/package-stop.ts';
import { startsLeft } from '../../src/healer/service-parts/starts-left.ts';
import { parseTimespan, parseUnit, unitState } from '../../src/healer/service-parts/systemd-state.ts';
import { systemd as systemdType } from '../../src/healer/services/systemd.ts';
import { serviceTarget } from '../fixtures/services/target.ts';
import { bootSystemd, cannotBootSystemd } from '../support/systemd.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

t.test('systemd: states that no machine here can be brought into, read from their properties', async (t) => {
  const read = (lines: string, allStopped = false) => unitState(parseUnit(lines), { pids: allStopped ? [7] : [], allStopped, nowUs: 12_000_000 });
  t.match(read('LoadState=loaded\nActiveState=active\nSubState=running\nFreezerState=frozen\nInvocationID=abc'), { state: 'frozen', fence: 'abc' });
  t.match(read('LoadState=loaded\nActiveState=active\nSubState=running', true), { state: 'frozen' });
  t.match(read('LoadState=masked\nActiveState=inactive'), { state: 'stopped', text: /masked/ });
  t.match(read('LoadState=not-found\nActiveState=inactive'), { state: 'unknown' });
  t.match(read('LoadState=loaded\nActiveState=activating\nSubState=start'), { state: 'starting' });
  t.match(read('LoadState=loaded\nActiveState=deactivating\nSubState=stop-sigterm'), { state: 'stopping' });
  t.match(read('LoadState=loaded\nActiveState=reloading\nSubState=reload'), { state: 'starting' });
  t.match(read('ActiveState=activating\nSubState=auto-restart\nRestartUSec=1min 5s\nStateChangeTimestampMonotonic=10000000'), { state: 'failed', supervisorActsInMs: 63_000 });
  const ended = (result: string) => `ActiveState=failed\nResult=${result}\nRestart=no\nExecMainStartTimestampMonotonic=1\nActiveExitTimestampMonotonic=5\nExecMainExitTimestampMonotonic=9`;
  t.match(read(ended('exit-code')), { state: 'stopped' }, 'a stop job, and an unclean exit during it');
  t.match(read(ended('watchdog')), { state: 'failed' }, 'systemd itself stopped it, because of its watchdog');
  t.match(read(ended('oom-kill')), { state: 'failed' });
  t.match(read(''), { state: 'unknown' });
  for (const [text, ms] of [
    ['100ms', 100],
    ['1min 30s', 90_000],
    ['2h', 7_200_000],
    ['500us', 0.5],
    ['infinity', undefined],
    ['', undefined],
  ] as const)
    t.equal(parseTimespan(text), ms, text);
});

t.test('a hung systemctl: the state is unknown, and so is what became of an order', async (t) => {
  const hung = {
    run: async (argv: readonly string[]) => ({ argv, exitCode: undefined, signal: 'SIGKILL', timedOut: true, durationMs: 5000, output: '' }),
    startDetached: () => Promise.reject(new Error('not asked')),
  };
  const target = serviceTarget({ type: 'systemd', unit: 'shop.service' }, { stateFolder: '/nowhere' });
  t.match(await systemdType.state(target, hung, AbortSignal.timeout(1000)), { state: 'unknown', text: 'systemctl show was still running when its time was over' });
  t.match(await systemdType.control(target, 'restart', hung, AbortSignal.timeout(1000)), { result: 'unknown', detail: /restart shop\.service was still running/ });
});

t.test('R21 start limit: starts are counted rather too many than too few', async (t) => {
  const seconds = (count: number): number => count * 1e6;
  const look = (unit: string, at: number, more: object) => startsLeft({ unit, invocation: 'a', restarts: 0, startedUs: seconds(at), burst: 5, intervalUs: seconds(10), nowUs: seconds(at), ...more });
  t.equal(look('one', 0, {}), 4);
  t.equal(look('one', 1, {}), 4, 'the same run');
  t.equal(look('one', 2, { invocation: 'b' }), 3, 'a start by hand');
  t.equal(look('one', 3, { invocation: 'c', restarts: 2 }), 1, 'two automatic ones between two looks');
  t.equal(look('one', 3, { invocation: 'd', restarts: 4 }), 0);
  t.equal(look('one', 12.5, { invocation: 'd', restarts: 4 }), 1, 'the oldest are forgotten');
  t.equal(look('one', 60, { invocation: 'd', restarts: 4 }), 5);
  t.equal(look('loops', 0, { restarts: 3 }), 1, 'met first in the middle of a loop');
  t.equal(look('old', 60, { startedUs: seconds(1), restarts: 3 }), 5, 'its last start is long ago');
  t.equal(look('free', 0, { burst: 0 }), undefined);
  t.equal(look('free', 0, { intervalUs: 0 }), undefined);
  t.equal(look('for ever', 0, { intervalUs: Infinity }), 4);
  t.equal(look('for ever', 1e6, { intervalUs: Infinity, invocation: 'b' }), 3);
  t.equal(look('never ran', 0, { invocation: '', startedUs: 0 }), 5, 'it never ran');
});

t.test('decision 13: what a package operation stopped is told from a stop by a person', async (t) => {
  const folder = tempFolder(t);
  const places = { log: join(folder, 'dpkg.log'), lists: folder };
  writeFileSync(join(folder, 'php8.2-fpm.list'), '/.\n/lib/systemd/system/php8.2-fpm.service\n');
  writeFileSync(join(folder, 'libc6:amd64.list'), '/usr/lib/libc.so.6\n');
  const upgrade = (name: string, seconds: number) => [
    `10:00:0${seconds} upgrade ${name} 8.2.1 8.2.2`,
    `10:00:0${seconds} status half-configured ${name} 8.2.1`,
    `10:00:0${seconds + 2} status unpacked ${name} 8.2.2`,
    `10:00:0${seconds + 3} configure ${name} 8.2.2 <none>`,
  ];
  const installed = '10:00:06 status installed php8.2-fpm:amd64 8.2.2';
  const write = (...lines: readonly string[]) => writeFileSync(places.log, lines.map((line) => `2026-11-26 ${line}\n`).join(''));
  const stoppedAt = (time: string) => stoppingPackage('/usr/lib/systemd/system/php8.2-fpm.service', Date.parse(`2026-11-26T${time}`), places);
  t.equal(await stoppedAt('10:00:03'), undefined, 'no dpkg here');
  write('10:00:00 startup archives unpack', ...upgrade('php8.2-fpm:amd64', 1), installed);
  t.equal(await stoppedAt('10:00:02.5'), 'php8.2-fpm:amd64');
  t.equal(await stoppedAt('10:00:06.9'), 'php8.2-fpm:amd64', 'the log knows seconds');
  t.equal(await stoppedAt('09:59:50'), undefined, 'before it');
  t.equal(await stoppedAt('10:00:30'), undefined, 'after it: somebody else');
  write(...upgrade('php8.2-fpm:amd64', 1));
  t.equal(await stoppedAt('10:00:02'), undefined, 'not finished, or broken: its lock or a person decides');
  write(...upgrade('libc6:amd64', 1), '10:00:06 status installed libc6:amd64 8.2.2');
  t.equal(await stoppedAt('10:00:02'), undefined, 'another package');
  write('10:00:01 remove php8.2-fpm:amd64 8.2.2 <none>', '10:00:01 status half-configured php8.2-fpm:amd64 8.2.2', '10:00:02 status config-files php8.2-fpm:amd64 8.2.2');
  t.equal(await stoppedAt('10:00:01'), undefined, 'removed');

  const left = unitState(parseUnit('ActiveState=inactive\nResult=success\nExecMainStartTimestampMonotonic=1\nActiveExitTimestampMonotonic=5\nExecMainExitTimestampMonotonic=9'), {
    pids: [],
    allStopped: false,
    nowUs: 12,
    stoppingPackage: 'php8.2-fpm:amd64',
  });
  t.match(left, { state: 'stopped', stoppedByPackage: true, text: /the package manager stopped it while it worked on php8\.2-fpm:amd64/ });
});

const unit = (exec: string, more = ''): string => `[Service]\nExecStart=${exec}\n${more}`;
const units = {
  'crashes.service': unit('/bin/sleep 1000'),
  'ends.service': unit("/bin/sh -c 'while [ ! -e /run/end-now ]; do sleep 0.02; done'"),
  'is-stopped.service': unit('/bin/sleep 1000'),
  'exits-0-when-stopped.service': unit('/bin/sh -c \'trap "exit 0" QUIT; while :; do sleep 0.02; done\'', 'KillSignal=SIGQUIT\n'),
  'is-restarted.service': unit('/bin/sleep 1000', 'Restart=always\nRestartSec=60\n'),
  'is-restarted-after-0.service': unit("/bin/sh -c 'while [ ! -e /run/end-now ]; do sleep 0.02; done'", 'Restart=always\nRestartSec=60\n'),
  'limited.service': `[Unit]\nStartLimitIntervalSec=1000\nStartLimitBurst=3\n${unit('/bin/sleep 1000')}`,
  'fails-on-failure.service': `[Unit]\nStartLimitIntervalSec=1000\nStartLimitBurst=2\n${unit('/bin/false', 'Restart=on-failure\nRestartSec=10ms\n')}`,
  'gives-up-at-once.service': unit('/bin/sh -c "exit 7"', 'Restart=always\nRestartSec=10ms\nRestartPreventExitStatus=7\n'),
  'eats-memory.service': unit('/bin/sleep 1000', 'OOMPolicy=kill\n'),
  'on-demand.socket': '[Socket]\nListenStream=/run/on-demand.sock\n',
  'on-demand.service': unit('/bin/true'),
  'always-fails.service': `[Unit]\nStartLimitIntervalSec=1000\nStartLimitBurst=2\n${unit('/bin/false', 'Restart=always\nRestartSec=10ms\n')}`,
};

const beside = {
  'long.service': '[Service]\nType=oneshot\nExecStart=/bin/sleep 1000\nTimeoutStartSec=infinity\n',
  'waits-for-long.service': `[Unit]\nAfter=long.service\n${unit('/bin/sleep 1000')}`,
  // an empty unit file is how a package masks one
  'masked.service': '',
};

t.test('on a real systemd', { skip: cannotBootSystemd() }, async (t) => {
  const systemd = await bootSystemd(t, { units: { ...units, ...beside }, wanted: Object.keys(units) });
  /** `[unit, verb]` as often as wanted, all asked by one process. */
  const askAll = async (...questions: readonly (readonly [unit: string, verb?: string])[]) =>
    JSON.parse(
      await systemd.inside([
        process.execPath.replace(join(import.meta.dirname, '..', '..'), systemd.project),
        `${systemd.project}/test/fixtures/services/ask-service.ts`,
        ...questions.flatMap(([name, verb = 'state']) => [JSON.stringify({ type: 'systemd', unit: name }), verb]),
      ]),
    );
  const ask = (name: string, verb = 'state') => askAll([name, verb]);
  const systemctl = (...words: string[]) => systemd.try(['/usr/bin/systemctl', ...words]);
  const property = async (name: string, what: string) => (await systemctl('show', '--value', `--property=${what}`, name)).output.trim();
  const becomes = (name: string, sub: string) => until(async () => (await property(name, 'SubState')) === sub, { timeoutMs: 15_000, what: `${name} to be ${sub}` });

  await t.test('a running unit shows its pids and its invocation', async (t) => {
    const state = await ask('crashes.service');
    const main = Number(await property('crashes.service', 'MainPID'));
    t.match(state, { state: 'running', mainPid: main, pids: [main], fence: await property('crashes.service', 'InvocationID') });
  });

  await t.test('killed with KILL: failed, with the signal; a start brings it back with another fence', async (t) => {
    const before = await ask('crashes.service');
    await systemctl('kill', '-s', 'KILL', 'crashes.service');
    await becomes('crashes.service', 'failed');
    const [failed, started, after] = await askAll(['crashes.service'], ['crashes.service', 'start'], ['crashes.service']);
    t.match(failed, { state: 'failed', exitSignal: 'SIGKILL', pids: [] });
    t.match(started, { result: 'done', exitCode: 0 });
    t.equal(after.state, 'running');
    t.not(after.fence, before.fence);
  });

  await t.test('stopped by an operator: stopped, whatever its exit status', async (t) => {
    await systemctl('stop', 'is-stopped.service', 'exits-0-when-stopped.service');
    const [one, other] = await askAll(['is-stopped.service'], ['exits-0-when-stopped.service']);
    for (const state of [one, other]) t.match(state, { state: 'stopped', text: /a stop job ended it/ });
    t.match(other, { exitCode: 0 });
  });

  await t.test('ended with 0 by itself: failed, though systemd says success', async (t) => {
    await systemd.inside(['/usr/bin/touch', '/run/end-now']);
    await becomes('ends.service', 'dead');
    t.equal(await property('ends.service', 'Result'), 'success');
    t.match(await ask('ends.service'), { state: 'failed', exitCode: 0, text: /ended by itself, without a stop job/ });
  });

  await t.test('about to be restarted by systemd: says when; a stop then is a stop', async (t) => {
    await systemctl('kill', '-s', 'KILL', 'is-restarted.service');
    for (const name of ['is-restarted.service', 'is-restarted-after-0.service']) {
      await becomes(name, 'auto-restart');
      const state = await ask(name);
      t.match(state, { state: 'failed', text: /about to restart it/ }, name);
      t.ok(state.supervisorActsInMs > 0 && state.supervisorActsInMs <= 60_000, `${state.supervisorActsInMs} ms are left`);
      await systemctl('stop', name);
      t.match(await ask(name), { state: 'stopped', text: /cancelled its restart/ }, name);
    }
  });

  await t.test('its start limit is reached: failed, systemd has given up, and a start fails with its words', async (t) => {
    await becomes('always-fails.service', 'failed');
    const names = ['always-fails.service', 'fails-on-failure.service', 'gives-up-at-once.service'] as const;
    for (const name of names) await becomes(name, 'failed');
    const [always, onFailure, other, start] = await askAll(...names.map((name) => [name] as const), ['always-fails.service', 'start']);
    for (const state of [always, onFailure])
      t.match(state, { state: 'failed', exitCode: 1, startLimitHit: true, startsLeft: 0, text: /Result=exit-code.*given up \(Restart=.*\): 2 starts within 16min 40s/ });
    t.match(other, { state: 'failed', exitCode: 7 });
    t.equal(other.startLimitHit, undefined, 'an exit status that its unit forbids to restart is no limit');
    t.match(start, { result: 'failed', detail: /systemctl start always-fails.service failed with exit status 1/ });
  });

  await t.test('R21 start limit: how many starts systemd would still make is counted, and the last one works for a person', async (t) => {
    const [first, , second] = await askAll(['limited.service'], ['limited.service', 'restart'], ['limited.service']);
    t.match([first.startsLeft, second.startsLeft], [2, 1], 'one was at boot, one is ours');
    t.match(await systemctl('restart', 'limited.service'), { code: 0 }, 'the one that is left');
    t.notMatch(await systemctl('restart', 'limited.service'), { code: 0 }, 'and no more');
    t.match(await ask('limited.service'), { state: 'failed', startLimitHit: true, startsLeft: Number, text: /too many starts/ });
    await systemctl('reset-failed', 'limited.service');
    t.match(await systemctl('start', 'limited.service'), { code: 0 });
  });

  await t.test("killed for want of memory, by systemd's own word", async (t) => {
    // The kernel's word is not to be had everywhere: systemd counts a mark that systemd-oomd sets as well.
    const cgroup = `/sys/fs/cgroup${await property('eats-memory.service', 'ControlGroup')}`;
    const marked = await systemd.try(['/usr/bin/python3', '-c', 'import os, sys; [os.setxattr(sys.argv[1], "user.oomd_" + what, b"1") for what in ("ooms", "kills")]', cgroup]);
    if (marked.code !== 0) return void t.pass('needs python3, and marks on cgroups', { skip: true });
    await systemctl('kill', '-s', 'KILL', 'eats-memory.service');
    await becomes('eats-memory.service', 'failed');
    t.match(await ask('eats-memory.service'), { state: 'failed', exitSignal: 'SIGKILL', oomKilled: true, text: /Result=oom-kill/ });
  });

  await t.test('R17 change detection: a job that waits for another is a change under way', async (t) => {
    await systemctl('--no-block', 'start', 'long.service');
    await systemctl('--no-block', 'start', 'waits-for-long.service');
    await becomes('long.service', 'start');
    const [waiting, starting] = await askAll(['waits-for-long.service'], ['long.service']);
    t.match(waiting, { state: 'stopped', changing: /^systemd has a job for it \(job \d+\)$/ });
    t.match(starting, { state: 'starting' });
    t.equal(starting.changing, undefined, 'a start that is at work is no job that waits');
    await systemctl('cancel');
  });

  await t.test('started on demand: idle while its socket listens, stopped when that is gone', async (t) => {
    await becomes('on-demand.service', 'dead');
    t.match(await ask('on-demand.service'), { state: 'running', pids: [], text: /idle: on-demand\.socket starts it/ });
    await systemctl('stop', 'on-demand.socket');
    t.match(await ask('on-demand.service'), { state: 'failed', text: /ended by itself/ });
  });

  await t.test('masked: stopped on purpose', async (t) => {
    t.match(await askAll(['masked.service'], ['masked.service', 'start']), [{ state: 'stopped', text: /masked/ }, { result: 'failed' }]);
  });

  await t.test('stopped processes are frozen, and a restart by systemd gets them going', async (t) => {
    const { pids } = await ask('crashes.service');
    await systemctl('kill', '-s', 'STOP', 'crashes.service');
    await until(() => readFileSync(`${systemd.root}/proc/${pids[0]}/stat`, 'utf8').includes(') T '), { timeoutMs: 15_000, what: 'it to be stopped' });
    t.match(await askAll(['crashes.service'], ['crashes.service', 'restart'], ['crashes.service']), [{ state: 'frozen', pids }, { result: 'done' }, { state: 'running' }]);
  });

  await t.test('a unit that does not exist is unknown', async (t) => t.match(await ask('nowhere.service'), { state: 'unknown', text: /no such unit/ }));
});
