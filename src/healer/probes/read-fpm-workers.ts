/** What php-fpm's full status page says of each worker: the request that it is in, and for how long. */
import { askFpmPage, type StatusPage } from './read-fpm-page.ts';

export interface FpmWorker {
  readonly pid: number;
  /** `Idle` between two requests; in one: `Reading headers`, `Running`, `Finishing` and the like. */
  readonly state: string;
  /** Requests that it has taken; with the pid that names the one it is in. */
  readonly requests: number;
  /** How long it has been in this request; of an idle one, how long its last one took. */
  readonly durationMs: number;
  /** `-` before the head was read. */
  readonly method: string;
  /** The path of its URL without the query, for people; empty where it cannot be told. A front controller's script says less. */
  readonly page: string;
}

export interface FpmWorkers {
  readonly pool: string;
  readonly workers: readonly FpmWorker[];
}

/** A worker's entry is at most some 1500 bytes: address, query and script are cut by php-fpm. */
const answerLimitBytes = 4 * 1024 ** 2;

/** Every worker of the pool, or why they cannot be known. */
export async function readFpmWorkers(page: StatusPage, signal: AbortSignal): Promise<FpmWorkers | { readonly missing: string }> {
  const answer = await askFpmPage(page, { query: 'full&json', limitBytes: answerLimitBytes }, signal);
  if ('missing' in answer) return answer;
  return parseFpmWorkers(answer.text) ?? { missing: "expected php-fpm's full status as JSON with every worker once, got something else" };
}

/**
 * Reads the page. An entry ends with texts from a request (its URL), which older versions do not escape. So only what
 * stands before them is read, and of the URL no more than its path, in php-fpm's own order; and when there are more or fewer entries than workers, or one
 * twice, the page is not believed.
 */
export function parseFpmWorkers(text: string): FpmWorkers | undefined {
  const pool = /^\s*\{"pool":"([^"\\]{0,200})"/.exec(text)?.[1];
  const total = /"total processes":(\d{1,6}),/.exec(text)?.[1];
  const entry =
    /\{"pid":(\d{1,10}),"state":"([A-Za-z ]{1,30})","start time":\d+,"start since":\d+,"requests":(\d+),"request duration":(\d+),"request method":"((?:[^"\\]|\\.){0,64})"(?:,"request uri":"((?:[^"\\?]|\\\/){0,200}))?/g;
  const workers = [...text.matchAll(entry)].map(([, pid, state = '', requests, micros, method = '', target = '']): FpmWorker => {
    return { pid: Number(pid), state, requests: Number(requests), durationMs: Number(micros) / 1000, method, page: pageOf(target) };
  });
  if (pool === undefined || workers.length !== Number(total) || new Set(workers.map((worker) => worker.pid)).size !== workers.length) return undefined;
  return { pool, workers };
}

/** The query may hold what is nobody's business, and so may what is not printed as it is. */
function pageOf(target: string): string {
  const path = target.replaceAll('\\/', '/');
  return /^\/[\x21-\x7e]*$/.test(path) ? path.slice(0, 120) : '';
}
