/**
 * What several probes read in the same look: the kernel's tables, the processes, the workers. Each is read when the
 * first probe asks, and kept as long as the look's context, so that an open incident costs one reading a look.
 */
import { readAllStats, type ProcessStat } from '../proc.ts';
import { listenersAt, readListeners, readSocketTables, type Listener, type SocketTables } from '../socket-tables.ts';
import type { ProbeContext } from '../leaves.ts';
import { readKernelLog, type KernelLine } from './read-kernel-log.ts';
import { readFamily } from './read-processes.ts';
import { readWorkers, type Workers } from './read-workers.ts';

interface Sockets {
  readonly tables: SocketTables;
  readonly listeners: readonly Listener[];
}

/** A reader that gives every probe of a look the value of the first call with its context; a later look has another context. */
export function oncePerLook<Value>(read: (context: ProbeContext) => Value): (context: ProbeContext) => Value {
  const known = new WeakMap<ProbeContext, { readonly value: Value }>();
  return (context) => {
    const found = known.get(context) ?? { value: read(context) };
    known.set(context, found);
    return found.value;
  };
}

/** The socket tables of this look and the listeners in them. */
export const socketsOf: (context: ProbeContext) => Sockets = oncePerLook(() => {
  const tables = readSocketTables();
  return { tables, listeners: readListeners(tables) };
});

/** What the kernel's log holds in this look, or why it cannot be read. */
export const kernelLogOf: (context: ProbeContext) => readonly KernelLine[] | string = oncePerLook(() => readKernelLog());

/** Logs complain some seconds before the first visitor suffers, and their clocks are not quite ours. */
const marginMs = 10_000;
/** Looked back when the service was never seen well. */
const longestMs = 600_000;

/** Wall time since when lines of logs may have to do with the trouble: since the service was last seen well, but not longer ago than `backMs`. */
export function troubleSinceMs({ lastGoodMs, clock }: ProbeContext, backMs = longestMs): number {
  return Math.max(lastGoodMs - marginMs, clock.wallMs() - backMs);
}

/** All processes of this look, and when they were read (monotonic). */
export const processReadingOf: (context: ProbeContext) => { readonly atMs: number; readonly rows: readonly ProcessStat[] } = oncePerLook(({ clock }) => ({
  atMs: clock.monotonicMs(),
  rows: readAllStats(),
}));

/** All processes of this look. */
export function processesOf(context: ProbeContext): readonly ProcessStat[] {
  return processReadingOf(context).rows;
}

/**
 * The workers at the upstream in use, sampled once a look. `undefined` for anything but FastCGI: a web server's workers
 * share their connections in other ways, and accept(2) tells nothing there.
 * The sample goes on when the first probe that asked is out of time: it is bounded by itself.
 */
export const workersOf: (context: ProbeContext) => Promise<Workers | undefined> = oncePerLook(async (context) => {
  const { target, serviceType, run, clock } = context;
  const address = target.upstreams[target.current];
  if (target.protocol !== 'fastcgi' || !address) return undefined;
  const signal = new AbortController().signal;
  const state = await serviceType.state(target, run, signal);
  const inodes = new Set(listenersAt([address], socketsOf(context).listeners).map((listener) => listener.inode));
  return readWorkers(inodes, readFamily(state.pids, processesOf(context)), { clock, signal });
});
