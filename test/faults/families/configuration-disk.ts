/** The file system of php-fpm's log and data takes nothing more, and php-fpm has ended. */
import { join } from 'node:path';
import { pidfileService } from '../../e2e/site.ts';
import { succeed } from '../../support/program.ts';
import { smallDisk, type SmallDisk } from '../../support/small-disk.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import { startByHand } from '../by-hand.ts';
import type { Scene, Scenes } from '../fault.ts';
import { phpStack } from '../stacks/php.ts';

export const disks: Scenes = {
  'disk-full': (t) => dies(t, (disk) => ({ spoil: disk.fill, mend: disk.empty })),
  'inodes-full': (t) => dies(t, (disk) => ({ spoil: disk.fillInodes, mend: disk.empty })),
  'read-only': (t) => dies(t, ({ path }) => readOnly(t, path)),
};

interface Damage {
  readonly spoil: () => unknown;
  readonly mend: () => unknown;
}

/** Another one is mounted over it: what somebody writes to cannot be made read-only. */
function readOnly(t: TestScope, path: string): Damage {
  let isSpoilt = false;
  const mend = async (): Promise<void> => {
    // what lies below is somebody else's to unmount
    if (isSpoilt) await succeed(['/usr/bin/umount', '--lazy', path]);
    isSpoilt = false;
  };
  t.teardown(mend);
  return {
    spoil: async () => {
      await succeed(['/usr/bin/mount', '-t', 'tmpfs', '-o', 'ro,size=1m', 'read-only', path]);
      isSpoilt = true;
    },
    mend,
  };
}

async function dies(t: TestScope, by: (disk: SmallDisk) => Damage): Promise<Scene> {
  const disk = await smallDisk(t);
  const { spoil, mend } = by(disk);
  const log = join(disk.path, 'fpm.log');
  const { at, fpm, kill } = await phpStack(t, { failOpen: false, fpm: { global: [`error_log = ${log}`] }, service: (one) => ({ ...pidfileService(one), log }) });
  const inject = async (): Promise<void> => {
    await spoil();
    await kill();
  };
  const takeAway = async (): Promise<void> => {
    await mend();
    await startByHand(fpm);
  };
  return { at, inject, takeAway };
}
