/** Keeps visitors coming while something goes on, until goodgateway has answered it, and a while longer. */
import type { GateName } from '../../src/core/decision.ts';
import type { CauseName } from '../../src/core/diagnosis.ts';
import { pidfileService, startSite, type Site, type SiteOptions } from '../e2e/site.ts';
import { startLoad, summarise } from '../support/load.ts';
import type { TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import type { Played } from './scenario.ts';

export type Records = Played['records'];

export interface Traffic {
  readonly path: string;
  /** Requests a second. */
  readonly rate: number;
  readonly posts?: number;
  readonly beside?: { readonly path: string; readonly rate: number };
  /** What goes wrong, once the first visitors were answered. */
  readonly meanwhile?: () => unknown;
  /** The answer that is waited for. */
  readonly until: (records: Records, answers: number) => boolean;
  /** After the time in which a wrong act would show: how it ends. */
  readonly afterwards?: () => Promise<unknown>;
}

/** Where visitors come in, and what goodgateway says of it. */
export interface Watched {
  readonly port: number;
  records(): Records | Promise<Records>;
  log(): string;
}

/** Something was diagnosed as one of these. */
export function diagnosedAs(...wanted: readonly CauseName[]): (records: Records) => boolean {
  return (records) => records.some(({ event, cause }) => event.startsWith('diagnosis.') && wanted.some((one) => one === cause));
}

function namedIn(records: Records): string {
  return records.flatMap(({ event, cause, confidence }) => (event.startsWith('diagnosis.') ? [`${cause} (${confidence})`] : [])).join(', ') || 'nothing';
}

/** The same, of one service. */
export function diagnosed(service: string): (records: Records) => boolean {
  return (records) => records.some((record) => record.event.startsWith('diagnosis.') && record['service'] === service);
}

/** A step was refused by this gate. */
export function refusedBy(wanted: GateName): (records: Records) => boolean {
  return (records) => records.some(({ event, gates }) => event === 'action.refused' && Array.isArray(gates) && gates.some(({ gate, verdict }) => gate === wanted && verdict === 'refuse'));
}

/** So many visitors have got an answer. */
export function answered(count: number): Traffic['until'] {
  return (_records, answers) => answers >= count;
}

/** A site of its own, looked after by its pidfile, and the traffic on it. */
export async function underLoad(t: TestScope, options: SiteOptions, what: Traffic): Promise<Played> {
  return traffic(t, await startSite(t, { ...options, service: options.service ?? pidfileService }), what);
}

/** The traffic on a site that is there. Rejects when goodgateway gives no answer. */
export async function traffic(t: TestScope, site: Site, what: Traffic): Promise<Played> {
  const watched = { port: site.nginx.port, records: () => site.gateway.audit(), log: () => site.gateway.log() };
  return visited(t, watched, what, () => site.gateway.stop());
}

/** After its answer so many ms in which it could still do the wrong thing: each round of looking takes a second at most. */
const watchedMs = 3500;

/** The same wherever goodgateway runs. `stop` ends it before its records are read, so that no late act is missed. */
export async function visited(t: TestScope, { port, records, log }: Watched, what: Traffic, stop: () => unknown = () => undefined): Promise<Played> {
  const running = startLoad(t, { port, rate: what.rate, posts: what.posts ?? 0, path: () => what.path, timeoutMs: 5000 });
  const other = what.beside && startLoad(t, { port, rate: what.beside.rate, path: () => what.beside?.path ?? '', timeoutMs: 15_000, seed: 2 });
  if (what.meanwhile) {
    await until(() => running.results.length >= 2, { timeoutMs: 20_000, what: 'the first visitors' });
    await what.meanwhile();
  }
  let seen: Records = [];
  const answered = async (): Promise<boolean> => what.until((seen = await records()), running.results.length);
  await until(answered, { timeoutMs: 60_000, everyMs: 50, what: () => `goodgateway's answer, which named ${namedIn(seen)}: ${log().slice(-3000)}` });
  const at = performance.now();
  await until(() => performance.now() - at >= watchedMs, { timeoutMs: 30_000, everyMs: 50, what: 'some rounds more' });
  await what.afterwards?.();
  // nobody new comes, and those who are in are answered or leave, so that the end does not wait for them
  const results = Promise.all([running.stop(), other?.stop() ?? []]);
  await stop();
  return { records: await records(), visitors: summarise((await results).flat()).replace(/; slowest.*/, '') };
}
