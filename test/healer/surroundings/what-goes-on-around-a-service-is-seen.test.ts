import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { safetySchema } from '../../../src/config/safety-schema.ts';
import { takeLock } from '../../../src/healer/lock-file.ts';
import { runCommand } from '../../../src/healer/run-command.ts';
import { recentBoot } from '../../../src/healer/surroundings/recent-boot.ts';
import { createHostLook, deployLockIn } from '../../../src/healer/surroundings/host-look.ts';
import { deviceOfMount, locksOn, parseLocks } from '../../../src/healer/surroundings/kernel-locks.ts';
import { FakeClock } from '../fake-clock.ts';
import { noDpkg, startDpkg } from '../../fixtures/services/real-dpkg.ts';
import { signal } from '../../support/processes.ts';
import { finish, start, succeed } from '../../support/program.ts';
import { isRoot } from '../../support/skip.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { until } from '../../support/until.ts';

/** A look at a host of which only the given places exist. Its clock is the machine's, and passes when the test says so. */
function scene(t: Test, pauseWhen: unknown, places: { readonly packageLocks?: readonly string[] } = {}) {
  const runtime = tempFolder(t, 'gg-around');
  const clock = new FakeClock(Date.now());
  const warnings: string[] = [];
  const reasons = safetySchema.parse({ pause_when: pauseWhen }).pause_when;
  const look = createHostLook({ pauseWhen: () => reasons, clock, log: { warn: (_fields, message) => void warnings.push(message) }, runtime, packageLocks: [], ...places });
  return { runtime, clock, warnings, look };
}

/** Locks a file by flock(1), as a script would, until it is ended. */
async function startFlock(t: Test, path: string) {
  const holder = start(['/usr/bin/flock', '--no-fork', path, '/bin/sh', '-c', 'echo locked; exec sleep 1000']);
  t.teardown(() => signal(holder.pid, 'SIGKILL'));
  await until(() => holder.output().includes('locked'), { timeoutMs: 15_000, what: 'the lock' });
  return holder;
}

t.test("R17 change detection: the kernel's table is read line by line", async (t) => {
  const table = [
    '1: POSIX  ADVISORY  WRITE 29562 fe:00:2146548 0 EOF',
    '1: -> POSIX  ADVISORY  WRITE 77 fe:00:2146548 0 EOF',
    '2: FLOCK  ADVISORY  READ  29604 08:12:7 0 EOF',
    '3: OFDLCK ADVISORY  WRITE -1 00:27:2 0 0',
    '4: LEASE  ACTIVE    READ  5 08:12:9 0 EOF',
    'garbage',
    '',
  ].join('\n');
  t.same(parseLocks(table), [
    { kind: 'POSIX', exclusive: true, pid: 29562, device: '254:0', inode: '2146548' },
    { kind: 'FLOCK', exclusive: false, pid: 29604, device: '8:18', inode: '7' },
    { kind: 'OFDLCK', exclusive: true, pid: undefined, device: '0:39', inode: '2' },
  ]);
  const mounts = '27 1 254:0 / / rw - ext4 /dev/vda rw\n40 27 0:50 / /var/lib\\040x rw - tmpfs t rw\n41 27 0:51 / /var/lib rw - tmpfs t rw\n42 27 0:52 / /var/lib rw - tmpfs t rw\n';
  t.equal(deviceOfMount('/var/lib x/lock', mounts), '0:50');
  t.equal(deviceOfMount('/var/lib/dpkg/lock', mounts), '0:52', 'the later of two on one point');
  t.equal(deviceOfMount('/var/library/lock', mounts), '254:0');
});

t.test('R17 change detection: a dpkg at work is seen by its locks and named', { skip: noDpkg() }, async (t) => {
  const folder = tempFolder(t, 'gg-dpkg');
  const dpkg = await startDpkg(t, folder);
  const { look, clock } = scene(t, ['package_manager_running'], { packageLocks: [dpkg.lockFrontend, dpkg.lock, join(folder, 'no-such-lock')] });
  const expected = [dpkg.lockFrontend, dpkg.lock].map((path) => ({ text: `a package manager is at work: process ${dpkg.pid} (dpkg) holds ${path}` }));
  t.same(await look(), { changes: expected, unfit: [] });
  await dpkg.finish();
  t.same((await look()).changes, expected, 'one look counts for a second: a storm reads the table once');
  clock.pass(1001);
  t.same(await look(), { changes: [], unfit: [] }, 'it has ended');
});

