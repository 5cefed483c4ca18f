/** What is being done about an open incident at this moment, in words. */
import type { Decision } from '../core/decision.ts';
import { isoOf } from '../core/time.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
import { isLive, questionsOf } from './questions.ts';
import type { StepNow } from './step-now.ts';

/** As `status --json` spells it. */
export interface DescribedStep {
  readonly doing: StepNow['doing'] | 'asking' | 'observing' | 'given_up';
  /** Without its end: `start by the rule "Crashed, so start it"`. */
  readonly text: string;
  readonly since: string;
  /** When it ends at the latest, or is tried again; `null` where time alone changes nothing. */
  readonly until: string | null;
}

/** Plain JSON. */
export function describeStep({ incident, diagnosis, step }: OpenCase, { ward, healer }: { readonly ward: Ward; readonly healer: Healer }): DescribedStep {
  const since = isoOf(step.sinceMs, healer.clock);
  switch (step.doing) {
    case 'looking':
      return { doing: step.doing, text: diagnosis ? 'at how it is now' : 'for the cause', since, until: null };
    case 'verifying':
      return { doing: step.doing, text: 'that it is well, and stays so', since, until: null };
    case 'acting':
    case 'waiting':
    case 'telling':
      return { doing: step.doing, text: `${step.action} by the rule "${step.rule}"`, since, until: isoOf(step.untilMs, healer.clock) };
    case 'held_back':
      return { ...describeHeldBack(step.decision, incident.id, { ward, healer }), since };
  }
}

function describeHeldBack(
  { why, reason, retryAtMs }: Extract<Decision, { kind: 'stand_down' }>,
  incident: string,
  { ward, healer }: { readonly ward: Ward; readonly healer: Healer },
): Pick<DescribedStep, 'doing' | 'text' | 'until'> {
  const { clock, state } = healer;
  const question = questionsOf(incident, healer).find((one) => isLive(one) && one.verdict === 'asked' && one.untilMs > clock.monotonicMs());
  if (question) return { doing: 'asking', text: `may it ${question.action}? goodgateway approve ${question.code} (or: deny)`, until: isoOf(question.untilMs, clock) };
  const until = retryAtMs === undefined ? null : new Date(retryAtMs).toISOString();
  const gaveUp = state.state().services.get(ward.name)?.gaveUp;
  if (gaveUp) return { doing: 'given_up', text: reason, until };
  return { doing: why === 'observe' ? 'observing' : 'held_back', text: reason, until };
}
