/** What the gates are asked with, what they answer, and the words about actions that several of them need. Pure. */
import type { PolicyConfig, RuleConfig } from '../../config/policy-schema.ts';
import type { SafetyConfig } from '../../config/safety-schema.ts';
import type { ActionName, GateResult, Step } from '../../core/decision.ts';
import type { Diagnosis } from '../../core/diagnosis.ts';
import { formatDuration } from '../../core/time.ts';
import type { Action, ServiceState } from '../leaves.ts';
import type { Approval, HealingHistory, Now } from './limits.ts';
import type { Hindrance, Surroundings } from './surroundings.ts';

/** What the limits need to know of an action. */
export type ActionLimits = Pick<Action, 'reach' | 'reversible' | 'needs' | 'counts' | 'budget' | 'configTest' | 'limitsFor'>;

/** The limits of every action that exists, by its name in policies. */
export type ActionTable = ReadonlyMap<ActionName, ActionLimits>;

/** Everything that a gate may look at. */
export interface GateInput {
  readonly now: Now;
  readonly incident: { readonly id: string; readonly service: string; readonly openedAtMs: number };
  readonly policy: PolicyConfig;
  /** Of the policy's text: an approval is for this one and no other. */
  readonly policySha256: string;
  readonly safety: SafetyConfig;
  readonly actions: ActionTable;
  readonly diagnosis: Diagnosis;
  readonly serviceState: ServiceState;
  readonly history: HealingHistory;
  readonly surroundings: Surroundings;
  /** Questions that were asked in this incident. */
  readonly approvals: readonly Approval[];
  readonly rule: RuleConfig;
  readonly step: Step;
}

/** One gate's word. */
export type Verdict = Omit<GateResult, 'gate'>;

/** The limits of an action, or of a step, whose options may change them; throws for one that the loader must have refused. */
export function limitsOf(actions: ActionTable, what: ActionName | Pick<Step, 'action' | 'options'>): ActionLimits {
  const name = typeof what === 'string' ? what : what.action;
  const found = actions.get(name);
  if (!found) throw new Error(`expected the action ${name} to be known: policies that name another are refused when they are read`);
  if (typeof what === 'string' || !found.limitsFor) return found;
  const { reach, reversible, needs, counts, budget, configTest } = found;
  return { reach, reversible, needs, counts, budget, configTest, ...found.limitsFor(what.options) };
}

/** Can the action disturb or start the service at all? Waiting and telling people cannot. */
export function touches(action: ActionLimits): boolean {
  return action.counts || action.reach !== 'none';
}

/** Starts what is dead. It takes nothing from anybody, so what only protects a living service does not hold it up. */
export function startsTheDead(action: ActionLimits): boolean {
  return action.budget === 'start';
}

/** Can it drop a request, or end what works? A start of what is dead cannot; what only steers traffic is taken back. */
export function disturbs(action: ActionLimits): boolean {
  return touches(action) && !startsTheDead(action) && !action.reversible;
}

/** {@link touches}, of the step that is judged. */
export function stepTouches({ actions, step }: Pick<GateInput, 'actions' | 'step'>): boolean {
  return touches(limitsOf(actions, step));
}

/** The word of every gate that protects the service alone, about a step that does nothing to it. */
export function harmless({ step }: Pick<GateInput, 'step'>): Verdict {
  return pass(`${step.action} does not touch the service`);
}

export function pass(reason: string): Verdict {
  return { verdict: 'pass', reason };
}

/** `allowedAtMs`: wall time, where time alone will open the gate. */
export function refuse(reason: string, allowedAtMs?: number): Verdict {
  return allowedAtMs === undefined ? { verdict: 'refuse', reason } : { verdict: 'refuse', reason, allowedAtMs };
}

/** Refuses until a moment on the monotonic clock, where one is known, and says how long that is. */
export function refuseUntil(reason: string, atMonotonicMs: number | undefined, now: Now): Verdict {
  if (atMonotonicMs === undefined) return refuse(reason);
  const leftMs = atMonotonicMs - now.monotonicMs;
  return refuse(`${reason}; allowed in ${formatDuration(leftMs)}`, Math.ceil(now.wallMs + leftMs));
}

/** Refuses for every hindrance, all of them named; a time is given only when it ends them all. */
export function refuseFor(hindrances: readonly Hindrance[], now: Now): Verdict {
  const reason = hindrances.map(({ text }) => text).join('; ');
  const ends = hindrances.flatMap(({ untilMs }) => untilMs ?? []);
  return ends.length < hindrances.length ? refuse(reason) : refuse(reason, wallOf(Math.max(...ends), now));
}

/** `until 2026-11-22T03:32:00.000Z (20 min more)` */
export function until(atMonotonicMs: number, now: Now): string {
  return `until ${new Date(wallOf(atMonotonicMs, now)).toISOString()} (${formatDuration(atMonotonicMs - now.monotonicMs)} more)`;
}

/** The wall time of a moment on the monotonic clock, never earlier than it. */
export function wallOf(atMonotonicMs: number, now: Now): number {
  return Math.ceil(now.wallMs + atMonotonicMs - now.monotonicMs);
}

/** Gates as the audit log and the answer to an operator spell them. */
export function gateFields(gates: readonly GateResult[]): { gate: GateResult['gate']; verdict: GateResult['verdict']; reason: string; allowed_at?: string }[] {
  return gates.map(({ gate, verdict, reason, allowedAtMs }) => ({ gate, verdict, reason, ...(allowedAtMs === undefined ? {} : { allowed_at: new Date(allowedAtMs).toISOString() }) }));
}