t.test('R17 change detection: flock counts as well; what is not listed is not looked at', async (t) => {
  const folder = tempFolder(t, 'gg-flock');
  const lock = join(folder, 'lock-frontend');
  const holder = await startFlock(t, lock);
  t.match((await scene(t, ['package_manager_running'], { packageLocks: [lock] }).look()).changes, [{ text: new RegExp(`process ${holder.pid} \\(\\w+\\) holds ${lock}`) }]);
  t.same(await scene(t, [], { packageLocks: [lock] }).look(), { changes: [], unfit: [] });
  t.same(await scene(t, ['deploy_running', 'unit_job_pending'], { packageLocks: [lock] }).look(), { changes: [], unfit: [] });
  const [one] = await locksOn(lock, [{ kind: 'POSIX', exclusive: false, pid: 1, device: '0:0', inode: '1' }]);
  t.equal(one, undefined, 'who only reads changes nothing');
});

t.test('R17 change detection: on overlayfs the lock is found under the device of the mount; another pid namespace hides it', { skip: isRoot ? false : 'needs root, to mount' }, async (t) => {
  const folder = tempFolder(t, 'gg-overlay');
  const looks = (path: string): readonly string[] => [
    process.execPath,
    join(import.meta.dirname, '../../fixtures/healer/looks-at-the-host.ts'),
    JSON.stringify({ pause_when: ['package_manager_running'], runtime: folder, packageLocks: [path] }),
  ];
  const script = `cd ${folder}; mkdir lower upper merged; mount -t tmpfs a lower; mount -t tmpfs b upper; mkdir upper/u upper/w; touch lower/f
    mount -t overlay o -o lowerdir=lower,upperdir=upper/u,workdir=upper/w merged || { echo no overlayfs; exit 0; }
    flock --no-fork merged/f sleep 1000 & while ! { grep -q FLOCK.*$! /proc/locks && grep -qx sleep /proc/$!/comm; }; do sleep 0.02; done; "$@"; kill $!`;
  const seen = await succeed(['/usr/bin/unshare', '--mount', '/bin/sh', '-c', script, 'overlay', ...looks(join(folder, 'merged/f'))]);
  if (seen.includes('no overlayfs')) t.comment('no overlayfs here');
  else t.match(JSON.parse(seen), { changes: [{ text: /process \d+ \(sleep\) holds .*merged\/f/ }], warnings: [] });

  const lock = join(folder, 'lock');
  await startFlock(t, lock);
  const hidden = await succeed(['/usr/bin/unshare', '--pid', '--fork', '--mount-proc', ...looks(lock)]);
  t.same(JSON.parse(hidden).changes, [], 'what the documentation says of containers is so');
});

t.test('R17 change detection: a deploy is seen with who and why, also by the flock of a script', async (t) => {
  const { runtime, look, clock, warnings } = scene(t, ['deploy_running']);
  const path = deployLockIn(runtime);
  t.same((await look()).changes, [], 'without a file');
  const taken = await takeLock(path, { by: 'alice', reason: 'release 4711' }, runCommand);
  if (taken.kind !== 'taken') throw new Error(JSON.stringify(taken));
  clock.pass(1001);
  t.match((await look()).changes, [{ text: new RegExp(`a deploy is running: process ${process.pid} of alice on .* since 20.*Z \\(release 4711\\) holds ${path}`) }]);
  taken.release();
  clock.pass(1001);
  t.same((await look()).changes, [], 'it has ended');
  const holder = await startFlock(t, path);
  clock.pass(1001);
  t.match((await look()).changes, [{ text: `a deploy is running: process ${holder.pid} holds ${path}` }]);
  t.same(warnings, []);
});

