/** One step, carried out: its intent is on the disk before it begins, its outcome when it has ended. */
import type { Decision, StepResult } from '../core/decision.ts';
import { formatAddress } from '../core/failure.ts';
import { ulid } from '../core/ids.ts';
import { beginStep } from './acting.ts';
import { recordFor } from './audit-record-for.ts';
import { noteFailure } from './breaker.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
import { takeHostTurn } from './host-turn.ts';
import type { Action } from './leaves.ts';
import { endWhenPointless, waitLeftMs } from './end-wait.ts';
import { fallBackUntilRepaired, orderShed } from './gate-orders.ts';
import { noteAsked, notify, page } from './notices.ts';
import { outcomeRecord } from './outcome-record.ts';
import { gateFields, touches } from './policy/gates.ts';
import { sayOnce } from './say-once.ts';
import { spentBudget } from './spent-budget.ts';
import { beginActing, beginLooking } from './step-now.ts';
import { forgetUndo, rememberUndo } from './undo.ts';

/** `verify`: the step may have helped. `again`: it did not (or was only a word to somebody); look anew. */
export type Recovered = { readonly next: 'verify'; readonly sentence: string } | { readonly next: 'again'; readonly inMs: number };

const waitSlackMs = 1000;

type Recover = Extract<Decision, { kind: 'recover' }>;

/** An act of a person takes seconds. */
const lookAfterOtherActMs = 200;

/** Not while a person's act is under way, nor on what was seen before it. */
export async function recover(decision: Recover, place: { open: OpenCase; ward: Ward; healer: Healer }): Promise<Recovered> {
  const limits = place.healer.actionTable.get(decision.step.action);
  if (!limits || !touches(limits)) return carryOut(decision, place);
  const end = beginStep(`${decision.step.action} by the rule "${decision.rule}"`, place);
  if (!end) return { next: 'again', inMs: lookAfterOtherActMs };
  try {
    return await carryOut(decision, place);
  } finally {
    end();
  }
}

