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
  'read-only': (t) => dies(t, ({ path }) => ({ spoil: () => remount(path, 'ro'), mend: () => remount(path, 'rw') })),
};

function remount(path: string, how: 'ro' | 'rw'): Promise<string> {
  return succeed(['/usr/bin/mount', '-o', `remount,${how}`, path]);
}

/** It is killed first: nothing can be made read-only while somebody writes there. */
async function dies(t: TestScope, by: (disk: SmallDisk) => { readonly spoil: () => unknown; readonly mend: () => unknown }): Promise<Scene> {
  const disk = await smallDisk(t);
  const { spoil, mend } = by(disk);
  const log = join(disk.path, 'fpm.log');
  const { at, fpm, kill } = await phpStack(t, { failOpen: false, fpm: { global: [`error_log = ${log}`] }, service: (one) => ({ ...pidfileService(one), log }) });
  const inject = async (): Promise<void> => {
    await kill();
    await spoil();
  };
  const takeAway = async (): Promise<void> => {
    await mend();
    await startByHand(fpm);
  };
  return { at, inject, takeAway };
}
