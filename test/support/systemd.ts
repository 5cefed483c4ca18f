/**
 * A real systemd for tests, booted in its own namespaces and its own cgroup beside whatever runs the machine. It gets
 * fresh file systems on /tmp, /var/tmp and /run: without them it would empty the machine's own.
 */
import { accessSync, constants, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { finish, start, succeed, type Finished } from './program.ts';
import { tempFolder, type TestScope } from './temp-folder.ts';
import { until } from './until.ts';

export interface Systemd {
  /** Runs a program inside, as its own processes see the world; rejects unless it ends with 0. */
  inside(argv: readonly string[]): Promise<string>;
  /** The same with any exit status. */
  try(argv: readonly string[]): Promise<Finished>;
  /** Where the project is to be found inside, wherever its checkout lies outside. */
  readonly project: string;
  /** Its file system, as it is found from outside. */
  readonly root: string;
}

export interface SystemdOptions {
  /** Name → text. */
  readonly units: Readonly<Record<string, string>>;
  readonly wanted: readonly string[];
  /** It has a loopback of its own, on which every port is free, and no other network. */
  readonly ownNetwork?: boolean;
}

const projectInside = '/run/project';
const project = join(import.meta.dirname, '..', '..');
/** By this process: several may run at once. */
let booted = 0;

/** Why no systemd can be booted here; `false` when one can. */
export function cannotBootSystemd(): string | false {
  if (process.getuid?.() !== 0) return 'needs root, to boot a systemd in namespaces';
  try {
    for (const program of ['/lib/systemd/systemd', '/usr/bin/unshare', '/usr/bin/nsenter']) accessSync(program, constants.X_OK);
    accessSync(cgroupRoot(), constants.W_OK);
    return false;
  } catch (error) {
    return `needs systemd, util-linux and a writable cgroup2 file system: sudo apt-get install systemd util-linux (${String(error)})`;
  }
}

/**
 * Boots with these units. Those in `wanted` are wanted by the boot target, so they are started, and
 * systemd keeps their properties after their end. Everything is gone when the test is over.
 */
export async function bootSystemd(t: TestScope, options: SystemdOptions): Promise<Systemd> {
  const folder = tempFolder(t, 'gg-systemd');
  mkdirSync(join(folder, 'units'));
  const target = ['[Unit]', 'Description=test', `Wants=${options.wanted.join(' ')}`, `After=${options.wanted.join(' ')}`, ''].join('\n');
  for (const [name, text] of Object.entries({ ...options.units, 'test.target': target })) writeFileSync(join(folder, 'units', name), text);
  writeFileSync(join(folder, 'boot.sh'), bootScript, { mode: 0o755 });
  const cgroup = join(cgroupRoot(), `gg-test-${process.pid}-${booted++}`);
  mkdirSync(cgroup);
  t.teardown(() => until(() => removed(cgroup), { timeoutMs: 15_000, what: `the processes of ${cgroup} to be gone` }));
  const { ownNetwork = false } = options;
  const unshare = `echo $$ > "$1/cgroup.procs"; shift; exec unshare --pid --mount --uts --cgroup ${ownNetwork ? '--net ' : ''}--fork --kill-child=KILL "$@"`;
  const outer = start(['/bin/sh', '-c', unshare, 'boot', cgroup, join(folder, 'boot.sh'), folder, project]);
  t.teardown(async () => {
    process.kill(outer.pid, 'SIGKILL');
    await outer.ended;
  });
  const first = await until(() => Number(readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'utf8').trim()), { timeoutMs: 15_000, what: 'the first process inside' });
  const enter = ['/usr/bin/nsenter', '-t', String(first), '-p', '-m', '-u', '-C', ...(ownNetwork ? ['-n'] : [])];
  if (ownNetwork) await succeed([...enter, '/sbin/ip', 'link', 'set', 'lo', 'up']);
  const systemd: Systemd = { inside: (argv) => succeed([...enter, ...argv]), try: (argv) => finish([...enter, ...argv]), project: projectInside, root: `/proc/${first}/root` };
  await until(async () => /running|degraded/.test((await systemd.try(['/usr/bin/systemctl', 'is-system-running'])).output), {
    timeoutMs: 60_000,
    everyMs: 50,
    what: () => `systemd to be up: ${outer.output()}`,
  });
  return systemd;
}

/** $1: folder with the units, $2: the project. The units are copied and the project is bound before /tmp is hidden. */
const bootScript = `#!/bin/sh
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system ${projectInside}
cp "$1"/units/* /run/systemd/system/
mount --bind "$2" ${projectInside}
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /var/tmp
mount -t proc proc /proc
umount -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=unshare /lib/systemd/systemd --system --unit=test.target
`;

function cgroupRoot(): string {
  const mount = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .find((line) => line.split(' ')[2] === 'cgroup2');
  if (mount === undefined) throw new Error('no cgroup2 file system is mounted');
  return mount.split(' ')[1] ?? '';
}

/** Deepest first; the files in a cgroup are the kernel's and go with their folder. */
function removed(cgroup: string): boolean {
  for (const entry of readdirSync(cgroup, { withFileTypes: true })) if (entry.isDirectory()) removed(join(cgroup, entry.name));
  rmdirSync(cgroup);
  return true;
}
