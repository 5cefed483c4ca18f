/** What the proxies are told while an incident is open: who waits, who is answered at once, and what visitors read. */
import type { Decision } from '../core/decision.ts';
import type { CauseName } from '../core/diagnosis.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';

/** While the backend takes connections but must not get any, only the healer opens; else the first connect that works does. */
const onlyTheHealerOpens: ReadonlySet<CauseName> = new Set(['service.hung', 'service.orphaned_workers', 'app.bad_response', 'net.port_moved']);
/** The backend is away: nobody's request can be answered before it is back. */
const backendAway: ReadonlySet<CauseName> = new Set([
  'service.crashed',
  'service.start_limit_hit',
  'service.hung',
  'service.starting',
  'service.stopped_by_operator',
  'oom.killed',
  'config.invalid',
  'config.permission',
  'config.socket_mismatch',
  'net.port_moved',
  'net.port_taken',
  'net.port_blocked',
  'change.in_progress',
]);
/** A refusal that ends so soon is worth waiting for; a longer one is answered by the page. */
const worthWaitingMs = 10_000;

/** Tells every gateway of the service what this decision means for those who wait. Busy is not broken: then nobody is told anything. */
export function orderGates(decision: Decision, place: { open: OpenCase; ward: Ward; healer: Healer }): void {
  const action = decision.step && place.healer.actions.get(decision.step.action);
  // a notice on the way to the next step changes nothing for those who wait
  if (decision.kind === 'recover' && action?.tells === 'notice') return;
  const cause = placeOfTrouble(place.open);
  const until = onlyTheHealerOpens.has(cause) ? 'order' : 'connect';
  if (willHeal(decision, place)) return touchesService(decision, place) ? hold(place, until) : undefined;
  // a backend that may be well is not shut off on a suspicion
  const sure = until === 'connect' || place.open.diagnosis?.best.confidence === 'certain';
  const away = backendAway.has(cause) || (cause === 'unknown' && refuses(place.open));
  if (away && sure) return fallBack(place, { until: cause === 'net.port_moved' ? 'connect' : until, say: visitorsWord(decision, place) });
  if (place.open.gatesClosed) openGates(place, 'nothing more can be done; requests are let through');
}

/** A configuration that stands in the way of a repair is not what keeps the backend away. */
function placeOfTrouble({ diagnosis }: OpenCase): CauseName {
  if (!diagnosis) return 'unknown';
  const { best, others } = diagnosis;
  return best.cause === 'config.invalid' ? (others[0]?.cause ?? best.cause) : best.cause;
}

/** The first word about an incident that a failed connect opened: it is being looked at, wait. */
export function holdAtOpening(place: { open: OpenCase; ward: Ward; healer: Healer }): void {
  hold(place, 'connect');
}

/** The repair cannot even begin (it could not be recorded): nobody is kept waiting for it. */
export function fallBackUntilRepaired(place: { open: OpenCase; ward: Ward; healer: Healer }): void {
  fallBack(place, { until: 'connect', say: place.open.told ? 'somebody has been told' : '' });
}

/** Lets only the share `keep` of the requests through, or (1) everybody again. Nobody is held or shut off for it: busy is not broken. */
export function orderShed(level: { readonly keep: number; readonly retryAfterMs: number }, { open, ward, healer }: { open: Pick<OpenCase, 'incident'>; ward: Ward; healer: Healer }): void {
  for (const { name } of ward.gateways) healer.order({ type: 'shed', gateway: name, incident: open.incident.id, ...level, say: ward.policy.while_recovering.say ?? '' });
}

/** The service answers again. `say` is for the administrator's page and the demo, not for visitors. */
export function openGates({ open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }, say: string): void {
  open.gatesClosed = false;
  for (const gateway of ward.gateways) healer.order({ type: 'open', gateway: gateway.name, say: say.slice(0, 300) });
}

/**
 * These lead to another service now: what this incident ordered there ends, also for proxies that connect later. From
 * here on only who looks after that service orders anything.
 */
export function letGo(gateways: readonly string[], { open, healer }: { open: Pick<OpenCase, 'incident'>; healer: Pick<Healer, 'order'> }): void {
  for (const gateway of gateways) {
    healer.order({ type: 'open', gateway, say: 'it leads to another service now' });
    healer.order({ type: 'shed', gateway, incident: open.incident.id, keep: 1, retryAfterMs: 0, say: '' });
  }
}

function willHeal(decision: Decision, { healer }: { healer: Healer }): boolean {
  const action = decision.step && healer.actions.get(decision.step.action);
  if (action?.tells || action?.endsDown) return false;
  if (decision.kind === 'recover') return true;
  if (decision.why === 'observe' || decision.why === 'exhausted' || decision.why === 'no_rule') return false;
  return decision.retryAtMs !== undefined && decision.retryAtMs - healer.clock.wallMs() <= worthWaitingMs;
}

function touchesService(decision: Decision, { healer }: { healer: Healer }): boolean {
  const action = decision.step && healer.actionTable.get(decision.step.action);
  return action !== undefined && (action.counts || decision.step?.action === 'switch_upstream');
}

function hold({ open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }, until: 'connect' | 'order'): void {
  open.gatesClosed = true;
  const estimateMs = median(ward.recoveriesMs);
  const say = ward.policy.while_recovering.say ?? 'it is being repaired right now';
  for (const { name } of ward.gateways) healer.order({ type: 'hold', gateway: name, incident: open.incident.id, until, ...(estimateMs === undefined ? {} : { estimateMs }), say });
}

/** `undefined` before the first recovery: visitors are told no time that nobody has measured. */
function median(timesMs: readonly number[]): number | undefined {
  const middle = timesMs.toSorted((a, b) => a - b)[Math.floor(timesMs.length / 2)];
  return middle === undefined ? undefined : Math.round(middle);
}

function fallBack({ open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }, order: { readonly until: 'connect' | 'order'; readonly say: string }): void {
  open.gatesClosed = true;
  const say = ward.policy.while_recovering.say ?? order.say;
  for (const { name } of ward.gateways) healer.order({ type: 'fall_back', gateway: name, incident: open.incident.id, until: order.until, say });
}

/**
 * Whatever the cause may be: nobody takes connections, as our own connect confirms, so nobody's request can be answered.
 * A full queue is not that, nor is one that was full when the incident began.
 */
function refuses({ incident, diagnosis }: OpenCase): boolean {
  const connect = diagnosis?.evidence.find(({ kind }) => kind === 'connect');
  if (connect && (connect.missing !== undefined || connect.facts['result'] === 'connected' || connect.facts['errno'] === 'EAGAIN')) return false;
  return ['connection_refused', 'connection_timeout', 'destination_unavailable', 'service_down'].includes(incident.symptom.kind);
}

/** Only what is true: "told" when somebody was, "soon" when nothing but time stands in the way. */
function visitorsWord(decision: Decision, { open, ward }: { open: OpenCase; ward: Ward }): string {
  if (open.diagnosis?.best.cause === 'service.stopped_by_operator') return 'it was stopped on purpose';
  if (ward.policy.mode !== 'act') return '';
  if (decision.kind === 'stand_down' && decision.retryAtMs !== undefined) return 'it will be repaired soon';
  return open.told ? 'somebody has been told' : '';
}
