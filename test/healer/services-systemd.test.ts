import { join } from 'node:path';
import t from 'tap';
import { parseTimespan, parseUnit, unitState } from '../../src/healer/service-parts/systemd-state.ts';
import { bootSystemd, cannotBootSystemd } from '../support/systemd.ts';
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

const unit = (exec: string, more = ''): string => `[Service]\nExecStart=${exec}\n${more}`;
const units = {
  'crashes.service': unit('/bin/sleep 1000'),
  'ends.service': unit("/bin/sh -c 'while [ ! -e /run/end-now ]; do sleep 0.02; done'"),
  'is-stopped.service': unit('/bin/sleep 1000'),
  'exits-0-when-stopped.service': unit('/bin/sh -c \'trap "exit 0" QUIT; while :; do sleep 0.02; done\'', 'KillSignal=SIGQUIT\n'),
  'is-restarted.service': unit('/bin/sleep 1000', 'Restart=always\nRestartSec=15\n'),
  'is-restarted-after-0.service': unit("/bin/sh -c 'while [ ! -e /run/end-now ]; do sleep 0.02; done'", 'Restart=always\nRestartSec=15\n'),
  'always-fails.service': `[Unit]\nStartLimitIntervalSec=100\nStartLimitBurst=2\n${unit('/bin/false', 'Restart=always\nRestartSec=10ms\n')}`,
};

t.test('on a real systemd', { skip: cannotBootSystemd() }, async (t) => {
  const systemd = await bootSystemd(t, { units, wanted: Object.keys(units) });
  const ask = async (name: string, verb = 'state') =>
    JSON.parse(
      await systemd.inside([
        process.execPath.replace(join(import.meta.dirname, '..', '..'), systemd.project),
        `${systemd.project}/test/fixtures/services/ask-service.ts`,
        JSON.stringify({ type: 'systemd', unit: name }),
        verb,
      ]),
    );
  const systemctl = (...words: string[]) => systemd.try(['/usr/bin/systemctl', ...words]);
  const property = async (name: string, what: string) => (await systemctl('show', '--value', `--property=${what}`, name)).output.trim();
  const becomes = (name: string, sub: string) => until(async () => (await property(name, 'SubState')) === sub, { timeoutMs: 5000, what: `${name} to be ${sub}` });

  await t.test('a running unit shows its pids and its invocation', async (t) => {
    const state = await ask('crashes.service');
    const main = Number(await property('crashes.service', 'MainPID'));
    t.match(state, { state: 'running', mainPid: main, pids: [main], fence: await property('crashes.service', 'InvocationID') });
  });

  await t.test('killed with KILL: failed, with the signal; a start brings it back with another fence', async (t) => {
    const before = await ask('crashes.service');
    await systemctl('kill', '-s', 'KILL', 'crashes.service');
    await becomes('crashes.service', 'failed');
    t.match(await ask('crashes.service'), { state: 'failed', exitSignal: 'SIGKILL', pids: [] });
    t.match(await ask('crashes.service', 'start'), { result: 'done', exitCode: 0 });
    const after = await ask('crashes.service');
    t.equal(after.state, 'running');
    t.not(after.fence, before.fence);
  });

  await t.test('stopped by an operator: stopped, whatever its exit status', async (t) => {
    for (const name of ['is-stopped.service', 'exits-0-when-stopped.service']) {
      await systemctl('stop', name);
      t.match(await ask(name), { state: 'stopped', text: /a stop job ended it/ }, name);
    }
    t.match(await ask('exits-0-when-stopped.service'), { exitCode: 0 });
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
      t.ok(state.supervisorActsInMs > 0 && state.supervisorActsInMs <= 15_000, `${state.supervisorActsInMs} ms are left`);
      await systemctl('stop', name);
      t.match(await ask(name), { state: 'stopped', text: /cancelled its restart/ }, name);
    }
  });

  await t.test('its start limit is reached: failed, systemd has given up, and a start fails with its words', async (t) => {
    await becomes('always-fails.service', 'failed');
    t.match(await ask('always-fails.service'), { state: 'failed', exitCode: 1, text: /given up \(Restart=always\)/ });
    t.match(await ask('always-fails.service', 'start'), { result: 'failed', detail: /systemctl start always-fails.service failed with exit status 1/ });
  });

  await t.test('stopped processes are frozen, and a restart by systemd gets them going', async (t) => {
    const { pids } = await ask('crashes.service');
    await systemctl('kill', '-s', 'STOP', 'crashes.service');
    t.match(await ask('crashes.service'), { state: 'frozen', pids });
    t.match(await ask('crashes.service', 'restart'), { result: 'done' });
    t.match(await ask('crashes.service'), { state: 'running' });
  });

  await t.test('a unit that does not exist is unknown', async (t) => t.match(await ask('nowhere.service'), { state: 'unknown', text: /no such unit/ }));
});
