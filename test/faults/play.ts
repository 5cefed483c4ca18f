/**
 * Plays one fault: visitors come, the fault comes, goodgateway names a cause and acts, a person takes away what is left,
 * and all is well again. Every wait has an end; what did not come in time is missing in what was played.
 */
import type { AuditRecord } from '../support/audit-records.ts';
import { startLoad, type Load, type LoadResult } from '../support/load.ts';
import type { TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import type { ExpectedFault } from './expected.ts';
import type { Scene, Watched } from './fault.ts';

export interface Played {
  /** Everything that was recorded since the fault came. */
  readonly records: readonly AuditRecord[];
  /** Whose diagnosis counts. */
  readonly service: string;
  /** Wall times. `takenAwayAtMs`: when a person did; `healedAtMs`: since when every visitor was served again. */
  readonly injectedAtMs: number;
  readonly takenAwayAtMs: number | undefined;
  readonly healedAtMs: number | undefined;
  /** Of visitors who came after the fault. */
  readonly visitors: readonly LoadResult[];
  /** Its incidents are over. */
  readonly isClosed: boolean;
}

/** Without any incident for so long nothing is detected any more. */
const detectMs = 20_000;
/** A diagnosis that has not changed for so long is the last word. */
const lastWordMs = 8000;
/** Each round of looking takes a second at most: after so many ms a wrong act would have shown. */
const harmShowsMs = 3500;
/** The longest memory that keeps an incident open is a minute: that of workers which died. */
const healMs = 80_000;
/** All visitors of so long a time were served. */
const wellMs = 1500;

/** Rejects when the scene itself does not work: nobody is served before the fault, or it cannot be brought about. */
export async function play(t: TestScope, expected: ExpectedFault, begin: (t: TestScope) => Promise<Scene>): Promise<Played> {
  const scene = await begin(t);
  const { at, visits } = scene;
  const { path = '/hello.php', rate = 10 } = visits ?? {};
  const load = startLoad(t, { port: at.port, rate, posts: 0.1, path: (_method, id) => (typeof path === 'string' ? path : path(id)), timeoutMs: 5000 });
  await until(() => isWell(load, { sinceMs: 0, rate }) !== undefined, {
    timeoutMs: 30_000,
    what: () => `visitors who are served before the fault: ${JSON.stringify(load.results.at(-1))} ${at.log().slice(-2000)}`,
  });

  const injectedAtMs = Date.now();
  const service = expected.service ?? at.service;
  const records = async (): Promise<readonly AuditRecord[]> => (await at.records()).filter(({ ts }) => Date.parse(String(ts)) >= injectedAtMs);
  await scene.inject();
  await named({ expected, service, sinceMs: Date.now(), records });

  const takenAwayAtMs = expected.healedBy === 'goodgateway' ? undefined : await takeAway(scene);
  const sinceMs = takenAwayAtMs ?? injectedAtMs;
  await maybe(async () => isWell(load, { sinceMs, rate }) !== undefined && hasEnded(await records(), expected), healMs);
  const visitors = (await load.stop()).filter(({ sentAtMs }) => sentAtMs >= injectedAtMs);
  const recorded = await records();
  const healedAtMs = wellSince(isWell(load, { sinceMs, rate }), recorded, sinceMs);
  return { records: recorded, service, injectedAtMs, takenAwayAtMs, healedAtMs, visitors, isClosed: hasEnded(recorded, expected) };
}

interface Watching {
  readonly expected: ExpectedFault;
  readonly service: string;
  /** To bring it about may itself take its time. */
  readonly sinceMs: number;
  readonly records: () => ReturnType<Watched['records']>;
}

/** Until a right cause was named, or what was said last has stood for long, or nothing was said at all. */
async function named({ expected, service, sinceMs, records }: Watching): Promise<void> {
  const isOver = async (): Promise<boolean> => {
    const said = (await records()).filter((record) => record.event.startsWith('diagnosis.') && isOf(service, record));
    if (said.some(({ cause }) => expected.causes.some((right) => right === cause))) return true;
    const last = said.at(-1);
    return last ? Date.now() - Date.parse(String(last['ts'])) > lastWordMs : Date.now() - sinceMs > detectMs;
  };
  await maybe(isOver, detectMs + lastWordMs);
}

/** Is this record about the service whose diagnosis counts? */
export function isOf(service: string, record: AuditRecord): boolean {
  return service === 'any' || record['service'] === service;
}

/** Not at once: what goodgateway would do to a service that it must leave alone has to show. */
async function takeAway(scene: Scene): Promise<number> {
  const named = Date.now();
  await until(() => Date.now() - named >= harmShowsMs, { timeoutMs: 2 * harmShowsMs, everyMs: 50, what: 'some rounds more' });
  const atMs = Date.now();
  await scene.takeAway?.();
  return atMs;
}

/** When the first was answered of the visitors who were all served, for long enough. */
function isWell({ results }: Load, { sinceMs, rate }: { readonly sinceMs: number; readonly rate: number }): number | undefined {
  const after = results.filter(({ sentAtMs }) => sentAtMs >= sinceMs);
  const served = after.slice(after.findLastIndex(({ status }) => status !== 200) + 1);
  const answeredAt = served.map(({ sentAtMs, tookMs }) => sentAtMs + tookMs);
  const [first, last] = [Math.min(...answeredAt), Math.max(...answeredAt)];
  return last >= first + wellMs && served.length >= Math.min(rate, 5) ? first : undefined;
}

/** Leftovers of a dead service may serve all the while: it is well once what was done to it is done. */
function wellSince(servedAtMs: number | undefined, records: readonly AuditRecord[], sinceMs: number): number | undefined {
  const acted = records.filter(({ event, action }) => event === 'action.finished' && action !== 'page' && action !== 'notify').map(({ ts }) => Date.parse(String(ts)));
  return servedAtMs === undefined ? undefined : Math.max(servedAtMs, ...acted.filter((atMs) => atMs >= sinceMs));
}

/** Of a fault that goodgateway heals there must have been an incident; of the others there may have been none. */
function hasEnded(records: readonly AuditRecord[], { healedBy }: ExpectedFault): boolean {
  const opened = records.filter(({ event }) => event === 'incident.opened');
  const ended = records.filter(({ event }) => event === 'incident.recovered' || event === 'incident.closed').map(({ incident }) => incident);
  return (opened.length > 0 || healedBy !== 'goodgateway') && opened.every(({ incident }) => ended.includes(incident));
}

/** What does not come in time is missing in the row, and no error here. */
async function maybe(condition: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  await until(condition, { timeoutMs, everyMs: 100, what: 'it' }).catch(() => undefined);
}
