/** What several probes ask about processes, beyond the plain rows of /proc. */
import { readText, type ProcessStat } from '../proc.ts';

/** The given processes and all that descend from them, zombies too, as far as they still exist. */
export function readFamily(roots: readonly number[], all: readonly ProcessStat[]): readonly ProcessStat[] {
  if (roots.length === 0) return [];
  const family = new Set(roots);
  // Children may have lower pids than their parents, so go round until nothing is added.
  for (let before = -1; before !== family.size;) {
    before = family.size;
    for (const row of all) if (family.has(row.parent)) family.add(row.pid);
  }
  return all.filter((row) => family.has(row.pid));
}

/** Processor time that a process has used, its own and the kernel's for it, in steps of 10 ms; 0 when it is gone. */
export function readCpuMs(pid: number): number {
  const text = readText(`/proc/${pid}/stat`);
  const field = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(field[11]) + Number(field[12]);
  return Number.isNaN(ticks) ? 0 : ticks * 10;
}
