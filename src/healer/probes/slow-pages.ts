/**
 * Which pages keep the workers of a php-fpm busy: evidence `busy_page` from its full status page, one for each page,
 * and `slow_trace` from its slow log, one for each script and the call that it was in. Of a URL the path is told, never
 * the query; users and addresses are not read at all.
 */
import type { Evidence } from '../../core/diagnosis.ts';
import { formatAddress } from '../../core/failure.ts';
import type { Probe, ProbeContext } from '../leaves.ts';
import { busyPageEvidence } from './read-busy-page.ts';
import { statusPageOf } from './read-fpm-page.ts';
import { readFpmPool, type FpmPool } from './read-fpm-pool.ts';
import { readFpmWorkers } from './read-fpm-workers.ts';
import { troubleSinceMs, workersOf } from './read-once.ts';
import { readSlowLog, waitOfCall, type SlowTrace } from './read-slow-log.ts';

/** Before the service was last seen well a page may have been slow, too; it is asked about now. */
const backMs = 120_000;
const mostTold = 4;

/** Applies to FastCGI services. A stock pool has neither page nor slow log: then there is no such evidence. */
export const slowPages: Probe = {
  name: 'slow-pages',
  deadlineMs: 2000,
  quick: false,
  applies: (target) => target.protocol === 'fastcgi' && target.upstreams.length > 0,
  async look(context, signal) {
    const state = await context.serviceType.state(context.target, context.run, signal);
    const pool = readFpmPool(context.target, state.mainPid);
    if (state.state !== 'running') return [];
    const looked = await Promise.all([busyPages(context, pool, signal), slowTraces(context, pool)]);
    return looked.flat();
  },
};

async function busyPages(context: ProbeContext, pool: FpmPool | undefined, signal: AbortSignal): Promise<readonly Evidence[]> {
  const { target } = context;
  const page = statusPageOf(target, pool);
  const workers = await workersOf(context);
  if (!page || workers?.busy.length === 0) return [];
  const own = formatAddress(page.address) === formatAddress(target.upstreams[target.current]!);
  // its own pool answers only with a worker that is free, and the short status page says so already
  if (own && workers?.idle.length === 0) return [];
  const read = await readFpmWorkers(page, signal);
  if ('missing' in read) return [{ kind: 'busy_page', source: page.path, text: "php-fpm's full status page could not be read.", facts: {}, missing: read.missing }];
  // one of them answers us
  const busy = read.workers.filter((worker) => worker.state !== 'Idle' && worker.page !== page.path);
  return groupBy(busy, (worker) => worker.page)
    .filter(([name]) => name !== '')
    .map(([name, list]) =>
      busyPageEvidence(
        name,
        list.map((worker) => worker.durationMs),
        { busy: busy.length, source: page.path },
      ),
    );
}

async function slowTraces(context: ProbeContext, pool: FpmPool | undefined): Promise<readonly Evidence[]> {
  if (!pool?.slowLog) return [];
  try {
    const traces = await readSlowLog(pool.slowLog, troubleSinceMs(context, backMs));
    return groupBy(traces, (trace) => `${trace.script} ${trace.call}`).map(([, list]) => traceEvidence(list, pool.slowLog!));
  } catch (error) {
    // Nothing was ever slow enough for it to be made.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    return [{ kind: 'slow_trace', source: pool.slowLog, text: `${pool.slowLog} could not be read.`, facts: {}, missing: error instanceof Error ? error.message : String(error) }];
  }
}

function traceEvidence(list: readonly SlowTrace[], source: string): Evidence {
  const { script, call, at } = list.at(-1)!;
  const text = `The slow log has ${list.length} ${list.length === 1 ? 'entry' : 'entries'} of ${script}, in ${call}() at ${at}.`;
  return { kind: 'slow_trace', source, text, facts: { script, call, at, count: list.length, waits: waitOfCall(call) } };
}

function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): readonly (readonly [string, readonly Item[]])[] {
  const groups = new Map<string, Item[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups].toSorted(([, a], [, b]) => b.length - a.length).slice(0, mostTold);
}
