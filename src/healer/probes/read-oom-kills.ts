/**
 * The processes that the kernel ended for want of memory, as its log tells: who died, within which bounds memory ran
 * out, and who had most of it, which is often another one.
 * @see https://docs.kernel.org/admin-guide/mm/concepts.html
 */
import type { KernelLine } from './read-kernel-log.ts';

export interface OomKill {
  readonly atMs: number;
  readonly text: string;
  readonly pid: number;
  readonly program: string;
  /** `machine`: it had no memory left; `group`: a control group had reached its own limit, and the machine may have plenty. */
  readonly scope: 'machine' | 'group';
  /** The group that had reached its limit; empty for the machine. */
  readonly group: string;
  /** The group that the dead one was in; empty where the kernel does not say. */
  readonly victimGroup: string;
  /** Whose processes together had most memory; absent where the log holds no table. */
  readonly eater?: { readonly program: string; readonly count: number; readonly pages: number };
}

/** `[  pid  ]   uid  tgid total_vm      rss … oom_score_adj name`, and rows of that shape. */
const tableHead = /^\[ +pid +\] +uid +tgid total_vm +rss /;
const tableRow = /^\[ *\d{1,10}\] +\d{1,10} +\d{1,10} +\d{1,15} +(\d{1,15}) /;
const kill = /^(Memory cgroup out|Out) of memory(?: \([^)]{1,60}\))?: Kill(?:ed)? process (\d{1,10}) \((.{1,32}?)\)/i;
const bounds = /^oom-kill:constraint=(\w{1,40}),.{0,400}?(?:oom_memcg=([^,]{1,400}),)?task_memcg=([^,]{1,400}),/;

/** Oldest first. */
export function oomKillsIn(lines: readonly KernelLine[]): readonly OomKill[] {
  const kills: OomKill[] = [];
  let [memory, group, victimGroup] = [new Map<string, { count: number; pages: number }>(), '', ''];
  for (const { atMs, text } of lines) {
    if (tableHead.test(text)) memory = new Map();
    const row = tableRow.exec(text);
    if (row) add(memory, nameOf(text), Number(row[1]));
    const found = bounds.exec(text);
    if (found) [group, victimGroup] = [found[2] ?? '', found[3] ?? ''];
    const killed = kill.exec(text);
    if (!killed) continue;
    const scope = killed[1]!.startsWith('Memory') ? 'group' : 'machine';
    const [eater] = [...memory].toSorted(([, one], [, other]) => other.pages - one.pages);
    kills.push({ atMs, text, pid: Number(killed[2]), program: killed[3]!, scope, group: scope === 'group' ? group : '', victimGroup, ...(eater ? { eater: { program: eater[0], ...eater[1] } } : {}) });
    [memory, group, victimGroup] = [new Map(), '', ''];
  }
  return kills;
}

function add(memory: Map<string, { count: number; pages: number }>, program: string, pages: number): void {
  const known = memory.get(program) ?? { count: 0, pages: 0 };
  memory.set(program, { count: known.count + 1, pages: known.pages + pages });
}

/** Behind the last of the numbers. */
function nameOf(row: string): string {
  const words = row
    .slice(row.indexOf(']') + 1)
    .trim()
    .split(/\s+/);
  const from = words.findIndex((word) => !/^-?\d+$/.test(word));
  return from < 0 ? (words.at(-1) ?? '') : words.slice(from).join(' ').slice(0, 32);
}
