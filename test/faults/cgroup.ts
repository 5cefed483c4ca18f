/** A control group for one fault, in whichever version this machine has; removed once its processes are gone. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

export interface Cgroup {
  readonly path: string;
  /** A line for a shell script: what it starts from now on is in the group. */
  readonly enter: string;
  add(pid: number): void;
  /** Writes one of its files. */
  set(file: string, value: string): void;
  read(file: string): string;
}

type Controller = 'memory' | 'pids' | 'cpu' | 'cpuset' | 'blkio';

let made = 0;

/** Throws where the machine does not let this controller be used. Make it before what runs in it, so that it goes after it. */
export function cgroup(t: TestScope, controller: Controller): Cgroup {
  const path = join(rootOf(controller), `gg-fault-${process.pid}-${made++}`);
  mkdirSync(path);
  t.teardown(() => until(() => removed(path), { timeoutMs: 20_000, what: `the processes in ${path} to be gone` }));
  const group: Cgroup = {
    path,
    enter: `echo $$ > ${path}/cgroup.procs`,
    add: (pid) => writeFileSync(join(path, 'cgroup.procs'), String(pid)),
    set: (file, value) => writeFileSync(join(path, file), value),
    read: (file) => readFileSync(join(path, file), 'utf8').trim(),
  };
  return group;
}

/** Who needs more than this is ended by the kernel. */
export function limitMemory(group: Cgroup, bytes: number): void {
  group.set(existsSync(join(group.path, 'memory.max')) ? 'memory.max' : 'memory.limit_in_bytes', String(bytes));
}

function rootOf(controller: Controller): string {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '));
  const one = mounts.find(([, , type, options]) => type === 'cgroup' && options?.split(',').includes(controller));
  if (one?.[1]) return one[1];
  const unified = mounts.find(([, , type]) => type === 'cgroup2')?.[1];
  if (
    unified &&
    readFileSync(join(unified, 'cgroup.subtree_control'), 'utf8')
      .split(/\s/)
      .includes(controller === 'blkio' ? 'io' : controller)
  )
    return unified;
  throw new Error(`needs a writable cgroup with the controller ${controller}`);
}

function removed(path: string): boolean {
  rmdirSync(path);
  return true;
}
