/**
 * Requests of death: the proxies say which requests were cut off, the logs say which workers died, and where both
 * leave one answer, that request gets a strike. Two strikes and it is sent no more. Whoever kills a worker from outside
 * (SIGKILL, SIGTERM) puts nobody in quarantine.
 */
import { formatAddress } from '../core/failure.ts';
import { attribute, type Moment } from './attribute-deaths.ts';
import { alsoAnswered, type KnownRequest } from './death-memory.ts';
import type { Healer, Ward } from './healer.ts';
import type { Incidents } from './incidents.ts';
import type { ServiceState } from './leaves.ts';
import type { WorkerDeath } from './probes/read-deaths.ts';
import type { DeathReport, Quarantine, SurvivalReport } from './proxy-link.ts';
import { quarantineRequest } from './quarantine-request.ts';
import { wardOf } from './take-facts.ts';
import { WorkerDeaths } from './worker-deaths.ts';

/** php-fpm writes the line within a millisecond of the death, Apache within a second: the pauses grow. */
const firstLookMs = 20;
const longestMs = 1500;
/** Once every request has its death: so long for another that was cut off at the same moment to be told (less than a replay waits) … */
const quietMs = 50;
/** … but where requests of death come all the time there is no quiet to wait for. */
const noQuietMs = 200;

const strikesThatCount = 2;
/** Deaths within a minute that nobody can be blamed for, from which on they are an incident of their own. */
const unblamedThatCount = 3;

const oneLookMs = 3000;

export interface RequestDeaths {
  /** Call it once the wards are there: what their logs say until now is old. */
  begin(): Promise<void>;
  /** The same for one ward, whose logs are others now. */
  follow(ward: Ward): Promise<void>;
  took(report: DeathReport): void;
  /** A request like one that was told before was answered whole. */
  spared(report: SurvivalReport): void;
  /** Orders that still stand, for a proxy that comes back. */
  quarantines(): readonly Quarantine[];
}

interface Place {
  readonly wards: ReadonlyMap<string, Ward>;
  readonly incidents: Incidents;
  readonly healer: Healer;
}

/** A moment that is still being looked into. */
interface OpenMoment {
  readonly beganMs: number;
  readonly beganWallMs: number;
  lastMs: number;
  requests: number;
  untold: boolean;
  /** The first two are enough to know that there is more than one. */
  readonly seen: Map<string, KnownRequest>;
  readonly deaths: WorkerDeath[];
  readonly gateway: string;
}

