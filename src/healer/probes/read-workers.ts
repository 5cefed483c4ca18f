/**
 * Tells busy workers from idle ones by the system call that they sleep in. It needs no status page, so it works when
 * every worker is taken. For services that give every connection to one blocking worker, as php-fpm does.
 */
import type { Clock } from '../../core/time.ts';
import { isAlive, readStat, readText, type ProcessStat } from '../proc.ts';
import { hasEventPoll, readHolders, readSocketInode } from './read-sockets.ts';

/** accept and accept4 by architecture. @see the kernel's system call tables (x86-64, and the generic one) */
const acceptCalls: Readonly<Record<string, readonly string[]>> = { x64: ['43', '288'], arm64: ['202', '242'], riscv64: ['202', '242'], loong64: ['202', '242'] };

/** Eight ticks of the kernel's processor clock; the quick probes have 150 ms altogether. */
export const sampleMs = 80;

export interface Workers {
  readonly busy: readonly ProcessStat[];
  /** Asleep in accept(2) on the service's own socket: ready for the next request. */
  readonly idle: readonly ProcessStat[];
  /** In state T or t: neither busy nor ready. */
  readonly stopped: readonly ProcessStat[];
}

/**
 * The workers among `family`, looked at twice: busy is who was not waiting at either moment, because a connect test of
 * our own wakes an idle worker for an instant. A worker that keeps a connection open between requests counts as busy:
 * it is. A single process that serves all its connections by an event loop (Node) is no worker of a pool: it never sleeps
 * in accept(2), and is not full when it is busy. `undefined` when no worker that is still there holds one of the listening sockets `inodes`, or on an architecture whose call numbers are not
 * known here. Takes {@link sampleMs}.
 */
export async function readWorkers(inodes: ReadonlySet<string>, family: readonly ProcessStat[], look: { readonly clock: Clock; readonly signal: AbortSignal }): Promise<Workers | undefined> {
  const accepts = acceptCalls[process.arch];
  const holders = await readHolders(
    inodes,
    family.map((row) => row.pid),
    look.signal,
  );
  const holding = new Set([...holders.values()].flat());
  // The master holds the socket too, but serves nobody; a program that a worker started has inherited it.
  const held = family.filter((row) => holding.has(row.pid));
  const parents = new Set(held.map((row) => row.parent));
  const isTop = (row: ProcessStat): boolean => !holding.has(row.parent);
  const masters = new Set(held.filter((row) => isTop(row) && parents.has(row.pid)).map((row) => row.pid));
  const workers = held.filter((row) => isAlive(row) && (masters.has(row.parent) || (isTop(row) && !masters.has(row.pid) && !hasEventPoll(row.pid))));
  if (!accepts || workers.length === 0) return undefined;
  const stopped = workers.filter((row) => row.state === 'T' || row.state === 't');
  const waiting = () => workers.filter((row) => !stopped.includes(row) && waitsForConnection(row.pid, accepts, inodes));
  const before = waiting();
  await look.clock.sleep(sampleMs, look.signal);
  const idle = new Set([...before, ...waiting()]);
  // who ended meanwhile waits for nothing either, and is not busy
  const left = workers.filter((row) => isStillThere(row));
  if (left.length === 0) return undefined;
  return { stopped: left.filter((row) => stopped.includes(row)), idle: left.filter((row) => idle.has(row)), busy: left.filter((row) => !stopped.includes(row) && !idle.has(row)) };
}

function isStillThere({ pid, startTicks }: ProcessStat): boolean {
  const now = readStat(pid);
  return now !== undefined && now.startTicks === startTicks && isAlive(now);
}

function waitsForConnection(pid: number, accepts: readonly string[], inodes: ReadonlySet<string>): boolean {
  // `43 0x6 …`: the call's number and its first argument, here the descriptor of the listening socket.
  const [call, descriptor] = readText(`/proc/${pid}/syscall`).split(' ');
  if (!call || !descriptor || !accepts.includes(call)) return false;
  const inode = readSocketInode(pid, String(Number(descriptor)));
  return inode !== undefined && inodes.has(inode);
}
