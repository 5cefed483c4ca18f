/**
 * A small file system whose disk is slow for a control group of its own: a loop device with a bandwidth that the kernel
 * keeps to. The machine's own disks have next to nothing to do.
 */
import { mkdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { succeed } from '../../support/program.ts';
import { tempFolder, type TestScope } from '../../support/temp-folder.ts';
import { until } from '../../support/until.ts';
import { cgroup, type Cgroup } from '../cgroup.ts';

export interface SlowDisk {
  readonly path: string;
  /** Whoever is in it shares that bandwidth. */
  readonly group: Cgroup;
}

/** Everybody may write there. Make it before what uses it, so that it goes after it. */
export async function slowDisk(t: TestScope, { bytesPerS }: { readonly bytesPerS: number }): Promise<SlowDisk> {
  const folder = tempFolder(t, 'gg-disk');
  const [image, path] = [join(folder, 'image'), join(folder, 'mounted')];
  mkdirSync(path);
  writeFileSync(image, '');
  truncateSync(image, 128 * 1024 ** 2);
  // without a journal nobody waits for what another one writes; 33 is www-data, as the workers are
  await succeed(['/usr/sbin/mkfs.ext4', '-q', '-O', '^has_journal', '-E', 'root_owner=33:33,nodiscard', image]);
  const device = (await succeed(['/usr/sbin/losetup', '--find', '--show', image])).trim();
  // it reads little ahead, as a disk does that is asked for something here and something there
  await succeed(['/usr/sbin/blockdev', '--setra', '32', device]);
  // given back while it is in use, it goes with its last mount: also with the lab's namespace, whatever becomes of the lab
  await succeed(['/usr/bin/mount', device, path]).finally(() => succeed(['/usr/sbin/losetup', '--detach', device]));
  t.teardown(() => until(() => succeed(['/usr/bin/umount', path]).then(() => true), { timeoutMs: 10_000, everyMs: 200, what: `${path} to be unmounted` }));
  const group = cgroup(t, 'blkio');
  const number = Number(statSync(device).rdev);
  const name = `${number >> 8}:${number & 0xff}`;
  for (const way of ['read', 'write']) group.set(`blkio.throttle.${way}_bps_device`, `${name} ${bytesPerS}`);
  return { path, group };
}
