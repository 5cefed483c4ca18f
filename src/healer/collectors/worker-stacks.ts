import { readdirSync, readFileSync } from 'node:fs';
import type { Collector } from '../leaves.ts';

/** More processes than that say nothing more. */
const mostProcesses = 200;
/** Where a process waits, in the kernel and by system call; how much it has used. The stack needs root. */
const files = ['status', 'wchan', 'syscall', 'stack', 'limits'] as const;

/** What the kernel says of each of the service's processes: state, where it waits, its limits, its open descriptors. */
export const workerStacks: Collector = {
  name: 'worker_stacks',
  applies: ({ config }) => config.type !== 'external',
  collect: async ({ state }) =>
    state.pids
      .slice(0, mostProcesses)
      .map((pid) => [`==> process ${pid}, ${descriptors(pid)}`, ...files.map((file) => `${file}: ${read(`/proc/${pid}/${file}`)}`)].join('\n'))
      .join('\n') || 'it has no process',
};

function descriptors(pid: number): string {
  try {
    return `${readdirSync(`/proc/${pid}/fd`).length} open descriptors`;
  } catch {
    return 'gone, or not ours to see';
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trimEnd().slice(0, 8192);
  } catch {
    return 'could not be read';
  }
}
