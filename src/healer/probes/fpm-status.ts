/**
 * What php-fpm's configuration and status page say: evidence `fpm_pool` (pm.max_children and where it is written) and
 * `fpm_status`. The page is asked for only where it can answer: on pm.status_listen, or while a worker is free.
 * Its full form, which tells visitors' addresses and URLs, is slow-pages' business. `fpm_timeouts`: what may end a request.
 */
import type { Evidence } from '../../core/diagnosis.ts';
import { formatAddress } from '../../core/failure.ts';
import type { Probe } from '../leaves.ts';
import { askFpmPage, statusPageOf, type StatusPage } from './read-fpm-page.ts';
import { readFpmPool, type FpmPool } from './read-fpm-pool.ts';
import { workersOf } from './read-once.ts';

/** The short status is some 400 bytes. */
const answerLimitBytes = 8192;

/** Applies to FastCGI services. A stock pool has no status page: then only its configuration is evidence. */
export const fpmStatus: Probe = {
  name: 'fpm-status',
  deadlineMs: 1500,
  quick: false,
  applies: (target) => target.protocol === 'fastcgi' && target.upstreams.length > 0,
  async look(context, signal) {
    const { target, run, serviceType } = context;
    const state = await serviceType.state(target, run, signal);
    const pool = readFpmPool(target, state.mainPid);
    const page = statusPageOf(target, pool);
    const evidence = pool ? [poolEvidence(pool), ...timeoutEvidence(pool)] : [];
    if (!page || state.state !== 'running') return evidence;
    const own = formatAddress(page.address) === formatAddress(target.upstreams[target.current]!);
    const workers = own ? await workersOf(context) : undefined;
    if (workers?.idle.length === 0) return [...evidence, unseen(page, 'no worker is free to answer, and the pool has no pm.status_listen')];
    return [...evidence, await askPage(page, signal)];
  },
};

function poolEvidence(pool: FpmPool): Evidence {
  const { name, file, line, maxChildren } = pool;
  return { kind: 'fpm_pool', source: file, text: `pm.max_children = ${maxChildren} for the pool ${name} (${file}:${line}).`, facts: { pool: name, file, line, maxChildren } };
}

/** What may end a request in the middle, where the pool says so. */
function timeoutEvidence({ name, file, timeouts }: FpmPool): readonly Evidence[] {
  const { terminateMs, executionMs, controlMs } = timeouts;
  const told = Object.entries({ request_terminate_timeout: terminateMs, max_execution_time: executionMs, process_control_timeout: controlMs }).filter(([, ms]) => ms !== undefined);
  if (told.length === 0) return [];
  const text = `${told.map(([key, ms = 0]) => `${key} = ${ms === 0 ? '0 (never)' : `${ms / 1000}s`}`).join(', ')} for the pool ${name}.`;
  return [{ kind: 'fpm_timeouts', source: file, text, facts: { pool: name, ...timeouts } }];
}

async function askPage(page: StatusPage, signal: AbortSignal): Promise<Evidence> {
  const answer = await askFpmPage(page, { query: 'json', limitBytes: answerLimitBytes }, signal);
  if ('missing' in answer) return unseen(page, answer.missing);
  const status = parseStatus(answer.text);
  if (!status) return unseen(page, "expected php-fpm's status as JSON, got something else");
  const text = `php-fpm's status page: ${status.active} of ${status.total} workers ${status.active === 1 ? 'is' : 'are'} busy, ${status.queue} ${status.queue === 1 ? 'waits' : 'wait'} in the queue.`;
  return { kind: 'fpm_status', source: `${page.path} at ${formatAddress(page.address)}`, text, facts: status };
}

function parseStatus(text: string): { readonly active: number; readonly idle: number; readonly total: number; readonly queue: number; readonly maxChildrenReached: number } | undefined {
  const count = (name: string) => Number(new RegExp(`"${name}":(\\d{1,9})[,}]`).exec(text)?.[1] ?? NaN);
  const status = { active: count('active processes'), idle: count('idle processes'), total: count('total processes'), queue: count('listen queue'), maxChildrenReached: count('max children reached') };
  return Object.values(status).some(Number.isNaN) ? undefined : status;
}

function unseen(page: StatusPage, missing: string): Evidence {
  return { kind: 'fpm_status', source: `${page.path} at ${formatAddress(page.address)}`, text: "php-fpm's status page could not be read.", facts: {}, missing };
}
