/** Nothing is done in this round: why, who is told, and when it is looked at again. */
import type { Decision } from '../core/decision.ts';
import { askOrWait } from './approvals.ts';
import { recordFor } from './audit-record-for.ts';
import type { Healer, NextRound, OpenCase, Ward } from './healer.ts';
import { notify, remind } from './notices.ts';
import { needsPerson } from './policy/needs-person.ts';
import { recordDecision } from './record-decision.ts';
import { beginHeldBack } from './step-now.ts';

type StandDown = Extract<Decision, { kind: 'stand_down' }>;

/** How often a service is looked at while nothing can be done: soon enough to see that somebody repaired it. */
const lookAgainMs = 1000;

/** Records the refusal once, tells people once where nothing else will happen, and comes back. */
export async function standDown(decision: StandDown, place: { open: OpenCase; ward: Ward; healer: Healer }): Promise<NextRound> {
  const { open, ward, healer } = place;
  open.step = beginHeldBack(decision, open.step, healer.clock);
  const waiting = await askOrWait(decision, place);
  if (waiting) return waiting;
  const isNew = await recordDecision(decision, place);
  const forAPerson = needsPerson(decision, healer.clock.wallMs() - open.incident.openedAtMs, healer.clock.wallMs());
  const givesUp = decision.why === 'exhausted' && open.done.length > 0 && hasRealSteps(decision, place);
  if (forAPerson && ward.policy.mode !== 'observe') {
    const words = { rule: decision.rule, now: `${decision.reason}.` };
    const gaveUpBefore = healer.state.state().services.get(ward.name)?.gaveUp?.incident === open.incident.id;
    if (givesUp && isNew && !gaveUpBefore) await notify('gave_up', place, words);
    else if (!open.told) await notify('blocked', place, words);
    else await remind(place, words);
  }
  if (givesUp && isNew) await giveUp(decision, place);
  const inMs = decision.retryAtMs === undefined ? lookAgainMs : Math.max(10, Math.min(lookAgainMs, decision.retryAtMs - healer.clock.wallMs()));
  return { kind: 'again', inMs };
}

/** A rule that only waits or tells has nothing to give up: when its cause is gone, other rules may act. */
function hasRealSteps({ rule }: StandDown, { ward, healer }: { ward: Ward; healer: Healer }): boolean {
  return ward.policy.rules.find((one) => one.name === rule)?.try.some((rung) => healer.actionTable.get(rung.do)?.counts) ?? false;
}

async function giveUp(decision: StandDown, { open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): Promise<void> {
  await healer.state.giveUp(open.incident, decision.reason);
  await healer.audit.append({ ...recordFor(open, ward), event: 'incident.gave_up', ...(decision.rule === undefined ? {} : { rule: decision.rule }), text: decision.reason });
}
