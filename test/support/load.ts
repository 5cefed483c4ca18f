/**
 * A steady load from inside the test: requests leave by the clock, whether earlier ones were answered or not, over kept
 * connections. The mix comes from a seed, so that a run can be repeated.
 */
import { Agent, request, type RequestOptions } from 'node:http';

export interface LoadOptions {
  readonly port: number;
  /** Requests a second. */
  readonly rate: number;
  /** Share of POSTs, 0 to 1. */
  readonly posts?: number;
  readonly seed?: number;
  /** The path of a request; `id` is unique within the run. Default: `/?id=ID` for both. */
  readonly path?: (method: 'GET' | 'POST', id: string) => string;
  /** Bytes of a POST's body. Default 64. */
  readonly bodyBytes?: number;
  /** A request without an answer for so long counts as failed. Default 30 s. */
  readonly timeoutMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface LoadResult {
  readonly id: string;
  readonly method: 'GET' | 'POST';
  /** 0 when no answer came, or one that was cut: `error` says which. */
  readonly status: number;
  readonly error?: string;
  /** Wall time at which the request left, and how long until its answer was complete. */
  readonly sentAtMs: number;
  readonly tookMs: number;
  readonly proxyStatus: string | undefined;
}

export interface Load {
  /** Answers so far, in the order of their end. */
  readonly results: readonly LoadResult[];
  inFlight(): number;
  /** Sends nothing more, waits for all that is under way, and gives everything. */
  stop(): Promise<readonly LoadResult[]>;
}

/** Starts at once. Stopped when the test is over, if it was not before. */
export function startLoad(t: { teardown(run: () => unknown): unknown }, options: LoadOptions): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: 2000 });
  const random = randomFrom(options.seed ?? 1);
  const results: LoadResult[] = [];
  const open = new Set<Promise<void>>();
  const began = performance.now();
  let sent = 0;

  const sendDue = (): void => {
    const due = Math.floor(((performance.now() - began) / 1000) * options.rate);
    while (sent < due) {
      const method = random() < (options.posts ?? 0) ? 'POST' : 'GET';
      const one = send(options, { agent, method, id: `${options.seed ?? 1}-${sent++}` }).then((result) => {
        results.push(result);
        open.delete(one);
      });
      open.add(one);
    }
  };
  const timer = setInterval(sendDue, 2);
  const stop = async (): Promise<readonly LoadResult[]> => {
    clearInterval(timer);
    await Promise.all(open);
    agent.destroy();
    return results;
  };
  t.teardown(stop);
  return { results, inFlight: () => open.size, stop };
}

/** `GET 200: 1203, POST 503: 2`, and the slowest: what a failed assertion should print. */
export function summarise(results: readonly LoadResult[]): string {
  const counts = new Map<string, number>();
  for (const { method, status, error } of results) {
    const key = `${method} ${error ?? status}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const slowest = Math.max(0, ...results.map(({ tookMs }) => tookMs));
  return `${[...counts].map(([key, count]) => `${key}: ${count}`).join(', ')}; slowest ${Math.round(slowest)} ms`;
}

interface OneRequest {
  readonly agent: Agent;
  readonly method: 'GET' | 'POST';
  readonly id: string;
}

function send(options: LoadOptions, { agent, method, id }: OneRequest): Promise<LoadResult> {
  const [sentAtMs, began] = [Date.now(), performance.now()];
  const body = method === 'POST' ? Buffer.alloc(options.bodyBytes ?? 64, 0x78) : undefined;
  const target: RequestOptions = {
    agent,
    method,
    host: '127.0.0.1',
    port: options.port,
    path: options.path?.(method, id) ?? `/?id=${id}`,
    headers: { ...options.headers, ...(body && { 'content-length': body.length }) },
    timeout: options.timeoutMs ?? 30_000,
  };
  return new Promise((resolve) => {
    const done = (status: number, rest: { readonly error?: string; readonly proxyStatus?: string | undefined } = {}): void =>
      resolve({ id, method, status, sentAtMs, tookMs: performance.now() - began, proxyStatus: undefined, ...rest });
    const outgoing = request(target, (response) => {
      const proxyStatus = response.headers['proxy-status'];
      response.resume();
      response.once('end', () => done(response.statusCode ?? 0, { proxyStatus: String(proxyStatus ?? '') || undefined }));
      response.once('error', (error) => done(0, { error: `cut: ${error.message}` }));
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer in time')));
    outgoing.once('error', (error) => done(0, { error: error.message }));
    outgoing.end(body);
  });
}

/** mulberry32: small, even enough for a mix. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
