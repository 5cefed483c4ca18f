/** What only a real systemd does: a stop on purpose, a start limit, a slow start. */
import { crash, mend, waitsForTheDatabase } from '../../e2e/database-recovery.ts';
import { units } from '../../e2e/debian-host.ts';
import type { Scenes } from '../fault.ts';
import { docroot, systemdStack } from '../stacks/systemd.ts';

export const systemdService: Scenes = {
  async 'stopped-on-purpose'(t) {
    const { at, host } = await systemdStack(t);
    return { at, inject: () => host.systemctl('stop', units.php), takeAway: () => host.systemctl('start', units.php) };
  },
  async 'start-limit-hit'(t) {
    const { at, host } = await systemdStack(t);
    const inject = async (): Promise<void> => {
      // as often as a broken release would: each start ends at once
      await host.write(`/run/systemd/system/${units.php}.d/limit.conf`, '[Unit]\nStartLimitBurst=2\nStartLimitIntervalSec=600\n[Service]\nRestart=on-failure\nRestartSec=100ms\n');
      await host.systemctl('daemon-reload');
      for (let time = 0; time < 4 && !(await isGivenUp(host)); time++) await killNext(host);
    };
    return { at, inject };
  },
  async 'starts-slowly'(t) {
    const { at, host } = await systemdStack(t);
    const inject = async (): Promise<void> => {
      await host.write(`/run/systemd/system/${units.php}.d/slow.conf`, '[Service]\nExecStartPre=/bin/sleep 6\n');
      await host.systemctl('daemon-reload');
      await host.systemctl('restart', '--no-block', units.php);
    };
    return { at, inject };
  },
  async 'database-recovers'(t) {
    const { at, host } = await systemdStack(t, { php: { depends_on: ['mariadb'] } });
    await host.write(`${docroot}/shop.php`, waitsForTheDatabase);
    await host.write(`/run/systemd/system/${units.mariadb}.d/soon.conf`, '[Service]\nRestartSec=1s\n');
    await host.systemctl('daemon-reload');
    return { at, visits: { path: '/shop.php', rate: 4 }, inject: () => crash(host), takeAway: () => mend(host) };
  },
};

type Host = Awaited<ReturnType<typeof systemdStack>>['host'];

async function isGivenUp(host: Host): Promise<boolean> {
  return (await host.property('php', 'ActiveState')) === 'failed' && (await host.property('php', 'Result')) === 'start-limit-hit';
}

/** Kills its main process as soon as there is one. */
async function killNext(host: Host): Promise<void> {
  await host.shell(
    `for i in $(seq 100); do [ "$(systemctl show --value --property MainPID ${units.php})" != 0 ] && break; sleep 0.05; done; systemctl kill --signal=KILL ${units.php} || true; sleep 0.3`,
  );
}
