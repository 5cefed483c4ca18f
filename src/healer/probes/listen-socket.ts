/**
 * Who listens where the gateways look for the service, and where the service listens instead.
 * Evidence: `listener` for each upstream, `listen_elsewhere`, `connect` for the upstream in use.
 */
import { statSync } from 'node:fs';
import type { Evidence } from '../../core/diagnosis.ts';
import { formatAddress, type Address } from '../../core/failure.ts';
import { connectTo } from '../../upstream/connect.ts';
import type { Probe, ProbeContext } from '../leaves.ts';
import { readStat } from '../proc.ts';
import { listenersAt, type Listener, type SocketTables } from '../socket-tables.ts';
import { processesOf, socketsOf, workersOf } from './read-once.ts';
import { readFamily } from './read-processes.ts';
import { nameOf, processUser, unitOfProcess } from './read-process-user.ts';
import { isLocal, queueOf, readHolders } from './read-sockets.ts';

/** A connect on the same host takes microseconds, one to the next rack less than 1 ms; the rest is for a busy machine. */
const connectTimeoutMs = 100;

interface View {
  readonly context: ProbeContext;
  readonly signal: AbortSignal;
  readonly tables: SocketTables;
  readonly rows: readonly Listener[];
  /** Pids of the service and what they started. */
  readonly service: ReadonlySet<number>;
  readonly holders: ReadonlyMap<string, readonly number[]>;
}

/** Applies to every service that a gateway leads to. */
export const listenSocket: Probe = {
  name: 'listen-socket',
  deadlineMs: 150,
  quick: true,
  applies: (target) => target.upstreams.length > 0,
  async look(context, signal) {
    const { target } = context;
    const view = await readView(context, signal);
    const listeners = await Promise.all(target.upstreams.map((address, index) => listenerEvidence(view, address, index)));
    // Only then: a connection that is not accepted stays in the queue, even when it is closed.
    const connected = await connectEvidence(context, listeners[target.current]!.facts, signal);
    return [...listeners, ...elsewhereEvidence(view), connected];
  },
};

async function readView(context: ProbeContext, signal: AbortSignal): Promise<View> {
  const { target, serviceType, run } = context;
  const state = await serviceType.state(target, run, signal);
  const { tables, listeners: rows } = socketsOf(context);
  const service = new Set(readFamily(state.pids, processesOf(context)).map((row) => row.pid));
  const wanted = listenersAt(target.upstreams, rows);
  const ofService = await readHolders(new Set(rows.map((row) => row.inode)), [...service], signal);
  // Only sockets that the service itself does not hold are worth a walk through every process of the machine.
  const strange = new Set(wanted.map((row) => row.inode).filter((inode) => !ofService.has(inode)));
  const ofOthers =
    strange.size > 0
      ? await readHolders(
          strange,
          processesOf(context).map((row) => row.pid),
          signal,
        )
      : [];
  return { context, signal, tables, rows, service, holders: new Map([...ofService, ...ofOthers]) };
}

async function listenerEvidence(view: View, address: Address, index: number): Promise<Evidence> {
  const about = { address: formatAddress(address), current: index === view.context.target.current };
  const make = (state: string, text: string, facts: Evidence['facts'] = {}): Evidence => ({ kind: 'listener', source: '/proc/net', text, facts: { ...about, state, ...facts } });
  if (!isLocal(address)) return { ...make('unseen', `${about.address} is not an address of this machine.`), missing: 'only listeners of this machine can be seen' };
  const row = listenersAt([address], view.rows)[0];
  if (!row) return make(...nobody(address));
  const pids = view.holders.get(row.inode) ?? [];
  const byService = pids.some((pid) => view.service.has(pid));
  const program = pids[0] === undefined ? '' : (readStat(pids[0])?.comm ?? '');
  const owner = pids[0] === undefined || byService ? undefined : ownerOf(pids[0]);
  const who = pids.length > 0 ? `${program} (${[pidList(pids), ...(owner?.words ?? [])].join(', ')})` : 'A process that cannot be seen';
  if (isRemoved(row, address, pids))
    return make('file_removed', `${who} listens on ${about.address}, but the file is gone, so that no connection can reach it.`, { pids: pids.map(String), program, byService });
  const queue = queueOf(row, view.tables);
  const backlog = queue > 0 ? await readBacklog(view, address) : undefined;
  const waiting = queue > 0 ? `; ${queue} ${queue === 1 ? 'connection waits' : 'connections wait'} to be accepted${backlog === undefined ? '' : `, the backlog is ${backlog}`}` : '';
  return make('listening', `${who} listens on ${about.address}${waiting}.`, { pids: pids.map(String), program, byService, ...owner?.facts, queue, ...(backlog === undefined ? {} : { backlog }) });
}

