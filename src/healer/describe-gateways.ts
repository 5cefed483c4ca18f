/** The gateways in the answer to `goodgateway status`: what their visitors get right now, and how much of it. */
import { isFresh } from './fresh-traffic.ts';
import type { Healer, OpenCase, SeenSummary, Ward, WardGateway } from './healer.ts';
import type { Incidents } from './incidents.ts';
import { standing } from './undo.ts';

/** Those that lead to a service under care. What a silent proxy would say is `null`, never zero. */
export function describeGateways({ wards, incidents, healer }: { readonly wards: ReadonlyMap<string, Ward>; readonly incidents: Incidents; readonly healer: Healer }): readonly object[] {
  return [...wards.values()].flatMap((ward) => ward.gateways.map((gateway) => ({ name: gateway.name, service: ward.name, ...describe(gateway, incidents.openFor(ward.name), healer) })));
}

function describe({ traffic }: WardGateway, open: OpenCase | undefined, healer: Healer): object {
  const nowMs = healer.clock.monotonicMs();
  const { newest, perSecond, failed, failedByKind } = traffic.now(nowMs);
  const fresh = newest && isFresh(newest, healer.clock) ? newest : undefined;
  return {
    gate: fresh?.gate ?? null,
    visitors: fresh ? visitorsGet(fresh, open, healer) : null,
    in_flight: fresh?.inFlight ?? null,
    held: fresh?.held ?? null,
    per_second: fresh ? Math.round(perSecond * 10) / 10 : null,
    failed_last_minute: failed,
    failed_by_kind: Object.fromEntries(failedByKind),
    heard_ms_ago: newest ? Math.round(nowMs - newest.seenMs) : null,
  };
}

/** `answers`; `answers_or_page`: some are asked to come back; `waits`; `page`. */
function visitorsGet({ gate }: SeenSummary, open: OpenCase | undefined, healer: Healer): string {
  if (gate === 'holding') return 'waits';
  if (gate === 'falling_back') return 'page';
  return open && standing(open.incident, healer).some(({ action }) => action === 'shed_load') ? 'answers_or_page' : 'answers';
}
