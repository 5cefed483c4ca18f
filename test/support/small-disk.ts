import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { succeed } from './program.ts';
import { tempFolder, type TestScope } from './temp-folder.ts';

export interface SmallDisk {
  readonly path: string;
  /** To the last byte. */
  fill(): void;
  /** To the last inode; there is room for more bytes. */
  fillInodes(): void;
  empty(): void;
}

/** A file system of its own, of 4 MiB; unmounted when the scene is over. */
export async function smallDisk(t: TestScope): Promise<SmallDisk> {
  const path = join(tempFolder(t, 'gg-disk'), 'small');
  mkdirSync(path);
  await succeed(['/usr/bin/mount', '-t', 'tmpfs', '-o', 'size=4m,nr_inodes=256,mode=755', 'small', path]);
  // lazily: of a scene that failed somebody may still be there
  t.teardown(() => succeed(['/usr/bin/umount', '--lazy', path]));
  const rubbish = join(path, 'rubbish');
  mkdirSync(rubbish);
  return {
    path,
    fill: () => untilFull(() => writeFileSync(join(rubbish, 'bytes'), Buffer.alloc(4096), { flag: 'a' })),
    fillInodes: () => untilFull((index) => writeFileSync(join(rubbish, String(index)), '')),
    empty: () => readdirSync(rubbish).forEach((name) => rmSync(join(rubbish, name))),
  };
}

function untilFull(write: (index: number) => void): void {
  for (let index = 0; ; index++) {
    try {
      write(index);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return;
      throw error;
    }
  }
}