t.test('R17 change detection: a release is fresh when its link was replaced, whatever times its files have', async (t) => {
  const folder = tempFolder(t, 'gg-release');
  const [release, current, composer] = ['release', 'current', 'composer.lock'].map((name) => join(folder, name)) as [string, string, string];
  mkdirSync(release);
  utimesSync(release, 1_000_000, 1_000_000);
  symlinkSync(release, `${current}.new`);
  renameSync(`${current}.new`, current);
  writeFileSync(composer, '{}');
  utimesSync(composer, 1_000_000, 1_000_000);
  const reasons = [{ release_younger_than: { path: current } }, { release_younger_than: { path: composer, age: '1m' } }];
  const { look, clock, warnings } = scene(t, reasons);
  const { changes } = await look();
  t.match(
    changes.map(({ text }) => text),
    [/current was replaced .* ago; a release younger than 10 min is left alone/, /composer.lock was replaced/],
  );
  const leftMs = (changes[0]?.untilMs ?? 0) - clock.monotonicMs();
  t.ok(leftMs > 590_000 && leftMs <= 600_000, `${leftMs} ms are left`);
  clock.pass(70_000);
  writeFileSync(join(release, 'cache'), 'what the application writes is no deploy');
  t.match((await look()).changes, [{ text: /current/ }]);
  clock.pass(540_000);
  t.same((await look()).changes, []);
  clock.setWall(-86_400_000);
  clock.pass(1001);
  const [future] = (await look()).changes;
  t.ok((future?.untilMs ?? Infinity) - clock.monotonicMs() <= 600_000, 'a clock that was set back holds it up for no longer');
  rmSync(current);
  clock.pass(1001);
  t.match((await look()).changes, [{ text: /composer/ }], 'what cannot be found out holds up nothing');
  clock.pass(1001);
  await look();
  t.equal(warnings.length, 1, 'and is said once');
  t.match(warnings[0], /release_younger_than of safety.pause_when could not be found out \(ENOENT.*current/);
});

t.test('R17 change detection: a full disk and a fresh boot make the host unfit', async (t) => {
  const uptime = join(tempFolder(t), 'uptime');
  writeFileSync(uptime, '45.50 80.11\n');
  t.same(await recentBoot(60_000, { wallMs: 0, monotonicMs: 1000 }, uptime), [{ text: 'the host was booted 46 s ago, less than 1 min', untilMs: 15_500 }]);
  t.same(await recentBoot(45_500, { wallMs: 0, monotonicMs: 1000 }, uptime), [], 'exactly so long ago is not less');
  // nothing can ever be written there, so it has no free bytes
  const { changes, unfit } = await scene(t, [{ disk_free_below: { path: '/proc', size: '1MiB' } }]).look();
  t.same(changes, []);
  t.same(unfit, [{ what: 'disk', text: 'the disk of /proc has 0 MiB free, expected at least 1 MiB' }], 'and no time: time alone empties no disk');
  t.same(await scene(t, [{ disk_free_below: { path: tempFolder(t), size: '1B' } }, { booted_less_than: '1ms' }]).look(), { changes: [], unfit: [] });
});

t.test('R17 change detection: a file system that is really full', { skip: isRoot ? false : 'needs root, to mount' }, async (t) => {
  const folder = tempFolder(t, 'gg-full');
  const input = JSON.stringify({ pause_when: [{ disk_free_below: { path: folder, size: '1MiB' } }], runtime: folder, packageLocks: [] });
  const program = [process.execPath, join(import.meta.dirname, '../../fixtures/healer/looks-at-the-host.ts'), input];
  const inside = (before: string) => finish(['/usr/bin/unshare', '--mount', '/bin/sh', '-c', `mount -t tmpfs -o size=2m full ${folder}; ${before}; exec "$@"`, 'full', ...program]);
  t.same(JSON.parse((await inside(':')).output).unfit, [], 'while it is empty');
  t.match(JSON.parse((await inside(`head -c 1900000 /dev/zero > ${folder}/f`)).output).unfit, [{ what: 'disk', text: /has 0\.\d MiB free, expected at least 1 MiB/ }]);
});
