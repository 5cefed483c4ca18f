/**
 * Acts that can be taken back (R13). What would undo one is on the disk, with its incident, before it is done; it is
 * undone when it did not help, or when the incident is over, as the action says. So a crash of the healer leaves nothing
 * that nobody remembers.
 */
import type { Decision } from '../core/decision.ts';
import type { Incident } from '../core/incident.ts';
import { recordFor } from './audit-record-for.ts';
import { orderShed } from './gate-orders.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
import type { UndoContext } from './leaves.ts';
import type { UndoableAct } from './state-file.ts';

interface Place {
  readonly open: Pick<OpenCase, 'incident'>;
  readonly ward: Ward;
  readonly healer: Healer;
}

/**
 * To be called before the act; the next change that is saved saves this one, too. `true`: it is to be forgotten if the act
 * has no effect; else there is nothing to take back (`undo: never`), or an earlier act of this kind stands.
 */
export async function rememberUndo({ rule, step }: Extract<Decision, { kind: 'recover' }>, { open, ward, healer }: Place): Promise<boolean> {
  const undo = healer.actions.get(step.action)?.undo;
  const rung = ward.policy.rules.find((one) => one.name === rule)?.try[step.rung];
  if (!undo || (rung?.undo ?? undo.byDefault) === 'never') return false;
  const earlier = standing(open.incident, healer).find((one) => one.action === step.action);
  const act: UndoableAct = { action: step.action, options: step.options, ...(undo.before ? { before: undo.before(ward.target()) } : {}) };
  // done twice, it is taken back to the time before the first
  const kept = earlier?.before === undefined ? act : { ...act, before: earlier.before };
  await healer.state.updateIncident(open.incident.id, (incident) => ({ ...incident, undo: [...incident.undo.filter((one) => one.action !== act.action), kept] }));
  return earlier === undefined;
}

/** It had no effect, or something else has undone it: there is nothing to take back. */
export async function forgetUndo(action: UndoableAct['action'], { open, healer }: Place): Promise<void> {
  if (!standing(open.incident, healer).some((one) => one.action === action)) return;
  await healer.state.updateIncident(open.incident.id, (incident) => ({ ...incident, undo: incident.undo.filter((one) => one.action !== action) }));
}

/** Takes back what is due, the newest first. An undo that fails is recorded and not tried again. */
export async function undoActs(due: 'closed' | 'not_recovered', place: Place): Promise<void> {
  const { open, ward, healer } = place;
  for (const act of standing(open.incident, healer).toReversed()) {
    const undo = healer.actions.get(act.action)?.undo;
    if (undo?.when !== due) continue;
    const { result, detail } = await undo.perform(undoContext(place), act.options, act.before);
    await forgetUndo(act.action, place);
    await healer.audit.append({ ...recordFor(open, ward), event: 'undo.done', action: act.action, outcome: { result, detail }, text: detail });
    healer.log.info({ service: ward.name, action: act.action, result }, detail);
  }
}

/**
 * After a restart of the healer: orders anew what still stands. Where nothing may be done any more (the mode is observe
 * now, or healing is switched off) it is taken back instead.
 */
export async function renewActs(incident: Incident, { ward, healer }: { readonly ward: Ward; readonly healer: Healer }): Promise<void> {
  const place = { open: { incident }, ward, healer };
  if (isHandsOff(ward, healer)) return undoActs('closed', place);
  for (const act of standing(incident, healer)) await healer.actions.get(act.action)?.undo?.renew?.(undoContext(place), act.options);
}

/** What still turns visitors away ends as soon as nothing may be done any more; a pause ends by itself, so it leaves things as they are. */
export async function undoWhereHandsOff(place: Place): Promise<void> {
  if (isHandsOff(place.ward, place.healer)) await undoActs('closed', place);
}

/** Somebody has said, for good, that nothing is to be done. */
export function isHandsOff({ name, policy }: Ward, { safety, state }: Healer): boolean {
  const { host, services } = state.state();
  return policy.mode === 'observe' || !safety.enabled || host.off !== undefined || services.get(name)?.off !== undefined;
}

/** Acts of this incident that stand and can be taken back, the newest last. */
export function standing({ id }: Pick<Incident, 'id'>, healer: Healer): readonly UndoableAct[] {
  return healer.state.state().incidents.find((one) => one.id === id)?.undo ?? [];
}

function undoContext(place: Place): UndoContext {
  const { ward, healer } = place;
  return { target: ward.target(), clock: healer.clock, useUpstream: (index) => ward.useUpstream(index), shed: async (level) => orderShed(level, place) };
}