/** Of a holder that is none of the service's: whose it is. */
function ownerOf(pid: number): { readonly words: readonly string[]; readonly facts: { readonly unit: string; readonly user: string } } {
  const unit = unitOfProcess(pid);
  const user = processUser(pid);
  const name = user ? nameOf(user.uid, 'user') : '';
  return { words: [unit, name && `user ${name}`].filter(Boolean), facts: { unit, user: name } };
}

/** A socket lives on without its file. A holder may have another root than we (a container, PrivateTmp): there it must be gone, too. */
function isRemoved({ address: bound }: Listener, asked: Address, pids: readonly number[]): boolean {
  if (bound.kind !== 'unix' || asked.kind !== 'unix') return false;
  return isAbsent(asked.path) && (pids[0] === undefined || isAbsent(`/proc/${pids[0]}/root${bound.path}`));
}

function isAbsent(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) === undefined;
  } catch {
    // Not ours to see.
    return false;
  }
}

function nobody(address: Address): readonly [string, string] {
  const text = formatAddress(address);
  if (address.kind === 'tcp') return ['nobody', `Nobody listens on ${text}.`];
  const file = statSync(address.path, { throwIfNoEntry: false });
  if (!file) return ['path_missing', `${address.path} does not exist.`];
  return file.isSocket() ? ['stale_socket', `${address.path} is a socket that nobody listens on any more.`] : ['not_a_socket', `${address.path} is not a socket.`];
}

/** /proc shows how many wait but not how many may; `ss` does, where it is installed. */
async function readBacklog(view: View, address: Address): Promise<number | undefined> {
  const filter = address.kind === 'unix' ? ['-xlnH', 'src', `unix:${address.path}`] : ['-tlnH', 'sport', '=', `:${address.port}`];
  const result = await view.context.run.run(['/usr/bin/ss', ...filter], { timeoutMs: connectTimeoutMs, signal: view.signal });
  const found = /LISTEN\s+\d+\s+(\d+)/.exec(result.exitCode === 0 ? result.output : '');
  return found ? Number(found[1]) : undefined;
}

function elsewhereEvidence(view: View): readonly Evidence[] {
  const known = new Set(listenersAt(view.context.target.upstreams, view.rows));
  const addresses = view.rows
    .filter((row) => view.holders.get(row.inode)?.some((pid) => view.service.has(pid)))
    .filter((row) => !known.has(row))
    .map((row) => formatAddress(row.address))
    .slice(0, 16);
  if (addresses.length === 0) return [];
  return [{ kind: 'listen_elsewhere', source: '/proc/net', text: `The service also listens on ${addresses.join(', ')}.`, facts: { addresses } }];
}

async function connectEvidence(context: ProbeContext, listener: Evidence['facts'], signal: AbortSignal): Promise<Evidence> {
  const address = context.target.upstreams[context.target.current]!;
  const to = formatAddress(address);
  const needless = await wouldLengthen(context, listener);
  if (needless) return { kind: 'connect', source: 'connect test', text: `No connect to ${to} was tried.`, facts: {}, missing: needless };
  const result = await connectTo(address, { timeoutMs: connectTimeoutMs, signal });
  const base = { kind: 'connect', source: 'connect test' };
  if (result.kind === 'client_gone') return { ...base, text: `The connect to ${to} was not finished.`, facts: {}, missing: 'the time for evidence was over' };
  if (result.kind === 'failure') return { ...base, text: `${result.failure.detail}.`, facts: { address: to, result: result.failure.kind, errno: result.failure.errno ?? '' } };
  result.socket.destroy();
  return { ...base, text: `${to} accepts connections.`, facts: { address: to, result: 'connected' } };
}

/** Why a connect of ours would stand in the visitors' way. At a full backlog it cannot: it is refused, and tells why. */
async function wouldLengthen(context: ProbeContext, listener: Evidence['facts']): Promise<string | undefined> {
  const [queue, backlog] = [Number(listener['queue'] ?? 0), Number(listener['backlog'] ?? Infinity)];
  if (queue > 0) return queue <= backlog ? 'connections already wait to be accepted, and one more would only lengthen the queue' : undefined;
  const workers = await workersOf(context);
  return workers?.idle.length === 0 ? 'no worker is free to take it, so it would only lengthen the queue' : undefined;
}

function pidList(pids: readonly number[]): string {
  return pids.length > 4 ? `pids ${pids.slice(0, 4).join(', ')} and ${pids.length - 4} more` : `pid ${pids.join(', ')}`;
}
