/** What the proxies tell, weighed: when is a failure, or a silence, worth an incident? */
import type { SeenBy, Symptom } from '../core/incident.ts';
import { connectProbe } from '../upstream/probe.ts';
import { lookAt } from './examine.ts';
import { keepSummary } from './fresh-traffic.ts';
import type { Healer, Ward, WardGateway } from './healer.ts';
import type { Incidents } from './incidents.ts';
import { isWarmingUp } from './start-period.ts';
import type { FailureReport, TrafficSummary } from './proxy-link.ts';

interface Place {
  readonly wards: ReadonlyMap<string, Ward>;
  readonly incidents: Incidents;
  readonly healer: Healer;
}

const confirmConnectMs = 1000;
const connectAgainMs = 250;
/** The same for what proxies report: who only says that a healthy backend refuses must not keep it busy with our connects. */
const reportedAgainMs = 50;
/** As many as one audit record takes. */
const mostRequestIds = 20;
/** A silence that could not be confirmed is looked into again after so long: somebody's long export is no hang. */
const confirmAgainMs = 5000;

/** A failed connect is confirmed by one of our own, and counts at once; everything else is counted, and so are a proxy's connects. */
export async function takeFailure(report: FailureReport, { wards, incidents, healer }: Place, seenBy: SeenBy = 'traffic'): Promise<void> {
  const ward = wardOf(wards, report.gateway);
  if (!ward) return;
  gatewayOf(ward, report.gateway)?.traffic.failed(report.kind, healer.clock.monotonicMs());
  // nginx's log names no request
  if (report.requestId !== '') ward.requestIds.push(report.requestId);
  if (ward.requestIds.length > mostRequestIds) ward.requestIds.shift();
  if (await isWarmingUp(ward, healer)) return;
  const counted = ward.detector.failed({ gateway: report.gateway, kind: report.kind, detail: report.detail, errno: report.errno, atMs: report.atMs });
  if (counted && isBelieved(report, seenBy, incidents.openFor(ward.name) !== undefined)) return incidents.seen(ward, { ...counted, seenBy });
  // our own connect would not be refused as nginx's is: the modes of the socket are looked at instead
  if (counted && report.errno === 'EACCES') return takeSilence({ ...counted, gateway: report.gateway, seenBy }, { wards, incidents, healer });
  if (report.phase !== 'connect' || incidents.openFor(ward.name)) return;
  if (!isTimeToConnect(ward, seenBy === 'nginx_log' ? connectAgainMs : reportedAgainMs, healer)) return;
  const address = gatewayOf(ward, report.gateway)?.upstreams[report.upstream];
  const failure = address && (await connectProbe(address, confirmConnectMs, { signal: healer.stopping }));
  if (failure?.source === 'upstream')
    incidents.seen(ward, {
      seenBy,
      kind: failure.kind,
      gateway: report.gateway,
      count: 2,
      ...(failure.errno !== undefined && { errno: failure.errno }),
      text: `a request and the healer's own connect failed: ${failure.detail}`,
    });
}

/** A flood of lines is no flood of connects: one that is true is written again. */
function isTimeToConnect(ward: Ward, againMs: number, { clock }: Healer): boolean {
  if (clock.monotonicMs() < ward.connectAgainAtMs) return false;
  ward.connectAgainAtMs = clock.monotonicMs() + againMs;
  return true;
}

/**
 * Whoever makes an application print into nginx's log can write that nobody listens, so that never opens an incident by
 * itself, however often it is written: a connect of our own decides. A full queue may have room again by then.
 */
function isBelieved({ phase, errno }: FailureReport, seenBy: SeenBy, isOpen: boolean): boolean {
  return seenBy !== 'nginx_log' || phase !== 'connect' || errno === 'EAGAIN' || isOpen;
}

/** Nothing was answered for long although something was asked, or most answers are the application's own errors. */
export async function takeSummary(summary: TrafficSummary, place: Place): Promise<void> {
  const ward = wardOf(place.wards, summary.gateway);
  if (!ward) return;
  const seen = { ...summary, seenMs: place.healer.clock.monotonicMs() };
  keepSummary(ward, seen);
  gatewayOf(ward, summary.gateway)?.traffic.heard(seen);
  const errors = ward.detector.answered(summary);
  if (errors && !(await isWarmingUp(ward, place.healer))) place.incidents.seen(ward, errors);
  if (summary.noProgressMs < ward.policy.hung_after) return;
  await takeSilence(
    {
      seenBy: 'traffic',
      kind: 'no_progress',
      gateway: summary.gateway,
      count: summary.inFlight,
      text: `nothing was answered through ${summary.gateway} for ${Math.round(summary.noProgressMs / 100) / 10} s, with ${summary.inFlight} requests in the backend`,
    },
    place,
  );
}

/** A silence, or a refusal that only nginx meets, is an incident only when a look at the service says why. */
export async function takeSilence(symptom: Symptom & { readonly gateway: string }, { wards, incidents, healer }: Place): Promise<void> {
  const ward = wardOf(wards, symptom.gateway);
  if (!ward) return;
  if (incidents.openFor(ward.name)) return incidents.seen(ward, symptom);
  if (healer.clock.monotonicMs() < ward.confirmAgainAtMs) return;
  ward.confirmAgainAtMs = healer.clock.monotonicMs() + confirmAgainMs;
  if (await isWarmingUp(ward, healer)) return;
  const { best } = await lookAt(ward, { symptom, which: 'all' }, healer);
  if (best.cause !== 'unknown') incidents.seen(ward, symptom);
}

function gatewayOf(ward: Ward, name: string): WardGateway | undefined {
  return ward.gateways.find((one) => one.name === name);
}

/** The ward that a gateway belongs to. */
export function wardOf(wards: ReadonlyMap<string, Ward>, gateway: string): Ward | undefined {
  return [...wards.values()].find((ward) => ward.gateways.some((one) => one.name === gateway));
}
