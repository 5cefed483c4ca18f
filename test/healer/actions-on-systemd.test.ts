/** What actions do where systemd runs: a real one, in namespaces of its own. */
import { join } from 'node:path';
import t from 'tap';
import type { StepResult } from '../../src/core/decision.ts';
import type { ServiceState } from '../../src/healer/leaves.ts';
import { bootSystemd, cannotBootSystemd } from '../support/systemd.ts';
import { until } from '../support/until.ts';

const unit = (exec: string, more = ''): string => `[Service]\nExecStart=${exec}\n${more}`;
const units = {
  'hangs-in-its-stop.service': unit('/bin/sleep 1000', 'ExecStop=/bin/sleep 1000\nTimeoutStopSec=infinity\n'),
  'fails-until-told.service': `[Unit]\nStartLimitIntervalSec=1000\nStartLimitBurst=2\n${unit("/bin/sh -c 'test -e /run/cured && exec sleep 1000'", 'Restart=on-failure\nRestartSec=10ms\n')}`,
};

t.test('on a real systemd', { skip: cannotBootSystemd() }, async (t) => {
  const systemd = await bootSystemd(t, { units, wanted: [...Object.keys(units), 'dbus.socket'] });
  const node = process.execPath.replace(join(import.meta.dirname, '..', '..'), systemd.project);
  const fixtures = `${systemd.project}/test/fixtures/services`;
  /** `until`: the file whose appearance ends its time. */
  const act = async (action: string, { service = '', options = {}, until: over = '20000' }: { service?: string; options?: object; until?: string }): Promise<StepResult> =>
    JSON.parse(await systemd.inside([node, `${fixtures}/act-on-service.ts`, JSON.stringify({ type: 'systemd', unit: service || 'fails-until-told.service' }), action, JSON.stringify(options), over]));
  const stateOf = async (name: string): Promise<ServiceState> => JSON.parse(await systemd.inside([node, `${fixtures}/ask-service.ts`, JSON.stringify({ type: 'systemd', unit: name }), 'state']));
  const property = async (name: string, what: string) => (await systemd.inside(['/usr/bin/systemctl', 'show', '--value', `--property=${what}`, name])).trim();
  const script = (name: string, lines: string) => systemd.inside(['/bin/sh', '-c', `printf '%s\\n' '#!/bin/sh' "$1" > /run/${name} && chmod 755 /run /run/${name}`, 'sh', lines]);

  await t.test('a unit that was started too often starts again after its cause has gone', async (t) => {
    const service = 'fails-until-told.service';
    await until(async () => (await property(service, 'ActiveState')) === 'failed', { timeoutMs: 15_000, what: 'systemd to give up' });
    await systemd.inside(['/usr/bin/touch', '/run/cured']);
    t.match(await act('start', { service }), { result: 'failed' }, 'a start alone is refused');
    t.match(await act('reset_failed_and_start', { service }), { result: 'done', detail: `systemctl reset-failed ${service}; systemctl start ${service}` });
    t.match(await stateOf(service), { state: 'running' });
  });

  await t.test('a deliberate stop by goodgateway is one', async (t) => {
    const service = 'fails-until-told.service';
    t.match(await act('stop', { service }), { result: 'done', detail: /stays stopped until a person starts it/ });
    t.match(await stateOf(service), { state: 'stopped', text: /a stop job ended it/ });
  });

  await t.test('R10, R22: a hung systemctl ends with its time, its outcome is unknown, and the service is seen to be changing', async (t) => {
    const service = 'hangs-in-its-stop.service';
    const restarting = act('restart', { service, until: '/run/restart-over' });
    await until(async () => (await stateOf(service)).state === 'stopping', { timeoutMs: 15_000, what: 'the stop' });
    await systemd.inside(['/usr/bin/touch', '/run/restart-over']);
    t.match(await restarting, { result: 'unknown', detail: `systemctl restart ${service} was still running when its time was over` }, 'although the stop never ends');
    // what the gate change_in_progress refuses a second one by
    t.match(await stateOf(service), { state: 'stopping' });
    t.match(await systemd.try(['/usr/bin/systemctl', 'list-jobs', '--no-legend']), { output: /hangs-in-its-stop.service +restart/ }, 'systemd goes on with the one job');
  });

  await t.test('R25: arguments come as they are, in a clean environment, as the user asked for', async (t) => {
    const words = ['$HOME', '${HOME}', '$$', '%n', '*', ';', 'a b', '"', '{service}', '{unit}', ''];
    const echoed = await act('run', { options: { command: ['/bin/echo', ...words] } });
    t.match(echoed, { result: 'done', outputTail: '$HOME ${HOME} $$ %n * ; a b " shop fails-until-told.service', detail: /^\/bin\/echo \(in the unit goodgateway-run-[0-9a-z]{26}\.service\)$/ });
    t.equal(echoed.argv?.[0], '/usr/bin/systemd-run', 'the record says what was executed');
    await script('who', 'id -un; pwd; env | cut -d= -f1 | sort | tr "\\n" " "; exit 3');
    const who = await act('run', { options: { command: ['/run/who'], user: 'nobody', folder: '/usr' } });
    t.match(who, { result: 'failed', exitCode: 3, outputTail: /^nobody\n\/usr\nINVOCATION_ID LANG LOGNAME PATH PWD SYSTEMD_EXEC_PID USER/ });
  });

  await t.test('R23 kill the tree: what forked twice, left the session, cleared its environment and ignores TERM is gone after the time', async (t) => {
    await script('stays', 'trap "" TERM HUP; touch /run/stays-began; while :; do sleep 0.1; done');
    await script('leaves', "trap '' TERM; (setsid env -i setsid /run/stays &); sleep 1000");
    const running = act('run', { options: { command: ['/run/leaves'] }, until: '/run/leaves-over' });
    const stays = async () => (await systemd.try(['/bin/ps', '-eo', 'args'])).output.includes('/run/stays');
    await until(stays, { timeoutMs: 15_000, what: 'the one that left' });
    await systemd.inside(['/usr/bin/touch', '/run/leaves-over']);
    t.match(await running, { result: 'unknown', detail: /still running when its time was over; the unit goodgateway-run-\w+\.service was ended with everything in it$/ });
    t.notOk(await stays());
    const units = async () => (await systemd.inside(['/usr/bin/systemctl', 'list-units', '--all', '--no-legend'])).includes('goodgateway-run');
    await until(async () => !(await units()), { timeoutMs: 15_000, what: 'no unit to be left behind' });
    await script('leaves', 'rm -f /run/stays-began; (setsid /run/stays &); until [ -e /run/stays-began ]; do sleep 0.02; done');
    t.match(await act('run', { options: { command: ['/run/leaves'] } }), { result: 'done' });
    await until(async () => !(await stays()), { timeoutMs: 15_000, what: 'what a program leaves behind to end with its unit' });
  });
});
