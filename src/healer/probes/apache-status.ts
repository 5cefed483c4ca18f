/**
 * What Apache's own status page says, where the policy names one (`service.server_status`): evidence `apache_status` (the
 * scoreboard, counted) and `busy_page`, one for each page that its workers are in, where ExtendedStatus is on. Of a URL
 * the path is told, never the query; visitors' addresses are not read.
 */
import { Readable } from 'node:stream';
import type { Evidence } from '../../core/diagnosis.ts';
import type { Address } from '../../core/failure.ts';
import { http } from '../../upstream/http.ts';
import type { Probe, ProbeContext } from '../leaves.ts';
import { listenersAt } from '../socket-tables.ts';
import { socketsOf } from './read-once.ts';
import { queueOf } from './read-sockets.ts';
import { busyPageEvidence } from './read-busy-page.ts';

const limits = { connectTimeoutMs: 500, responseTimeoutMs: 1500, idleTimeoutMs: 500 };
/** A row has some 300 bytes: a thousand busy workers. */
const answerLimitBytes = 512 * 1024;
const mostTold = 4;

/** Applies where the policy names the page. Without one the workers of an Apache are not to be told apart. */
export const apacheStatus: Probe = {
  name: 'apache-status',
  deadlineMs: 2500,
  quick: false,
  applies: ({ config }) => config.server_status !== undefined,
  async look(context, signal) {
    const url = new URL(context.target.config.server_status!);
    const source = `${url.host}${url.pathname}`;
    const unseen = (missing: string): Evidence => ({ kind: 'apache_status', source, text: "Apache's status page could not be read.", facts: {}, missing });
    if (queueAt(context) > 0) return [unseen('connections already wait to be accepted, and one more would only lengthen the queue')];
    const page = await ask(url, signal);
    if ('missing' in page) return [unseen(page.missing)];
    const status = parseApacheStatus(page.text, url.pathname);
    return status ? [statusEvidence(status, source), ...pageEvidence(status, source)] : [unseen("expected the page of Apache's mod_status, got something else")];
  },
};

function queueAt(context: ProbeContext): number {
  const { tables, listeners } = socketsOf(context);
  const { upstreams, current } = context.target;
  return listenersAt(upstreams.slice(current, current + 1), listeners).reduce((sum, listener) => sum + queueOf(listener, tables), 0);
}

async function ask(url: URL, signal: AbortSignal): Promise<{ readonly text: string } | { readonly missing: string }> {
  const address: Address = { kind: 'tcp', host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) };
  const request = {
    method: 'GET',
    target: url.pathname,
    wire: { protocol: 'http', rawHeaders: ['Host', url.host, 'User-Agent', 'goodgateway-probe', 'Accept', 'text/html', 'Connection', 'close'], upgrade: false },
    body: { length: 0, open: () => Readable.from([]) },
    clientGone: signal,
  } as const;
  const result = await http.attempt(request, address, limits);
  if (result.kind === 'client_gone') return { missing: 'the time for it was over' };
  if (result.kind === 'failure') return { missing: result.failure.detail };
  let text = '';
  try {
    for await (const piece of result.body) {
      text += String(piece);
      if (text.length > answerLimitBytes) break;
    }
  } catch {
    // What came of a page that was cut is read.
  }
  return result.head.status === 200 ? { text } : { missing: `expected status 200, got ${result.head.status}` };
}

interface Busy {
  readonly page: string;
  readonly forMs: number;
}

export interface ApacheStatus {
  /** Letters of the scoreboard that are no waiting worker and no free slot, with their counts. */
  readonly letters: ReadonlyMap<string, number>;
  readonly idle: number;
  /** Slots without a worker: so many more may be started. */
  readonly free: number;
  readonly pages: readonly Busy[];
}

/** Reads the page as HTML. `own`: the path of the page itself, which a worker is in while it is made. */
export function parseApacheStatus(html: string, own: string): ApacheStatus | undefined {
  const board = /<pre>([_SRWKDCLGI.\s]{1,100000})<\/pre>/.exec(html)?.[1]?.replace(/\s/g, '');
  if (!board) return undefined;
  const letters = new Map<string, number>();
  for (const letter of board) letters.set(letter, (letters.get(letter) ?? 0) + 1);
  const [idle, free] = [letters.get('_') ?? 0, letters.get('.') ?? 0];
  letters.delete('_');
  letters.delete('.');
  // slot, pid, accesses, mode, CPU, seconds since the request began …, the request's line
  const rows = html.matchAll(
    /<tr><td><b>[^<]{1,20}<\/b><\/td><td>[\d-]{1,10}<\/td><td>[^<]{1,40}<\/td><td><b>W<\/b>\s*<\/td><td>[^<]{0,20}<\/td><td>(\d{1,9})<\/td>[^\n]{0,200}\n[^\n]{0,500}<td nowrap>[A-Z]{1,20} (\/[\x21-\x3b\x3d-\x7e]{0,500})/g,
  );
  const pages = [...rows].map(([, seconds, target = '']): Busy => ({ page: target.replace(/\?.*$/, '').slice(0, 120), forMs: Number(seconds) * 1000 })).filter(({ page }) => page !== own);
  return { letters, idle, free, pages };
}

const meanings: Readonly<Record<string, string>> = {
  W: 'write an answer',
  R: 'read a request',
  K: 'keep a connection',
  D: 'look up a name',
  C: 'close',
  L: 'write a log',
  G: 'finish for a graceful restart',
  S: 'start',
  I: 'end',
};

function statusEvidence({ letters, idle, free }: ApacheStatus, source: string): Evidence {
  const busy = [...letters.values()].reduce((sum, count) => sum + count, 0);
  const parts = [...letters].toSorted(([, a], [, b]) => b - a).map(([letter, count]) => `${count} ${meanings[letter] ?? letter} (${letter})`);
  const text = `Apache's status page: ${busy} of ${busy + idle} workers are busy${parts.length > 0 ? ` (${parts.join(', ')})` : ''}, ${free} more may be started.`;
  const facts = { active: busy, idle, total: busy + idle, most: busy + idle + free, writing: letters.get('W') ?? 0, finishing: letters.get('G') ?? 0, keeping: letters.get('K') ?? 0 };
  return { kind: 'apache_status', source, text, facts };
}

function pageEvidence({ pages }: ApacheStatus, source: string): readonly Evidence[] {
  const groups = new Map<string, number[]>();
  for (const { page, forMs } of pages) groups.set(page, [...(groups.get(page) ?? []), forMs]);
  return [...groups]
    .toSorted(([, a], [, b]) => b.length - a.length)
    .slice(0, mostTold)
    .map(([page, times]) => busyPageEvidence(page, times, { busy: pages.length, source }));
}
