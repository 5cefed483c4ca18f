/**
 * What busy workers wait for, counted: evidence `worker_waits`, one for each thing, what most wait for first. Looked at
 * twice: who waits for something else a moment later is not held up by it. A pool without a free worker is full for a
 * reason, and more often than not the reason is what its workers wait for.
 *
 * Of other services than FastCGI ones nobody can tell a busy thread from an idle one. Of those only what is waited for at
 * an address, for a lock or for a disk is told, and no number of busy ones.
 */
import { readdirSync } from 'node:fs';
import type { Evidence } from '../../core/diagnosis.ts';
import type { Address } from '../../core/failure.ts';
import type { Probe, ProbeContext } from '../leaves.ts';
import { isAlive, readStat, type ProcessStat } from '../proc.ts';
import { processesOf, workersOf } from './read-once.ts';
import { readPeer } from './read-peer.ts';
import { readFamily } from './read-processes.ts';
import { nameUnixPeers, readWait, readWaitTables, type Wait } from './read-waits.ts';

/** Longer than one query of a page that makes many; short enough for a look. */
const againMs = 200;
const mostThreads = 128;
const mostTold = 6;

interface Thread {
  readonly row: ProcessStat;
  readonly thread: number;
}

/** Applies to services with a process of their own that a gateway leads to. */
export const workerWaits: Probe = {
  name: 'worker-waits',
  deadlineMs: 2000,
  quick: false,
  applies: (target) => target.config.type !== 'external' && target.upstreams.length > 0,
  async look(context, signal) {
    const fastcgi = context.target.protocol === 'fastcgi';
    const threads = fastcgi ? ((await workersOf(context))?.busy ?? []).slice(0, mostThreads).map((row) => ({ row, thread: row.pid })) : await threadsOf(context, signal);
    if (threads.length === 0) return [];
    const before = await waitsOf(threads, context, signal);
    await context.clock.sleep(againMs, signal);
    const after = await waitsOf(threads, context, signal);
    const waits = threads.flatMap((_, index) => {
      const [one, other] = [before[index], after[index]];
      return one && other ? [one.key === other.key ? other : changing] : [];
    });
    if (waits.length === 0) return [{ kind: 'worker_waits', source: '/proc', text: 'What the workers wait for could not be seen.', facts: {}, missing: 'the kernel shows it to root only' }];
    return evidenceOf(fastcgi ? waits : waits.filter(({ on }) => on === 'address' || on === 'lock' || on === 'disk'), {
      pid: threads[0]!.row.pid,
      busy: fastcgi ? threads : undefined,
      context,
      signal,
    });
  },
};

/** Now this, now that. */
const changing: Wait = { on: 'computing', key: 'computing', thing: '' };

async function threadsOf(context: ProbeContext, signal: AbortSignal): Promise<readonly Thread[]> {
  const { target, run, serviceType } = context;
  const state = await serviceType.state(target, run, signal);
  const family = state.state === 'running' ? readFamily(state.pids, processesOf(context)).filter(isAlive) : [];
  return family.flatMap((row) => threadIdsOf(row.pid).map((thread) => ({ row, thread }))).slice(0, mostThreads);
}

function threadIdsOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}

function pathsOf(addresses: readonly Address[]): ReadonlySet<string> {
  return new Set(addresses.flatMap((address) => (address.kind === 'unix' ? [address.path] : [])));
}

async function waitsOf(threads: readonly Thread[], context: ProbeContext, signal: AbortSignal): Promise<readonly (Wait | undefined)[]> {
  const tables = readWaitTables(threads[0]!.row.pid);
  const all = processesOf(context);
  const waits = threads.map(({ row, thread }) => readWait(row, tables, all, thread));
  const named = await nameUnixPeers(
    waits.filter((wait) => wait !== undefined),
    tables,
    { run: context.run, own: pathsOf(context.target.upstreams), needed: pathsOf(context.dependencies.flatMap(({ address }) => address ?? [])), signal },
  );
  let next = 0;
  return waits.map((wait) => wait && named[next++]);
}

interface About {
  /** One of those whose waits they are. */
  readonly pid: number;
  readonly busy: readonly Thread[] | undefined;
  readonly context: ProbeContext;
  readonly signal: AbortSignal;
}

async function evidenceOf(waits: readonly Wait[], about: About): Promise<readonly Evidence[]> {
  const groups = new Map<string, Wait[]>();
  for (const wait of waits) groups.set(wait.key, [...(groups.get(wait.key) ?? []), wait]);
  const sorted = [...groups.values()].toSorted((a, b) => b.length - a.length).slice(0, mostTold);
  return Promise.all(sorted.map((group) => groupEvidence(group, about)));
}

async function groupEvidence(group: readonly Wait[], { pid, busy, context, signal }: About): Promise<Evidence> {
  const [{ on, thing, holder, udp }] = group as [Wait];
  const count = group.length;
  const peer = on === 'address' ? await readPeer({ thing, udp: udp === true, pid }, context, signal) : undefined;
  const holderIsWorker = holder !== undefined && busy?.some(({ row }) => row.pid === holder);
  const who = busy ? `${count} of ${busy.length} busy ${busy.length === 1 ? 'worker' : 'workers'}` : `${count} ${count === 1 ? 'thread' : 'threads'}`;
  const facts = {
    on,
    thing,
    count,
    ...(busy && { busy: busy.length }),
    ...(holder !== undefined && { holder, holderIsWorker: holderIsWorker === true }),
    ...(peer && { kind: peer.kind, ...(peer.name && { name: peer.name }), known: peer.known === true }),
  };
  return { kind: 'worker_waits', source: '/proc', text: `${who} ${words({ on, thing, holder, one: count === 1 }, peer?.name)}.`, facts };
}

function words({ on, thing, holder, one }: { on: Wait['on']; thing: string; holder: number | undefined; one: boolean }, name: string | undefined): string {
  const wait = one ? 'waits' : 'wait';
  switch (on) {
    case 'address':
      return `${wait} for ${thing}${name ? ` (${name})` : ''}`;
    case 'lock':
      return `${wait} for the lock on ${thing}${holder === undefined ? '' : `, held by ${processName(holder)}`}`;
    case 'program':
      return `${wait} for the program ${thing}, which ${one ? 'it' : 'they'} started`;
    case 'sleep':
      return one ? 'sleeps in its page' : 'sleep in their pages';
    case 'disk':
      return `${wait} for a disk (state D)`;
    case 'gateway':
      return `${wait} for the other end of ${one ? 'its' : 'their'} own connection`;
    case 'computing':
      return one ? 'computes' : 'compute';
    case 'itself':
      return `${wait} for another thread or process`;
    case 'unclear':
      return `${wait} for something that cannot be told`;
  }
}

function processName(pid: number): string {
  const name = readStat(pid)?.comm;
  return name === undefined ? `process ${pid}` : `process ${pid} (${name})`;
}
