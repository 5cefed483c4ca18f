/** The processes of the host, from /proc below the root of {@link HostFiles}: once, at the start. */
import { parseStat } from '../healer/proc.ts';
import type { HostFiles } from './host-files.ts';

export interface HostProcess {
  readonly pid: number;
  readonly parent: number;
  readonly comm: string;
  /** The command line, words joined by blanks; servers write their titles there. At most 4096 characters. */
  readonly command: string;
}

const processesAtMost = 20_000;

/** Those that can be seen; kernel threads, which have no command line, are left out. */
export async function readHostProcesses(files: HostFiles): Promise<readonly HostProcess[]> {
  const pids = (await files.list('/proc')).filter((name) => /^\d+$/.test(name)).slice(0, processesAtMost);
  const found: HostProcess[] = [];
  for (const pid of pids) {
    const command = ((await files.text(`/proc/${pid}/cmdline`)) ?? '').replaceAll('\0', ' ').trim().slice(0, 4096);
    const stat = command === '' ? undefined : parseStat((await files.text(`/proc/${pid}/stat`)) ?? '');
    if (stat) found.push({ pid: Number(pid), parent: stat.parent, comm: stat.comm, command });
  }
  return found;
}

/** A number of kB from a file such as /proc/meminfo, in bytes. */
export function bytesAt(text: string | undefined, key: string): number | undefined {
  const found = new RegExp(String.raw`^${key}:\s*(\d+) kB$`, 'm').exec(text ?? '')?.[1];
  return found === undefined ? undefined : Number(found) * 1024;
}
