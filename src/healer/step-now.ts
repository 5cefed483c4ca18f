/** What is being done about an open incident at this moment, kept by the steps themselves for people. It decides nothing. */
import type { ActionName, Decision } from '../core/decision.ts';
import type { Clock } from '../core/time.ts';
import type { Action } from './leaves.ts';

/** Moments are monotonic. What is held back stays so until something is done, also while it is looked at again. */
export type StepNow =
  | { readonly doing: 'looking' | 'verifying'; readonly sinceMs: number }
  | { readonly doing: 'acting' | 'waiting' | 'telling'; readonly action: ActionName; readonly rule: string; readonly sinceMs: number; readonly untilMs: number }
  | { readonly doing: 'held_back'; readonly decision: Extract<Decision, { kind: 'stand_down' }>; readonly sinceMs: number };

/** The step that begins now. */
export function beginLooking(clock: Clock): StepNow {
  return { doing: 'looking', sinceMs: clock.monotonicMs() };
}

/** The step that begins now. */
export function beginVerifying(clock: Clock): StepNow {
  return { doing: 'verifying', sinceMs: clock.monotonicMs() };
}

/** The step that begins now, and may take `timeoutMs`. */
export function beginActing(action: Action, { rule, timeoutMs }: { readonly rule: string; readonly timeoutMs: number }, clock: Clock): StepNow {
  const sinceMs = clock.monotonicMs();
  return { doing: action.waits ? 'waiting' : action.tells ? 'telling' : 'acting', action: action.name, rule, sinceMs, untilMs: sinceMs + timeoutMs };
}

/** Nothing is done in this round; since the first round in a row of which that is so. */
export function beginHeldBack(decision: Extract<Decision, { kind: 'stand_down' }>, before: StepNow, clock: Clock): StepNow {
  return { doing: 'held_back', decision, sinceMs: before.doing === 'held_back' ? before.sinceMs : clock.monotonicMs() };
}
