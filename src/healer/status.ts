/** The answer to `goodgateway status`: every service, its open incident, what is left of the limits. */
import { incidentCode } from '../core/ids.ts';
import { formatAddress } from '../core/failure.ts';
import { isoOf } from '../core/time.ts';
import { redact } from './audit/redact.ts';
import { underWayOn } from './acting.ts';
import { describeGateways } from './describe-gateways.ts';
import { describeStep } from './describe-step.ts';
import type { Healer, Ward } from './healer.ts';
import type { ServiceState } from './leaves.ts';
import { describeHost, describeWords } from './operators/describe.ts';
import type { OperatorPlace } from './operators/place.ts';
import { useOfWindow } from './policy/limits.ts';

const oneLookMs = 3000;
/** As often as the watch looks, and a little. */
const recentMs = 1500;

/** Plain JSON; a look at each service is made for it, unless the `recent` one of the watch will do. */
export async function describeStatus({ wards, incidents, healer }: OperatorPlace, { recent }: { readonly recent: boolean }): Promise<object> {
  const services = await Promise.all([...wards.values()].map(async (ward) => describeWard(ward, await lookAt(ward, { recent, healer }), { incidents, healer })));
  const trouble = healer.audit.failure();
  const isOn = healer.safety.enabled && healer.state.state().host.off === undefined;
  return {
    healing: isOn ? 'on' : 'off',
    audit: trouble ? trouble.detail : 'ok',
    ...describeHost(healer),
    untold: describeUntold(healer),
    services,
    gateways: describeGateways({ wards, incidents, healer }),
  };
}

/** Receivers for whom messages wait, and why the last try did not help. */
function describeUntold({ outbox }: Healer): readonly object[] {
  return (outbox?.waiting() ?? []).map(({ name, waiting, oldestMs, problem }) => ({
    notifier: name,
    waiting,
    ...(oldestMs === undefined ? {} : { since: new Date(oldestMs).toISOString() }),
    ...(problem === undefined ? {} : { problem: redact(problem).text }),
  }));
}

async function lookAt(ward: Ward, { recent, healer }: { readonly recent: boolean; readonly healer: Healer }): Promise<ServiceState> {
  const { lastLook } = ward;
  if (recent && lastLook && healer.clock.monotonicMs() - lastLook.atMs < recentMs) return lastLook.state;
  return ward.serviceType.state(ward.target(), healer.run, AbortSignal.timeout(oneLookMs));
}

function describeWard(ward: Ward, state: ServiceState, { incidents, healer }: Pick<OperatorPlace, 'incidents' | 'healer'>): object {
  const history = healer.state.state();
  const { times, within } = ward.policy.limits.max_attempts;
  const own = history.attempts.filter((attempt) => attempt.service === ward.name).map((attempt) => attempt.atMs);
  const { used } = useOfWindow(own, { times, withinMs: within }, healer.clock.monotonicMs());
  const open = incidents.openFor(ward.name);
  const { upstreams, current } = ward.target();
  return {
    name: ward.name,
    mode: ward.policy.mode,
    state: state.state,
    text: state.text,
    upstream: upstreams[current] ? formatAddress(upstreams[current]) : null,
    attempts: { used, of: times, within_ms: within },
    quarantined: ward.deaths.quarantined(healer.clock.monotonicMs()).map(({ name, incident, untilMs }) => ({
      request: name,
      code: incidentCode(incident),
      until: isoOf(untilMs, healer.clock),
    })),
    ...describeWords(ward.name, healer),
    under_way: underWayOn(ward, healer) ?? null,
    gave_up: history.services.get(ward.name)?.gaveUp?.reason ?? null,
    incident: open
      ? {
          id: open.incident.id,
          code: incidentCode(open.incident.id),
          opened_at: new Date(open.incident.openedAtMs).toISOString(),
          symptom: open.incident.symptom.text,
          cause: open.diagnosis?.best.cause ?? null,
          sentence: open.diagnosis?.best.sentence ?? null,
          step: describeStep(open, { ward, healer }),
          done: open.done,
        }
      : null,
  };
}
