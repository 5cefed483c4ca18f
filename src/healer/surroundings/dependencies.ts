import { incidentCode } from '../../core/ids.ts';
import { formatDuration } from '../../core/time.ts';
import type { Healer, Ward } from '../healer.ts';
import type { Hindrance } from '../policy/surroundings.ts';

/** So long those that depend on a service get, when its policy says nothing. */
const settleMs = 30_000;
/** What the watch saw so many looks ago says nothing about now. */
const staleAfterLooks = 5;
const longestLookMs = 5000;

/** Dependencies of a service that are in trouble, or were until a moment ago; each once, with what is known of it. */
export function troubledDependencies(ward: Ward, healer: Healer): readonly (Hindrance & { readonly service: string })[] {
  return ward.policy.depends_on.flatMap((service) => {
    const found = openIncident(service, healer) ?? notRunning(service, healer) ?? settling(service, healer);
    return found ? [{ ...found, service }] : [];
  });
}

function openIncident(service: string, healer: Healer): Hindrance | undefined {
  const open = healer.state.state().incidents.find((incident) => incident.service === service);
  return open && { text: `${service}, which it depends on, has an open incident (${incidentCode(open.id)}): ${open.symptom.text}` };
}

/** An incident is not open yet, or its policy has none to open. */
function notRunning(service: string, { wards, clock }: Healer): Hindrance | undefined {
  const dependency = wards.get(service);
  const seen = dependency?.lastLook;
  if (!dependency || !seen || clock.monotonicMs() - seen.atMs > dependency.policy.watch.every * staleAfterLooks + longestLookMs) return undefined;
  const { state, text } = seen.state;
  return state === 'running' || state === 'unknown' ? undefined : { text: `${service}, which it depends on, is ${state}: ${text}` };
}

/** Verified health is where recovery ended, whoever brought it about. */
function settling(service: string, { wards, state, clock }: Healer): Hindrance | undefined {
  const wellSinceMs = state.state().services.get(service)?.backoff.healthySinceMs;
  const settle = wards.get(service)?.policy.after_recovery?.settle ?? settleMs;
  if (wellSinceMs === undefined) return undefined;
  const agoMs = clock.monotonicMs() - wellSinceMs;
  if (agoMs >= settle) return undefined;
  return { text: `${service}, which it depends on, recovered ${formatDuration(agoMs)} ago; it gets ${formatDuration(settle)} to come back by itself`, untilMs: wellSinceMs + settle };
}
