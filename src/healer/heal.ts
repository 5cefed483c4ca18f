/**
 * The way of one incident, one round of it: evidence → diagnosis → decision → audit → recovery → audit →
 * verification → audit. Whoever calls it calls again until the incident is closed.
 */
import { chooseStep } from './choose-step.ts';
import { examine } from './examine.ts';
import { orderGates } from './gate-orders.ts';
import type { Healer, NextRound, OpenCase, Ward } from './healer.ts';
import { looksWell } from './looks-well.ts';
import { recover } from './recover.ts';
import { standDown } from './stand-down.ts';
import { conclude } from './conclude.ts';
import { undoWhereHandsOff } from './undo.ts';
import { addressesOf } from './ward-target.ts';

/** Does what can be done now about one open incident. Expected failures never make it reject. */
export async function heal(open: OpenCase, ward: Ward, healer: Healer): Promise<NextRound> {
  await undoWhereHandsOff({ open, ward, healer });
  if (open.rounds++ > 0 && !open.news && (await looksWell(open, ward, healer))) return conclude(open, ward, healer);
  // the decision asks for it, and finds it done: one look counts for a second
  void healer.around?.host();
  const place = addressesOf(ward);
  const examined = await examine(open, ward, healer);
  if (!examined) return { kind: 'again', inMs: 500 };
  // a reload moved it during the look: what was seen there is no reason for anything any more
  if (addressesOf(ward) !== place) return { kind: 'again', inMs: 1 };
  const decision = await chooseStep(examined, { open, ward, healer });
  orderGates(decision, { open, ward, healer });
  if (decision.kind === 'stand_down') return standDown(decision, { open, ward, healer });
  const done = await recover(decision, { open, ward, healer });
  if (done.next === 'verify') return conclude(open, ward, healer, done);
  return { kind: 'again', inMs: done.inMs };
}
