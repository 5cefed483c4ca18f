/** Somebody else takes what the host has, or the pages compute more than it can. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { succeed } from '../../support/program.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import { cgroup, limitMemory } from '../cgroup.ts';
import type { Scene, Scenes } from '../fault.ts';
import { hog, type Hog } from '../hog.ts';
import { phpStack } from '../stacks/php.ts';
import { slowDisk } from '../stacks/slow-disk.ts';

const mebibyte = 1024 ** 2;
/** As much as a page of a shop computes. */
const computesABit = '<?php $n = 0; for ($i = 0; $i < 1200000; $i++) $n += $i % 7; echo "sum $n";';
const computesForEver = '<?php set_time_limit(0); do { for ($i = 0; $i < 100000; $i++); clearstatcache(); } while (file_exists(__DIR__ . "/../data/endless")); echo "done";';
/** It answers when what it wrote is on the disk. */
const writesAFile = '<?php $to = fopen(getenv("SLOW_DISK") . "/" . getmypid(), "c"); fwrite($to, str_repeat("x", 4096)); fsync($to); echo "kept";';

export const host: Scenes = {
  async 'cpu-hog'(t) {
    // one share of the machine for both, so that they have to agree, and nobody else suffers
    const group = cgroup(t, 'cpu');
    const { at, fpm } = await phpStack(t, { fpm: { scripts: { 'shop.php': computesABit } } });
    for (const { pid } of fpm.processes()) group.add(pid);
    const packer = hog(t, ['/usr/bin/nice', '-n', '-20', '/bin/sh', '-c', 'while :; do :; done & while :; do :; done'], [group]);
    return { at, visits: { path: '/shop.php', rate: 5 }, inject: packer.begin, takeAway: packer.end };
  },
  async 'cpu-own-script'(t) {
    const group = cgroup(t, 'cpu');
    const { at, fpm } = await phpStack(t, { fpm: { scripts: { 'prices.php': computesForEver } } });
    for (const { pid } of fpm.processes()) group.add(pid);
    const endless = join(fpm.data, 'endless');
    return { at, visits: { path: '/prices.php' }, inject: () => writeFileSync(endless, ''), takeAway: () => rmSync(endless) };
  },
  'memory-hog': memoryHog,
  async 'io-hog'(t) {
    const disk = await slowDisk(t, { bytesPerS: 2 * mebibyte });
    const { at, fpm } = await phpStack(t, { fpm: { scripts: { 'notes.php': writesAFile }, pool: [`env[SLOW_DISK] = ${disk.path}`] } });
    for (const { pid } of fpm.processes()) disk.group.add(pid);
    const copy = (name: number): string => `while :; do dd if=/dev/zero of=${disk.path}/backup-${name} bs=256k count=8 oflag=direct conv=notrunc status=none; done &`;
    const copies = Array.from({ length: 32 }, (_, index) => copy(index)).join(' ');
    const backup = hog(t, ['/bin/sh', '-c', `${copies} wait`], [disk.group]);
    return { at, visits: { path: '/notes.php', rate: 5 }, inject: backup.begin, takeAway: backup.end };
  },
  'fork-bomb': forkBomb,
};

const room = 160;
const catalogueMib = 16;
/** What is left of the room for that file. */
const leftMib = 11;

/** A library that maps its file, as one for geographic addresses does, and a page that reads all over it. */
function mapsAFile(file: string): string {
  const bytes = catalogueMib * mebibyte;
  return `<?php
$c = FFI::cdef('int open(const char *, int); int close(int); int munmap(void *, size_t); void *mmap(void *, size_t, int, int, int, long);', 'libc.so.6');
$from = $c->open('${file}', 0);
$map = $c->mmap(null, ${bytes}, 1, 1, $from, 0);
$bytes = FFI::cast('char *', $map);
$n = 0;
for ($at = 0; $at < ${bytes}; $at += 4096) $n += ord($bytes[$at]);
$c->munmap($map, ${bytes});
$c->close($from);
echo "found $n";`;
}

/** Both in one memory cgroup, which the hog fills until the file that every page reads has no room in it any more. */
async function memoryHog(t: TestScope): Promise<Scene> {
  const group = cgroup(t, 'memory');
  limitMemory(group, room * mebibyte);
  const disk = await slowDisk(t, { bytesPerS: 4 * mebibyte });
  const file = join(disk.path, 'catalogue');
  // past the page cache: whoever reads it first has it there on its own account
  await succeed(['/usr/bin/dd', 'if=/dev/urandom', `of=${file}`, 'bs=1M', `count=${catalogueMib}`, 'oflag=direct', 'status=none']);
  await succeed(['/bin/sh', '-c', `${group.enter}; exec cat ${file} >/dev/null`]);
  const { at, fpm } = await phpStack(t, { fpm: { scripts: { 'find.php': mapsAFile(file) }, pool: ['php_admin_value[ffi.enable] = true'] } });
  for (const { pid } of fpm.processes()) {
    group.add(pid);
    disk.group.add(pid);
  }
  let eater: Hog | undefined;
  const inject = (): void => {
    const used = Number(/^(?:total_rss|anon) (\d+)$/m.exec(group.read('memory.stat'))?.[1]);
    const holds = 'my @kept; push @kept, chr(65 + $_ % 26) x 1048576 for 1..$ARGV[0]; sleep 600';
    eater = hog(t, ['/usr/bin/perl', '-e', holds, String(Math.floor(room - leftMib - used / mebibyte))], [group]);
    eater.begin();
  };
  return { at, visits: { path: '/find.php' }, inject, takeAway: () => eater?.end() };
}

async function forkBomb(t: TestScope): Promise<Scene> {
  const group = cgroup(t, 'pids');
  // workers come when they are asked for, and are replaced now and then: so panels set their pools up
  const { at, fpm } = await phpStack(t, { fpm: { pool: ['pm = ondemand', 'pm.max_requests = 5'] } });
  for (const { pid } of fpm.processes()) group.add(pid);
  group.set('pids.max', '40');
  const bomb = hog(t, ['/usr/bin/perl', '-e', '$SIG{CHLD} = "IGNORE"; while (1) { fork; select(undef, undef, undef, 0.02) }'], [group]);
  return { at, inject: bomb.begin, takeAway: bomb.end };
}
