import { z } from 'zod';
import { duration, name, share } from '../../config/values.ts';
import { formatDuration } from '../../core/time.ts';
import { endProcesses } from '../end-processes.ts';
import { listenAddresses } from '../find-orphans.ts';
import type { Action, ActionContext } from '../leaves.ts';
import { familyOf, readAllStats, readStat, type ProcessStat } from '../proc.ts';
import { statusPageOf, type StatusPage } from '../probes/read-fpm-page.ts';
import { readFpmPool } from '../probes/read-fpm-pool.ts';
import { step } from '../service-parts/step-result.ts';
import { readFpmWorkers, type FpmWorker } from '../probes/read-fpm-workers.ts';
import { readWorkerWait } from './read-worker-wait.ts';

const options = z.strictObject({
  older_than: duration()
    .refine((ms) => ms >= 1000, { error: 'expected at least 1s' })
    .prefault('5m')
    .describe("A worker is stuck when it has been in one request for longer. Should be twice the gateway's response timeout, and at least 5m."),
  at_most: share().prefault('25%').describe('Of the workers, at least one, never all.'),
  pool: name().optional().describe("The pool's name: nothing is done when the status page is another pool's. Default: not compared."),
  grace: duration().prefault('2s').describe('Between TERM and KILL.'),
});
type Options = z.output<typeof options>;

/** These change nothing by what HTTP says, so to cut one leaves nothing half done. */
const safeMethods: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

/**
 * Ends php-fpm workers that have been in one request for too long; the master starts others. Which those are only
 * php-fpm's full status page knows: the kernel knows a process's age, not its request's. A worker in a POST, or in a
 * request whose method is not known, is never ended. TERM ends a worker at once, and does not count for
 * php-fpm's emergency restart.
 */
export const terminateStuckWorkers: Action<Options> = {
  name: 'terminate_stuck_workers',
  reach: 'worker',
  reversible: false,
  needs: 'likely',
  counts: true,
  budget: 'disruptive',
  evidence: 'before',
  configTest: false,
  options,
  async perform(context, wanted) {
    const started = performance.now();
    const failed = (why: string) => step('failed', why, started);
    if (context.signal.aborted) return failed('not begun: its time was over');
    const seen = await look(context, wanted);
    if ('missing' in seen) return failed(seen.missing);
    const { most, spared } = seen;
    const again = await readFpmWorkers(seen.page, context.signal);
    if ('missing' in again) return failed(`the status page could not be read a second time: ${again.missing}`);
    // still in the very request that was judged
    const still = seen.stuck.filter(({ worker }) => again.workers.some((now) => now.pid === worker.pid && now.requests === worker.requests && now.state !== 'Idle'));
    const chosen = still.toSorted((a, b) => b.worker.durationMs - a.worker.durationMs).slice(0, most);
    const left = spared.length > 0 ? `; left alone, because not only reading: ${listed(spared.map(told), ', ')}` : '';
    if (chosen.length === 0) return failed(`no worker of ${seen.total} has been in a ${safeMethods.join(', ')} request for longer than ${formatDuration(wanted.older_than)}${left}`);
    const deeds = listed(
      chosen.map(({ worker, waits }) => `${told(worker)}: ${waits}`),
      '; ',
    );
    const { killed, remaining } = await end(
      chosen.map(({ stat }) => stat),
      wanted.grace,
      context.signal,
    );
    if (remaining.length > 0) return failed(`processes ${remaining.join(', ')} could not be ended (${deeds})${left}`);
    const others = still.length > chosen.length ? `; ${still.length - chosen.length} more are stuck (at_most ${Math.round(wanted.at_most * 100)}% of ${seen.total} workers)` : '';
    return step('done', `ended ${chosen.length} of ${seen.total} workers (${deeds})${killed.length > 0 ? `; ${killed.join(', ')} by KILL` : ''}${others}${left}`, started);
  },
};

interface Stuck {
  readonly worker: FpmWorker;
  readonly stat: ProcessStat;
  readonly waits: string;
}

interface Seen {
  readonly page: StatusPage;
  readonly total: number;
  /** How many may be ended. */
  readonly most: number;
  readonly stuck: readonly Stuck[];
  readonly spared: readonly FpmWorker[];
}

async function look({ target, serviceType, run, signal }: ActionContext, { older_than: olderThanMs, at_most: part, pool }: Options): Promise<Seen | { readonly missing: string }> {
  const { mainPid } = await serviceType.state(target, run, signal);
  if (mainPid === undefined) return { missing: 'its main process is not known, so neither are its workers' };
  const page = statusPageOf(target, readFpmPool(target, mainPid));
  if (!page) return { missing: "which workers are stuck only php-fpm's status page tells: set pm.status_path and pm.status_listen in the pool, or name the page by `status` under `service`" };
  const status = await readFpmWorkers(page, signal);
  if ('missing' in status) return { missing: `php-fpm's status page could not be read: ${status.missing}` };
  if (pool !== undefined && status.pool !== pool) return { missing: `the status page is of the pool ${status.pool}, not of ${pool}` };
  const total = status.workers.length;
  const most = Math.min(Math.max(1, Math.floor(total * part)), total - 1);
  if (most < 1) return { missing: 'the pool has one worker only: to end it would be to end all' };
  const overdue = status.workers.filter((worker) => worker.state !== 'Idle' && worker.durationMs > olderThanMs);
  const ports = listenAddresses(target).flatMap((address) => (address.kind === 'tcp' ? [address.port] : []));
  const stuck = overdue.filter(isOnlyReading).flatMap((worker): readonly Stuck[] => {
    const stat = readStat(worker.pid);
    // the page's word alone ends nobody: it must be a child of the service's own master
    return stat?.parent === mainPid ? [{ worker, stat, waits: readWorkerWait(worker.pid, ports) }] : [];
  });
  return { page, total, most, stuck, spared: overdue.filter((worker) => !isOnlyReading(worker)) };
}

function isOnlyReading({ method }: FpmWorker): boolean {
  return safeMethods.includes(method);
}

/** The method is from a request; a strange one is not repeated. */
function told({ pid, method, durationMs }: FpmWorker): string {
  return `${pid} in ${/^[A-Z]{1,10}$/.test(method) ? method : 'an unknown method'} for ${formatDuration(durationMs)}`;
}

/** A pool can have thousands; ten show what it was. */
function listed(texts: readonly string[], between: string): string {
  const shown = texts.slice(0, 10).join(between);
  return texts.length > 10 ? `${shown} and ${texts.length - 10} more` : shown;
}

/** With what it started (a program that the script waits for), which would outlive it. */
async function end(workers: readonly ProcessStat[], waitMs: number, signal: AbortSignal): ReturnType<typeof endProcesses> {
  const all = readAllStats();
  const processes = workers.flatMap((worker) => familyOf(worker.pid, all));
  return endProcesses({ processes, ask: { signal: 'SIGTERM', to: workers, waitMs }, signal });
}
