import type { OperatorAnswer, OperatorRequest } from '../../channel/operator-messages.ts';
import type { Healer, Ward } from '../healer.ts';
import type { Incidents } from '../incidents.ts';
import { lookAround } from '../look-around.ts';
import { assumedDiagnosis } from '../simulate/assumed-service.ts';
import { explain, type Explanation } from '../simulate/explanation.ts';

/** A look at the service, as for `status`. */
const oneLookMs = 3000;

/**
 * What would be done right now if this were the cause: with the service's real state, its real history and what is going
 * on around it. Nothing is done, asked of anybody, or recorded.
 */
export async function simulateCause(
  request: Extract<OperatorRequest, { ask: 'simulate' }>,
  { wards, incidents, healer }: { readonly wards: ReadonlyMap<string, Ward>; readonly incidents: Incidents; readonly healer: Healer },
): Promise<Explanation | OperatorAnswer> {
  const ward = wards.get(request.service);
  if (!ward) return { ok: false, text: `no policy has the name ${request.service}; there are ${[...wards.keys()].join(', ') || 'none'}` };
  const serviceState = await ward.serviceType.state(ward.target(), healer.run, AbortSignal.any([healer.stopping, AbortSignal.timeout(oneLookMs)]));
  const surroundings = await lookAround(ward, serviceState, healer);
  const now = { wallMs: healer.clock.wallMs(), monotonicMs: healer.clock.monotonicMs() };
  const history = healer.state.state();
  const open = incidents.openFor(ward.name);
  const remembered = open && history.incidents.find(({ id }) => id === open.incident.id);
  const sameCause = open?.diagnosis?.best.cause === request.cause;
  return explain(
    {
      now,
      incident: open?.incident ?? { id: 'simulated', service: ward.name, openedAtMs: now.wallMs },
      policy: ward.policy,
      policySha256: ward.sha256,
      safety: healer.safety,
      actions: healer.actionTable,
      diagnosis: assumedDiagnosis(ward.name, request.cause, request.confidence),
      serviceState,
      history,
      surroundings,
      approvals: remembered?.approvals ?? [],
      ladder: remembered?.ladder ?? [],
      causeSinceMs: open && sameCause ? open.causeSinceMs : now.monotonicMs,
    },
    'healer',
    open?.incident.id ?? null,
  );
}
