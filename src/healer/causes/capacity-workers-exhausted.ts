/** Every worker is busy. Requests wait their turn; a restart would lose the ones that are being served. */
import type { CaseFile, Cause } from '../leaves.ts';
import { whoAsks } from './read-access.ts';
import { counted, currentListener, factOf, factsOf, isAlive, logLine, sentences, type Fact } from './read-case.ts';
import { heldUpBy } from './read-held-up.ts';
import { waitsOf } from './read-waits.ts';

interface Pool {
  readonly busy: number | undefined;
  readonly most: number | undefined;
  readonly total: number;
}

/**
 * Certain when all workers that there may be are busy as the kernel or the status page sees them; likely when every
 * worker of now is, or when only the gateway's count says so, or the log while somebody is seen to wait; possible when
 * nothing but a line of the log says so, which stays when it is over.
 */
export const capacityWorkersExhausted: Cause = {
  name: 'capacity.workers_exhausted',
  suspect(file) {
    if (!isAlive(file)) return undefined;
    const pool = poolOf(file);
    const full = pool.busy !== undefined && pool.most !== undefined && pool.busy >= pool.most;
    const allTaken = pool.busy !== undefined && pool.total > 0 && pool.busy >= pool.total;
    const logged = logLine(file, 'max_children_reached');
    const { inFlight, limit } = file.traffic;
    const atLimit = limit !== undefined && inFlight >= limit;
    // An idle worker is seen: whatever was logged or counted is over.
    if (!full && !allTaken && (pool.busy !== undefined || !(atLimit || logged))) return undefined;
    const onlyLogged = pool.busy === undefined && !atLimit && !isWaitedFor(file);
    const sure = full || (allTaken && logged !== undefined);
    const setting = factOf(file, 'fpm_pool');
    const waiting = waitingVisitors(file, pool);
    // there being none left is what follows from it then
    const outside = heldUpBy(file);
    const asking = whoAsks(file);
    return {
      cause: 'capacity.workers_exhausted',
      confidence: onlyLogged ? 'possible' : sure && !outside ? 'certain' : 'likely',
      subject: subject(pool.most ?? logged?.number('limit'), file),
      sentence: `${numbers(pool, file)}; ${waiting === 0 ? 'nobody waits yet' : `${waiting} more ${waiting === 1 ? 'waits' : 'wait'}`}.`,
      because: sentences(
        factOf(file, 'workers'),
        factOf(file, 'fpm_status'),
        factOf(file, 'apache_status'),
        setting,
        logged,
        factOf(file, 'worker_memory'),
        ...(outside ? [] : waitsOf(file).slice(0, 2)),
        ...factsOf(file, 'busy_page').slice(0, 1),
        asking?.says,
        atLimit && `${inFlight} ${inFlight === 1 ? 'request is' : 'requests are'} in the backend; the gateway lets in ${limit}.`,
      ),
      against: sentences(outside),
      remedy: [outside ? lookThere : remedy(setting, factOf(file, 'worker_memory')), asking?.remedy].filter(Boolean).join(' '),
    };
  },
};

function poolOf(file: CaseFile): Pool {
  const workers = factOf(file, 'workers');
  const status = factOf(file, 'fpm_status') ?? factOf(file, 'apache_status');
  return {
    busy: workers?.number('busy') ?? status?.number('active'),
    total: workers?.number('total') ?? status?.number('total') ?? 0,
    most: factOf(file, 'fpm_pool')?.number('maxChildren') ?? status?.number('most'),
  };
}

/**
 * Who waits at the gateway, and in the service's own queue no more than the gateway has sent there beyond the busy
 * workers: the rest of that queue are checks and probes.
 */
function waitingVisitors(file: CaseFile, { busy = 0 }: Pool): number {
  const { held, inFlight } = file.traffic;
  return held + Math.min(currentListener(file)?.number('queue') ?? 0, Math.max(0, inFlight - busy));
}

/** Somebody waits now, at the gateway or in the service's own queue, and be it the healer. */
function isWaitedFor(file: CaseFile): boolean {
  return file.traffic.held > 0 || (currentListener(file)?.number('queue') ?? 0) > 0 || factOf(file, 'http_answer')?.word('result') === 'timeout';
}

function numbers(pool: Pool, file: CaseFile): string {
  const { name } = file.target;
  if (pool.busy !== undefined)
    return `${pool.busy === 1 ? `The only worker of ${name} is` : `All ${pool.busy} workers of ${name} are`} busy${pool.most === undefined ? '' : ` (at most ${pool.most})`}`;
  const { inFlight, limit } = file.traffic;
  return limit !== undefined && inFlight >= limit ? `${name} works on ${counted(inFlight, 'request')}, as many as it takes at once` : `${name} says that it has no free worker`;
}

function subject(most: number | undefined, { target }: CaseFile): string {
  return most !== undefined && target.protocol === 'fastcgi' ? `pm.max_children = ${most}` : target.name;
}

/** More workers would not only wait there, too: they would take their part of what is short. */
const lookThere = 'Let the requests wait, and mend first what the workers wait for: more workers would wait for it, too. Do not restart.';

function remedy(setting: Fact | undefined, memory: Fact | undefined): string {
  const where = setting ? `pm.max_children in ${setting.word('file')}:${setting.number('line')}` : 'the number of workers';
  return `Let the requests wait; find what is slow${memory ? raise(where, { memory, most: setting?.number('maxChildren') }) : `, or, if there is memory for it, raise ${where}`}. Do not restart.`;
}

/** A number that the memory allows, or that it allows none. */
function raise(where: string, { memory, most }: { readonly memory: Fact; readonly most: number | undefined }): string {
  const room = memory.number('room') ?? 0;
  const now = most ?? memory.number('workers') ?? 0;
  if (room < 1) return `; there is no memory for more workers, so do not raise ${where}`;
  // more than double at once is a leap in the dark: whatever they wait for may not bear it
  return `, or raise ${where} to ${now + Math.min(room, now)} (there is memory for ${now + room})`;
}
