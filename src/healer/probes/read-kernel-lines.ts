/**
 * The lines of the kernel's log that tell of trouble. Anchored at their beginning: what a program is called, or a
 * packet holds, cannot put words into the kernel's mouth.
 */
import type { KernelLine } from './read-kernel-log.ts';

export type KernelTrouble = 'segfault' | 'conntrack_full' | 'io_error' | 'read_only' | 'hung_task' | 'fork_rejected' | 'syn_flood';

/** One line, and its fields: what is in the pattern by name. */
export interface KernelWord {
  readonly what: KernelTrouble;
  readonly atMs: number;
  readonly text: string;
  readonly fields: Readonly<Record<string, string | number>>;
}

/** Measured on Linux 6, and as older kernels write them. */
const patterns: readonly (readonly [KernelTrouble, RegExp])[] = [
  ['segfault', /^(?<program>.{1,16})\[(?<pid>\d{1,10})\]: segfault at \w{1,20} ip \w{1,20} sp \w{1,20} error \w{1,20}(?: in (?<object>[^[]{1,200})\[)?/],
  ['segfault', /^traps: (?<program>.{1,16})\[(?<pid>\d{1,10})\] (?:general protection|trap [\w ]{1,30})(?: fault)? ip:\w{1,20} sp:\w{1,20} error:\w{1,20}(?: in (?<object>[^[]{1,200})\[)?/],
  ['conntrack_full', /^(?:nf_conntrack: )?nf_conntrack: table full, dropping packet/],
  ['io_error', /^Buffer I\/O error on dev(?:ice)? (?<device>[\w!:./-]{1,40}),/],
  ['io_error', /^(?:blk_update_request: |print_req_error: )?(?:critical (?:medium|target) error|I\/O error), dev (?<device>[\w!:./-]{1,40}),/],
  ['read_only', /^EXT4-fs \((?<device>[\w!:./-]{1,40})\): Remounting filesystem read-only/],
  ['read_only', /^XFS \((?<device>[\w!:./-]{1,40})\): .{0,120}[Ss]hutting down filesystem/],
  ['read_only', /^BTRFS(?: \w{1,20})? \(device (?<device>[\w!:./-]{1,40})[^)]{0,40}\): forced readonly/],
  ['hung_task', /^INFO: task (?<program>.{1,16}):(?<pid>\d{1,10}) blocked for more than (?<seconds>\d{1,6}) seconds/],
  ['fork_rejected', /^cgroup: fork rejected by pids controller in (?<group>\/\S{0,400})/],
  ['syn_flood', /^(?:request_sock_)?TCP: (?:request_sock_TCP: )?Possible SYN flooding on port (?:\S{1,60}:)?(?<port>\d{1,5})\b/],
];

/** What these lines tell, oldest first. */
export function kernelWords(lines: readonly KernelLine[]): readonly KernelWord[] {
  return lines.flatMap(({ atMs, text }) => {
    for (const [what, pattern] of patterns) {
      const found = pattern.exec(text);
      if (found) return [{ what, atMs, text, fields: typed(found.groups ?? {}) }];
    }
    return [];
  });
}

function typed(groups: Readonly<Record<string, string | undefined>>): KernelWord['fields'] {
  const set = Object.entries(groups).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(set.map(([name, value]) => [name, ['pid', 'seconds', 'port'].includes(name) ? Number(value) : value]));
}