/** No audit, no action: what cannot be recorded is not done, and is tried again soon. */
async function carryOut(decision: Recover, { open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): Promise<Recovered> {
  const { step, rule } = decision;
  const action = healer.actions.get(step.action);
  const suspect = open.diagnosis?.best;
  if (!action || !suspect) throw new Error(`expected a known action and a diagnosis, got ${step.action}`);
  const timeoutMs = action.waits ? waitLeftMs(decision, { open, healer }) : step.timeoutMs;
  const base = { ...recordFor(open, ward), action: step.action, action_id: ulid(healer.clock.wallMs()), rule, rung: step.rung, attempt: step.attempt };
  // a disk that takes no memory of it would count it only until the next start, and use up steps that were never made
  const kept = action.counts ? await healer.state.updateIncident(open.incident.id, (incident) => incident) : ({ kind: 'saved' } as const);
  if (kept.kind !== 'saved') return refuseWithoutAudit(`${step.action} is not done, because it could not be remembered: ${kept.detail}`, { open, ward, healer });
  using turn = await takeHostTurn(decision, { open, ward, healer });
  // spent by another service, or forbidden by a person, since this was decided: the next round says so
  if (turn.over !== undefined) return { next: 'again', inMs: 100 };
  const intent = await healer.audit.append({
    ...base,
    event: 'action.intent',
    cause: suspect.cause,
    confidence: suspect.confidence,
    gates: gateFields(decision.gates),
    limits: { timeout_ms: timeoutMs },
    reversible: action.reversible,
    text: `${step.action} by the rule "${rule}"`,
  });
  if (intent.kind !== 'appended') return refuseWithoutAudit(`${step.action} is not done, because it could not be recorded: ${intent.detail}`, { open, ward, healer });
  const isFirst = await rememberUndo(decision, { open, ward, healer });
  const begun = { incident: open.incident, rule, step, counts: action.counts, budget: action.limitsFor?.(step.options).budget, id: base.action_id };
  const saved = action.waits ? ({ kind: 'saved' } as const) : await healer.state.startStep(begun);
  const spent = spentBudget(step, healer);
  turn[Symbol.dispose]();
  if (disturbs(action) && open.done.length === 0) void notify('started', { open, ward, healer }, { rule, now: `${step.action} by the rule "${rule}".` });
  const { result, cutShort } = saved.kind === 'saved' ? await perform(decision, timeoutMs, { open, ward, healer }) : notSaved(saved.detail);
  // a wait is used up by its end only: cut short by news, or by the end of the healer, it goes on where its cause is met again
  if (action.waits && !cutShort) await healer.state.startStep(begun);
  open.said.clear();
  // before the outcome is on record: what is counted late would be lost in a crash
  if (action.counts && saved.kind === 'saved' && result.result === 'failed') await noteFailure({ open, ward, healer });
  await healer.audit.append({ ...base, ...outcomeRecord(result, intent.seq) });
  if (spent !== undefined) await healer.audit.append({ ...recordFor(open, ward), event: 'budget.spent', text: spent });
  healer.log.info({ service: ward.name, action: step.action, result: result.result, took_ms: Math.round(result.durationMs) }, result.detail);
  if (action.tells === 'page') noteAsked({ open, healer });
  if (disturbs(action)) open.done.push(result.result === 'failed' ? `${step.action} (failed)` : step.action);
  if (result.result === 'failed' && isFirst) await forgetUndo(step.action, { open, ward, healer });
  if (action.counts || step.action === 'switch_upstream') {
    open.acted = { wallMs: healer.clock.wallMs(), monotonicMs: healer.clock.monotonicMs() };
  }
  if (startsAnew.has(step.action) && result.result !== 'failed') await undoSwitch({ open, ward, healer });
  if (step.action === 'shed_load' && result.result === 'done') await untilWell(ward.policy.verify.within, { open, ward, healer });
  return whatNext(action, result);
}

/** Does more than to wait or to tell: the service, its route or its visitors feel it. */
function disturbs(action: Action): boolean {
  return action.counts || action.undo !== undefined;
}

/** A fresh run listens where it is configured to, so an earlier switch of the upstream is undone by it. */
export const startsAnew: ReadonlySet<string> = new Set(['start', 'restart', 'terminate_orphans', 'reset_failed_and_start']);

async function undoSwitch({ open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): Promise<void> {
  const { current, upstreams } = ward.target();
  if (current === 0 || !upstreams[0]) return;
  await ward.useUpstream(0);
  await forgetUndo('switch_upstream', { open, ward, healer });
  await healer.audit.append({ ...recordFor(open, ward), event: 'undo.done', text: `the gateways use ${formatAddress(upstreams[0])} again, where the service is configured to listen` });
}

/** No incident of it is open; `undefined`: there is no such service. */
export function isWell(service: string, { wards, state }: Healer): boolean | undefined {
  return wards.has(service) ? !state.state().incidents.some((one) => one.service === service) : undefined;
}

interface Performed {
  readonly result: StepResult;
  readonly cutShort: boolean;
}

function notSaved(detail: string): Performed {
  return { result: { result: 'failed', detail: `not done: ${detail}`, durationMs: 0 }, cutShort: false };
}

async function perform(decision: Recover, timeoutMs: number, { open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): Promise<Performed> {
  const { step, rule } = decision;
  const action = healer.actions.get(step.action)!;
  const ended = new AbortController();
  if (action.waits) void endWhenPointless(ended, { open, ward, healer });
  const context = {
    target: ward.target(),
    serviceType: ward.serviceType,
    run: healer.run,
    clock: healer.clock,
    suspect: open.diagnosis!.best,
    incident: open.incident.id,
    timeoutMs,
    // a wait ends by itself when its time is over, which is no abort
    signal: AbortSignal.any([AbortSignal.timeout(action.waits ? timeoutMs + waitSlackMs : timeoutMs), ended.signal]),
    useUpstream: (index: number) => ward.useUpstream(index),
    isWell: (service: string) => isWell(service, healer),
    shed: async (level: { readonly keep: number; readonly retryAfterMs: number }) => orderShed(level, { open, ward, healer }),
    tell: (text: string, to?: readonly string[]) => page(text, { open, ward, healer }, { rule, to, notice: action.tells === 'notice' }),
  };
  const act = { action: step.action, startedMs: healer.clock.monotonicMs() };
  if (touches(action)) ward.lastAct = act;
  open.step = beginActing(action, { rule, timeoutMs }, healer.clock);
  try {
    return { result: await action.perform(context, step.options), cutShort: ended.signal.aborted };
  } finally {
    ended.abort();
    open.step = beginLooking(healer.clock);
    if (touches(action)) ward.lastAct = { ...act, endedMs: healer.clock.monotonicMs() };
  }
}

/** Fewer visitors need a while to show. */
async function untilWell(ms: number, place: { open: OpenCase; ward: Ward; healer: Healer }): Promise<void> {
  const ended = new AbortController();
  void place.healer.clock.sleep(ms, ended.signal).then(() => ended.abort());
  await endWhenPointless(ended, place);
}

function whatNext(action: Action, result: StepResult): Recovered {
  const sentence = result.detail;
  if (action.tells) return { next: 'again', inMs: 100 };
  // the next round finds out at once whether there is still something to wait for
  if (action.waits || action.name === 'shed_load') return { next: 'again', inMs: 10 };
  if (action.endsDown && result.result === 'done') return { next: 'again', inMs: 10 };
  // a failed command changed nothing for the better: look anew at once, the back-off says when to try again
  return result.result === 'failed' ? { next: 'again', inMs: 10 } : { next: 'verify', sentence };
}

/** Disk full, folder gone: traffic flows, healing waits, somebody is told. */
async function refuseWithoutAudit(text: string, { open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): Promise<Recovered> {
  if (sayOnce(open, text, healer)) await page(`${ward.name}: ${text}`, { open, ward, healer }, { rule: '', to: undefined, now: `${text}.` });
  noteAsked({ open, healer });
  fallBackUntilRepaired({ open, ward, healer });
  return { next: 'again', inMs: 5000 };
}