/** Keeps the moments of all services, at most one open for each. */
export function createRequestDeaths({ wards, incidents, healer }: Place): RequestDeaths {
  const logs = new Map<string, WorkerDeaths>();
  const moments = new Map<string, OpenMoment>();

  async function lookInto(ward: Ward, moment: OpenMoment): Promise<void> {
    const log = logs.get(ward.name);
    if (!log) return;
    const before = stateOf(ward, healer);
    do {
      await healer.clock.sleep(Math.max(firstLookMs, (healer.clock.monotonicMs() - moment.beganMs) / 4), healer.stopping);
      const told = moment.requests;
      moment.deaths.push(...(await log.fresh(moment.beganWallMs)));
      // who was told of during the reading may have its line behind it
      if (isOver(moment, healer.clock.monotonicMs(), told === moment.requests)) break;
    } while (!healer.stopping.aborted);
    moments.delete(ward.name);
    log.giveBack(moment.deaths.slice(moment.requests));
    if (healer.stopping.aborted) return;
    const [first, now] = await Promise.all([before, stateOf(ward, healer)]);
    await judge({ ...moment, fingerprints: new Set(moment.seen.keys()), sameRun: isSameRun(first, now) }, ward);
  }

  async function judge(moment: Moment & Pick<OpenMoment, 'seen' | 'gateway'>, ward: Ward): Promise<void> {
    const verdict = attribute(moment);
    const now = healer.clock.monotonicMs();
    if (verdict.kind === 'nobody') return;
    if (verdict.kind === 'unclear') ward.deaths.noteUnclear(verdict.deaths, verdict.why, now);
    const request = verdict.kind === 'blamed' ? moment.seen.get(verdict.fingerprint) : undefined;
    // it was under way when it was quarantined
    if (request && ward.deaths.quarantined(now).some(({ fingerprint }) => fingerprint === request.fingerprint)) return;
    const spared = request !== undefined && ward.deaths.isHarmless(request.fingerprint, now);
    if (spared) ward.deaths.noteUnclear(verdict.deaths, alsoAnswered, now);
    const strikes = request && !spared ? ward.deaths.blame(request, verdict.deaths, now) : 0;
    const why = spared ? alsoAnswered : verdict.kind === 'unclear' ? verdict.why : '';
    const text = request && !spared ? `${request.name} ended its worker (${strikes} of ${strikesThatCount} times)` : `nobody is blamed: ${why}`;
    healer.log.warn({ service: ward.name, deaths: verdict.deaths.map(({ pid, how }) => `${pid} ${how}`) }, text);
    const quarantines = ward.gateways.some(({ quarantineMs }) => quarantineMs > 0);
    if (request && strikes >= strikesThatCount && quarantines) return quarantineRequest({ request, gateway: moment.gateway, strikes }, { ward, incidents, healer });
    reportFaults(ward, moment.gateway, now);
  }

  /** Workers that go on dying are trouble, whoever is to blame. */
  function reportFaults(ward: Ward, gateway: string, nowMs: number): void {
    const { length: count } = ward.deaths.unblamed(nowMs);
    if (count >= unblamedThatCount) incidents.seen(ward, { seenBy: 'traffic', kind: 'worker_died', gateway, count, text: `${count} workers of ${ward.name} ended by a fault in the last minute` });
  }

  async function follow(ward: Ward): Promise<void> {
    const log = new WorkerDeaths(ward, healer);
    await log.begin();
    logs.set(ward.name, log);
  }

  return {
    begin: async () => void (await Promise.all([...wards.values()].map(follow))),
    follow,
    took(report) {
      const ward = wardOf(wards, report.gateway);
      if (!ward || !isWhereItIs(report, ward)) return;
      const open = moments.get(ward.name);
      const moment = open ?? openMoment(report, healer);
      moment.lastMs = healer.clock.monotonicMs();
      moment.requests += 1;
      moment.untold ||= report.untold;
      if (moment.seen.size < 2) moment.seen.set(report.fingerprint, { fingerprint: report.fingerprint, name: report.name });
      if (open) return;
      moments.set(ward.name, moment);
      void lookInto(ward, moment);
    },
    spared: ({ gateway, fingerprint }) => wardOf(wards, gateway)?.deaths.forgive(fingerprint, healer.clock.monotonicMs()),
    quarantines: () => [...wards.values()].flatMap((ward) => ordersFor(ward, healer.clock.monotonicMs())),
  };
}

function openMoment({ gateway }: DeathReport, { clock }: Healer): OpenMoment {
  const now = clock.monotonicMs();
  return { beganMs: now, beganWallMs: clock.wallMs(), lastMs: now, requests: 0, untold: false, seen: new Map(), deaths: [], gateway };
}

function isOver({ beganMs, lastMs, requests, deaths }: OpenMoment, nowMs: number, upToDate: boolean): boolean {
  if (nowMs - beganMs >= longestMs) return true;
  return upToDate && deaths.length >= requests && (nowMs - lastMs >= quietMs || nowMs - beganMs >= noQuietMs);
}

/** A request that was sent to another place than the one whose log is read says nothing about its workers. */
function isWhereItIs({ gateway, upstream }: DeathReport, ward: Ward): boolean {
  const { upstreams, current } = ward.target();
  const [sentTo, here] = [ward.gateways.find(({ name }) => name === gateway)?.upstreams[upstream], upstreams[current]];
  return sentTo !== undefined && here !== undefined && formatAddress(sentTo) === formatAddress(here);
}

function stateOf(ward: Ward, healer: Healer): Promise<ServiceState> {
  return ward.serviceType.state(ward.target(), healer.run, AbortSignal.any([healer.stopping, AbortSignal.timeout(oneLookMs)]));
}

function isSameRun(one: ServiceState, other: ServiceState): boolean {
  return one.state === 'running' && other.state === 'running' && one.fence !== '' && one.fence === other.fence;
}

function ordersFor(ward: Ward, nowMs: number): readonly Quarantine[] {
  return ward.deaths.quarantined(nowMs).flatMap(({ fingerprint, incident, sinceMs }) =>
    ward.gateways.flatMap(({ name, quarantineMs }): readonly Quarantine[] => {
      const forMs = Math.round(sinceMs + quarantineMs - nowMs);
      return forMs > 0 ? [{ type: 'quarantine', gateway: name, incident, fingerprint, forMs }] : [];
    }),
  );
}
