/**
 * CloudLinux holds each tenant (LVE, by the user's number) to limits of its own, and counts how often one was met.
 * @see https://docs.cloudlinux.com/cloudlinuxos/limits/
 */
import { readText } from '../proc.ts';

/** One limit of one tenant. */
export interface LveLimit {
  readonly uid: number;
  /** CloudLinux' own word: `EP` (entry processes), `NPROC` (processes), `MEMPHY` (memory). */
  readonly name: string;
  readonly now: number;
  readonly most: number;
  /** How often it was met. */
  readonly met: number;
}

const limitNames = ['EP', 'NPROC', 'MEMPHY'] as const;

/** The limits of these users; none where this is no CloudLinux. */
export function readLve(uids: ReadonlySet<number>, path = '/proc/lve/list'): readonly LveLimit[] {
  return parseLve(readText(path)).filter(({ uid }) => uids.has(uid));
}

/** The first line names the columns (`11:LVE EP lCPU …`), the others are a tenant each (`0,1001 3 …`). A limit of 0 is none. */
export function parseLve(table: string): readonly LveLimit[] {
  const [header = '', ...rows] = table.split('\n').map((line) => line.trim().split(/\s+/));
  const columns = [...header];
  return rows.flatMap((row) => {
    const uid = Number(/(\d+)$/.exec(row[0] ?? '')?.[1] ?? NaN);
    const value = (column: string): number => Number(row[columns.indexOf(column)] ?? NaN);
    return limitNames.map((name) => ({ uid, name, now: value(name), most: value(`l${name}`), met: value(`f${name}`) })).filter(({ now, most, met }) => uid > 0 && now >= 0 && most > 0 && met >= 0);
  });
}
