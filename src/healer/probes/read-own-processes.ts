/** Which processes are goodgateway's own: what watches a service is not what the service has to be protected from. */
import { basename, join } from 'node:path';
import { readStat, readText, type ProcessStat } from '../proc.ts';

/** Where our programs are, as they are started: `src`, or `dist` of an installed one. */
const ourFolder = join(import.meta.dirname, '..', '..');
const ourCommand = 'goodgateway';
/** What we run for ourselves ends sooner, in 1/100 s; what stays longer is a service that was started for somebody. */
const longestRunTicks = 6000;
const mostDepth = 32;

/** Supervisor, proxy, healer and command lines, and the programs that they have just started. */
export function ownProcesses(rows: readonly ProcessStat[]): ReadonlySet<number> {
  // every one of them is run by the same program as we are, so only those are asked for their words
  const comm = readStat(process.pid)?.comm;
  const ours = new Set(rows.filter((row) => row.comm === comm && isOurs(row.pid)).map(({ pid }) => pid));
  const parents = new Map(rows.map(({ pid, parent }) => [pid, parent]));
  const upTicks = Number(readText('/proc/uptime').split(' ')[0]) * 100;
  const young = rows.filter(({ pid, startTicks }) => upTicks - startTicks < longestRunTicks && descendsFrom(pid, ours, parents));
  return new Set([...ours, ...young.map(({ pid }) => pid)]);
}

/** By its first word that is no option of Node: the file that it runs. */
function isOurs(pid: number): boolean {
  const [, ...words] = readText(`/proc/${pid}/cmdline`).split('\0');
  const file = words.find((word) => !word.startsWith('-')) ?? '';
  return file.startsWith(`${ourFolder}/`) || basename(file) === ourCommand;
}

function descendsFrom(pid: number, ours: ReadonlySet<number>, parents: ReadonlyMap<number, number>): boolean {
  for (let at = parents.get(pid), depth = 0; at !== undefined && at > 1 && depth < mostDepth; at = parents.get(at), depth++) if (ours.has(at)) return true;
  return false;
}
